#include "key-user-api/ssh_agent/store_keys.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <thread>

#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/local_issuer/local_keys.h"
#include "tests/conformance/forwarding_store.h"
#include "tests/key-user-api/ssh_agent/host.h"
#include "tests/sks-core/engine/device.h"

namespace sks::test {
namespace {

constexpr std::uint8_t kTrustedGui = 2;
constexpr std::uint8_t kShared = 1;

class ScriptedDialog final : public token::TrustedDialog {
 public:
  std::optional<SecureBytes> ask(const Question& question) override {
    questions.push_back(question);
    if (answers.empty()) return std::nullopt;
    const std::string answer = answers.front();
    answers.pop_front();
    return secret(answer);
  }
  std::deque<std::string> answers;
  std::vector<Question> questions;
};

/// A device with keys of an issuer, and what an agent makes of it.
struct Lab {
  Lab() : keys({*device.engine, pin_group_of, dialog, device.clock}, std::chrono::seconds(600)) {}

  /// Two keys under one PIN, 1234.
  void provision(bool caching) {
    TestIssuer session(*device.engine);
    REQUIRE(session.open());
    PinPolicyRequest policy = pin_policy_request();
    policy.grouping = kShared;
    if (caching) policy.input_method = kTrustedGui;
    const PinPolicyHandle handle = session.create_pin_policy(policy).value();
    for (const char* const id : {"Key.1", "Key.2"}) {
      KeyEntryRequest request = key_request();
      request.id = id;
      request.friendly_name = std::string("Name of ") + id;
      request.pin_policy = handle;
      request.pin_value = secret("1234");
      request.enable_pin_caching = caching;
      REQUIRE(session.create_certified_key(std::move(request)));
    }
    REQUIRE(session.close());
    listed = keys.identities().value();
    REQUIRE(listed.size() == 2);
  }
  std::optional<Status> sign(std::size_t index = 0) {
    const Bytes data{1, 2, 3};
    const ssh::Scheme& scheme = *ssh::find_scheme("ecdsa-sha2-nistp256", 0);
    const auto signature = keys.sign(requester, listed[index].key_blob, scheme, data);
    if (signature) CHECK(ssh::verify_host_signature(listed[index].key_blob, data, *signature));
    return status_of(signature);
  }
  /// How many questions the answer took.
  std::size_t questions() { return std::exchange(dialog.questions, {}).size(); }
  std::uint16_t errors() {
    const KeyHandle key = all_keys(*device.engine).front();
    return device.engine->get_key_protection_info(key)->pin_error_count;
  }

  Device device;
  UserApi::PinGroupOf pin_group_of = [this](KeyHandle key) { return device.real_engine->pin_group(key); };
  ScriptedDialog dialog;
  ssh::StoreKeys keys;
  ssh::Requester requester{{"/usr/bin/ssh", 7}, {}, "", false};
  std::vector<ssh::Identity> listed;
};

/// Lets signatures wait for one another, so that they are made at the same time if they can be.
class GatheringStore final : public ForwardingStore {
 public:
  GatheringStore(SecureKeyStore& inner, std::size_t wanted) : ForwardingStore(inner), wanted_(wanted) {}

  Result<Bytes> sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                 const Authorization& authorization, ByteView data) override {
    {
      std::unique_lock lock(mutex_);
      ++present_;
      all_there_.notify_all();
      all_there_.wait_for(lock, std::chrono::milliseconds(300), [&] { return present_ >= wanted_; });
    }
    return ForwardingStore::sign_hashed_data(key, algorithm, parameters, authorization, data);
  }

