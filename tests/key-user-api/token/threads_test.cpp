#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "key-user-api/local_issuer/local_keys.h"
#include "tests/conformance/forwarding_store.h"
#include "tests/key-user-api/token/lab.h"

/// Many threads of many applications at once: nothing is lost, and nobody sees half of a change. doctest's checks are
/// not for threads, so these count.
namespace sks::test {
namespace {

const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr int kThreads = 4;

template <class Work>
void in_threads(const Work& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

/// The first read of an extension after arm() waits for go_on(), or for a while.
class WaitingStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<ExtensionContent> get_extension(KeyHandle key, std::string_view type) override {
    auto read = ForwardingStore::get_extension(key, type);
    std::unique_lock lock(mutex_);
    if (stage_ != Stage::armed) return read;
    enter(Stage::reading);
    changed_.wait_for(lock, std::chrono::milliseconds(300), [&] { return stage_ == Stage::over; });
    return read;
  }
  void arm() {
    const std::lock_guard lock(mutex_);
    enter(Stage::armed);
  }
  bool has_reader_soon() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(2), [&] { return stage_ == Stage::reading; });
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    enter(Stage::over);
  }

 private:
  enum class Stage : std::uint8_t { open, armed, reading, over };
  void enter(Stage stage) {
    stage_ = stage;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::open;
};

}  // namespace

TEST_CASE("threads: four applications make, find and destroy keys, while one looks on and the store is read again") {
  Lab lab;
  const KeyHandle fixed = lab.provision({{"fixed"}}).front();
  lab.open_service();
  constexpr int kRounds = 12;
  std::atomic<int> failures = 0;
  std::atomic<bool> done = false;
  std::thread watcher([&] {
    Client client(*lab.service);
    while (!done) {
      lab.service->store_changed();
      const auto found = client.find(0, Attributes().text(CKA_LABEL, "fixed").number(CKA_CLASS, CKO_PRIVATE_KEY));
      if (found != std::vector<std::uint64_t>{object_of(fixed, 1)}) ++failures;
      for (const std::uint64_t object : client.find(0, Attributes().number(CKA_CLASS, CKO_PUBLIC_KEY))) {
        const Answer answer = client.call(request(171).u32(0).u64(object).u16(1).u64(CKA_EC_POINT).view());
        if (!answer.ok() && answer.rv != CKR_OBJECT_HANDLE_INVALID) ++failures;
      }
    }
  });
  in_threads([&](int number) {
    Client client(*lab.service);
    for (int round = 0; round < kRounds; ++round) {
      const Bytes id{static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(round)};
      const auto made =
          client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kP256),
                               Attributes().boolean(CKA_TOKEN, true).bytes(CKA_ID, id).text(CKA_LABEL, "same"));
      const auto found = client.find(0, Attributes().bytes(CKA_ID, id).number(CKA_CLASS, CKO_PRIVATE_KEY));
      if (made.rv != CKR_OK || found != std::vector<std::uint64_t>{made.second}) ++failures;
      if (client.set(0, made.second, Attributes().text(CKA_LABEL, "other")) != CKR_OK) ++failures;
      if (client.destroy(0, made.second) != CKR_OK) ++failures;
      if (!client.find(0, Attributes().bytes(CKA_ID, id)).empty()) ++failures;
    }
  });
  done = true;
  watcher.join();
  CHECK(failures == 0);
  CHECK(all_keys(*lab.device.real_engine) == std::vector<KeyHandle>{fixed});
  Client client(*lab.service);
  CHECK(client.find(0, Attributes().number(CKA_CLASS, CKO_PRIVATE_KEY)).size() == 1);
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "same")).empty());
}

TEST_CASE("threads: connections of one application log in and out, and make and drop session objects") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  const auto application = lab.service->new_application();
  std::atomic<int> failures = 0;
  const auto call = [&](ByteView body) {
    token::UseRecord record;
    const SecureBytes answer = lab.service->answer(application.get(), {}, body, record);
    return std::pair(answer.data()[0], record.result);
  };
  in_threads([&](int) {
    for (int round = 0; round < 50; ++round) {
      const auto login = call(request(163).u32(slot).u8(1).boolean(false).text(Lab::kPin).view());
      if (login.second != CKR_OK && login.second != CKR_USER_ALREADY_LOGGED_IN) ++failures;
      const auto get = call(request(171).u32(slot).u64(object_of(key, 1)).u16(1).u64(CKA_SIGN).view());
      if (get.second != CKR_OK && get.second != CKR_OBJECT_HANDLE_INVALID) ++failures;
      const Attributes data = Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_PRIVATE, true);
      ByteWriter create = request(173);
      create.u32(slot).u16(data.count).raw(data.encoded.view());
      const auto made = call(create.view());
      if (made.second != CKR_OK && made.second != CKR_USER_NOT_LOGGED_IN) ++failures;
      const auto logout = call(request(165).u32(slot).view());
      if (logout.second != CKR_OK && logout.second != CKR_USER_NOT_LOGGED_IN) ++failures;
    }
  });
  CHECK(failures == 0);
  call(request(165).u32(slot).view());
  CHECK(application->objects(slot, 0).empty());
  CHECK(pin_errors(*lab.device.real_engine, key) == 0);
}

TEST_CASE("threads: of two that change a key at the same time the later one is found") {
  Lab lab;
  WaitingStore store(*lab.device.engine);
  const KeyHandle key =
      create_key(store, GeneratedKey{kSks + "ec.nist.p256", {}}, LocalKeySpec{}, {}, lab.device.clock)->handle;
  lab.open_service(store);
  Client client(*lab.service);
  const auto found = [&](std::string_view label) { return client.find(0, Attributes().text(CKA_LABEL, label)).size(); };
  client.value(0, object_of(key, 1), CKA_LABEL);  // what is known need not be read
  store.arm();
  std::uint64_t slow = CKR_GENERAL_ERROR;
  std::thread other([&] {
    Client first(*lab.service);
    slow = first.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "first"));
  });
  CHECK(store.has_reader_soon());
  CHECK(client.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "second")) == CKR_OK);
  store.go_on();
  other.join();
  CHECK(slow == CKR_OK);
  CHECK(found("second") == 4);
  CHECK(found("first") == 0);
  lab.service.reset();
}

}  // namespace sks::test