 private:
  const std::size_t wanted_;
  std::mutex mutex_;
  std::condition_variable all_there_;
  std::size_t present_ = 0;
};

LocalKeySpec labelled(std::string label) {
  LocalKeySpec spec;
  spec.label = std::move(label);
  return spec;
}

TEST_CASE("agent keys: those that may sign for SSH") {
  Lab lab;
  const auto create = [&](const char* algorithm, LocalKeySpec spec) {
    return create_key(*lab.device.engine, {kSks + algorithm}, std::move(spec), {}, lab.device.clock).value();
  };
  for (const char* const kind : {"rsa2048", "ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ed25519"})
    create(kind, labelled(kind));
  LocalKeySpec encryption = labelled("encryption");
  encryption.app_usage = AppUsage::encryption;
  create("ec.nist.p256", encryption);
  LocalKeySpec other_hash = labelled("SHA-384 only");
  other_hash.endorsed_algorithms = {kDsigMore + "rsa-sha384"};
  create("rsa2048", other_hash);
  LocalKeySpec one_hash = labelled("SHA-256\nonly \xe2\x80\xae");
  one_hash.endorsed_algorithms = {kRsaSha256};
  create("rsa2048", one_hash);
  for (const char* const kind : {"rsa1024", "ec.brainpool.p256r1", "ed448"})
    REQUIRE(import_key(*lab.device.engine, {generate_key(kSks + kind).to_pkcs8().value(), {}}, labelled(kind), {},
                       lab.device.clock));
  create("x25519", labelled("x25519"));
  const LocalKey suspended = create("ec.nist.p256", labelled("suspended"));
  REQUIRE(lab.device.engine->deactivate({ProvisioningHandle{}, suspended.handle, {}, {}}));
  create("ec.nist.p256", labelled(""));

  const auto identities = lab.keys.identities();
  REQUIRE(identities);
  std::vector<std::string> comments;
  for (const ssh::Identity& identity : *identities) comments.push_back(identity.comment);
  REQUIRE(comments.size() == 7);
  CHECK(comments.back().starts_with("key "));
  comments.pop_back();
  CHECK(comments == std::vector<std::string>{"rsa2048", "ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ed25519",
                                             "SHA-256?only ?"});

  // The key for one hash signs with it and with no other.
  const Bytes& blob = (*identities)[5].key_blob;
  const Bytes data(20'000);  // more than the key store takes at once
  CHECK(lab.keys.sign(lab.requester, blob, *ssh::find_scheme("ssh-rsa", 2), data));
  CHECK(status_of(lab.keys.sign(lab.requester, blob, *ssh::find_scheme("ssh-rsa", 4), data)) == Status::algorithm);
  CHECK(lab.questions() == 0);
}

TEST_CASE("agent keys: what manages a PIN signs for nobody else") {
  Lab lab;
  NewPin pin;
  pin.value = secret("1234");
  pin.format = pin::Format::numeric;
  REQUIRE(create_key(*lab.device.engine, {kSks + "ed25519"}, labelled("key"), std::move(pin), lab.device.clock));
  CHECK(all_keys(*lab.device.engine).size() == 2);
  CHECK(lab.keys.identities()->size() == 1);
}

TEST_CASE("agent keys: a key that is there twice is listed once") {
  Lab lab;
  const crypto::PrivateKey key = generate_key(kSks + "ed25519");
  for (const char* const label : {"first", "second"})
    REQUIRE(import_key(*lab.device.engine, {key.to_pkcs8().value(), {}}, labelled(label), {}, lab.device.clock));
  const auto identities = lab.keys.identities();
  REQUIRE(identities->size() == 1);
  CHECK(identities->front().comment == "first");
  CHECK(lab.keys.find(identities->front().key_blob)->comment == "first");
}

TEST_CASE("agent keys: a label that was set is the comment") {
  Lab lab;
  const LocalKey key =
      create_key(*lab.device.engine, {kSks + "ed25519"}, labelled("first"), {}, lab.device.clock).value();
  CHECK(lab.keys.identities()->front().comment == "first");
  REQUIRE(lab.device.engine->set_property(key.handle, kPkcs11ExtensionType, kPkcs11Label, "second"));
  CHECK(lab.keys.identities()->front().comment == "second");
}

TEST_CASE("agent keys: a key that is new, deleted or suspended since the last list") {
  Lab lab;
  const auto create = [&] {
    return create_key(*lab.device.engine, {kSks + "ed25519"}, labelled("key"), {}, lab.device.clock).value();
  };
  const LocalKey old = create();
  const Bytes blob = lab.keys.identities()->front().key_blob;
  const LocalKey young = create();
  const auto certificate = crypto::Certificate::from_der(young.certificate);
  const Bytes young_blob = *ssh::encode_public_key(*certificate->public_key());
  CHECK(lab.keys.find(young_blob));
  const ssh::Scheme& scheme = *ssh::find_scheme("ssh-ed25519", 0);
  CHECK(lab.keys.sign(lab.requester, young_blob, scheme, as_bytes("x")));
  REQUIRE(lab.device.engine->deactivate({ProvisioningHandle{}, young.handle, {}, {}}));
  CHECK(status_of(lab.keys.find(young_blob)) == Status::no_key);
  REQUIRE(lab.device.engine->delete_key(old.handle, {}));
  CHECK(status_of(lab.keys.sign(lab.requester, blob, scheme, as_bytes("x"))) == Status::no_key);
}

TEST_CASE("agent keys: a PIN is asked for each time unless its issuer lets it be remembered") {
  Lab lab;
  lab.provision(false);
  lab.dialog.answers = {"1234", "1234"};
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.sign() == std::nullopt);
  REQUIRE(lab.dialog.questions.size() == 2);
  CHECK(lab.dialog.questions[0].token_label == "Name of Key.1");
  CHECK(lab.dialog.questions[0].what == "PIN");
  CHECK(lab.dialog.questions[0].problem.empty());
  CHECK(lab.dialog.questions[0].program.executable == "/usr/bin/ssh");
  CHECK(lab.sign() == Status::user_abort);
}

TEST_CASE("agent keys: a right PIN is remembered for its keys, and forgotten in time") {
  Lab lab;
  lab.provision(true);
  lab.dialog.answers = {"1234", "1234", "1234"};
  CHECK(lab.sign(0) == std::nullopt);
  CHECK(lab.sign(0) == std::nullopt);
  CHECK(lab.sign(1) == std::nullopt);
  CHECK(lab.questions() == 1);
  lab.device.clock.set(lab.device.clock.now() + 599);
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 0);
  lab.device.clock.set(lab.device.clock.now() + 1);
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 1);
  lab.keys.forget_pins();
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 1);
  lab.device.clock.set(lab.device.clock.now() - 1);
  CHECK(lab.sign() == Status::user_abort);
}

TEST_CASE("agent keys: another host neither uses a remembered PIN nor has one remembered") {
  Lab lab;
  lab.provision(true);
  lab.dialog.answers = {"1234", "1234", "1234", "1234"};
  lab.requester.forwarded = true;
  lab.requester.hosts = {"SHA256:near", "SHA256:far"};
  lab.requester.user = "jo\n";
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.dialog.questions[0].token_label ==
        "Name of Key.1, to log in as jo? at the host SHA256:far, asked for by the host SHA256:near");
  lab.requester = {{"/usr/bin/ssh", 7}, {}, "", false};
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 2);
  lab.requester.forwarded = true;
  lab.requester.hosts = {"SHA256:near"};
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 1);
}

TEST_CASE("agent keys: a wrong PIN is told about, counted, and not remembered") {
  Lab lab;
  lab.provision(true);
  lab.dialog.answers = {"9999", "1234"};
  CHECK(lab.sign() == std::nullopt);
  REQUIRE(lab.dialog.questions.size() == 2);
  CHECK(lab.dialog.questions[1].problem == "The PIN is wrong. 2 tries are left.");
  CHECK(lab.errors() == 0);
  CHECK(lab.sign() == std::nullopt);  // with the right one
  CHECK(lab.questions() == 2);

  lab.keys.forget_pins();
  lab.dialog.answers = {"9999", "8888"};
  CHECK(lab.sign() == Status::user_abort);
  REQUIRE(lab.dialog.questions.size() == 3);
  CHECK(lab.dialog.questions[2].problem == "The PIN is wrong. One try is left.");
  CHECK(lab.errors() == 2);
  lab.questions();
  lab.dialog.answers = {"7777"};
  CHECK(lab.sign() == Status::authorization);
  REQUIRE(lab.dialog.questions.size() == 1);
  CHECK(lab.dialog.questions[0].problem == "One try is left.");
  lab.questions();
  lab.dialog.answers = {"1234"};
  CHECK(lab.sign() == Status::authorization);
  CHECK(lab.questions() == 0);
}

TEST_CASE("agent keys: what cannot be the PIN, or is empty, costs no try") {
  Lab lab;
  lab.provision(false);
  lab.dialog.answers = {std::string(129, '1'), "1234"};
  CHECK(lab.sign() == std::nullopt);
  REQUIRE(lab.dialog.questions.size() == 2);
  CHECK(lab.dialog.questions[1].problem == "The PIN is too long.");
  lab.dialog.answers = {""};
  CHECK(lab.sign() == Status::user_abort);
  CHECK(lab.errors() == 0);
  lab.dialog.answers.assign(20, std::string(129, '1'));
  CHECK(lab.sign() == Status::authorization);  // nobody is asked without end
  CHECK(lab.errors() == 0);
}

TEST_CASE("agent keys: a remembered PIN that was changed is asked for again, and never costs the last try") {
  Lab lab;
  lab.provision(true);
  const KeyHandle key = all_keys(*lab.device.engine).front();
  lab.dialog.answers = {"1234"};
  CHECK(lab.sign() == std::nullopt);
  REQUIRE(lab.device.engine->change_pin(key, secret("1234"), secret("5678")));
  lab.questions();
  lab.dialog.answers = {"5678"};
  CHECK(lab.sign() == std::nullopt);
  CHECK(lab.questions() == 1);
  CHECK(lab.errors() == 0);

  for (int i = 0; i < 2; ++i) CHECK_FALSE(lab.device.engine->verify_pin(key, secret("0000")));
  CHECK(lab.sign() == Status::user_abort);
  CHECK(lab.errors() == 2);
}

TEST_CASE("agent keys: a remembered PIN that was changed costs one try, however many use it at the same time") {
  constexpr std::size_t kTries = 3;
  Lab lab;
  lab.provision(true);
  GatheringStore store(*lab.device.engine, 1 + kTries);
  ssh::StoreKeys keys({store, lab.pin_group_of, lab.dialog, lab.device.clock}, std::chrono::seconds(600));
  const KeyHandle key = all_keys(*lab.device.engine).front();
  const auto sign = [&] {
    const ssh::Scheme& scheme = *ssh::find_scheme("ecdsa-sha2-nistp256", 0);
    return status_of(keys.sign(lab.requester, lab.listed[0].key_blob, scheme, as_bytes("x")));
  };
  lab.dialog.answers = {"1234"};
  REQUIRE(sign() == std::nullopt);
  REQUIRE(lab.device.engine->change_pin(key, secret("1234"), secret("5678")));
  std::vector<std::optional<Status>> results(kTries);
  std::vector<std::thread> threads;
  for (std::optional<Status>& result : results) threads.emplace_back([&] { result = sign(); });
  for (std::thread& thread : threads) thread.join();
  for (const std::optional<Status>& result : results) CHECK(result == Status::user_abort);
  CHECK(lab.errors() == 1);
}

TEST_CASE("agent keys: nothing is remembered without a lifetime, or from before everything was forgotten") {
  FakeClock clock(1000);
  const PinGroupHandle group{1};
  ssh::PinMemory none(clock, std::chrono::seconds(0));
  none.remember(group, secret("1234"), none.era());
  CHECK_FALSE(none.find(group));
  ssh::PinMemory memory(clock, std::chrono::seconds(10));
  const auto era = memory.era();
  memory.forget_all();
  memory.remember(group, secret("1234"), era);
  CHECK_FALSE(memory.find(group));
  memory.remember(group, secret("1234"), memory.era());
  CHECK(memory.find(group));
  CHECK_FALSE(memory.find(PinGroupHandle{2}));
  memory.forget(group);
  CHECK_FALSE(memory.find(group));
}

TEST_CASE("agent keys: one question at a time, and its answer serves those who wait") {
  Lab lab;
  lab.provision(true);
  lab.dialog.answers = {"1234"};  // a second question would be refused
  std::vector<std::optional<Status>> results(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < results.size(); ++i)
    threads.emplace_back([&lab, &results, i] {
      const ssh::Scheme& scheme = *ssh::find_scheme("ecdsa-sha2-nistp256", 0);
      results[i] = status_of(lab.keys.sign(lab.requester, lab.listed[i % 2].key_blob, scheme, as_bytes("x")));
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::optional<Status>& result : results) CHECK(result == std::nullopt);
  CHECK(lab.questions() == 1);
}

}  // namespace
}  // namespace sks::test
