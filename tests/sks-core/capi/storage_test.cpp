#include "tests/sks-core/capi/c_store.h"

using namespace sks;
using namespace sks::test;

namespace {

const std::string kFailureText = std::to_string(CStorage::kFailure);

}  // namespace

TEST_CASE("sks.h: what is provisioned is in the storage and found again") {
  CDevice device;
  device.open();
  const PinKey made = provision_pin_key(*device.api);
  CHECK(status_of(device.api->verify_pin(made.key, secret("0000"))) == Status::authorization);
  device.restart();
  CHECK(all_keys(*device.api) == std::vector{made.key});
  CHECK(pin_errors(*device.api, made.key) == 1);
  CHECK(try_to_sign(*device.api, made.key, with_pin("1234")) == std::nullopt);
}

TEST_CASE("sks.h: a storage that fails at opening is reported with its code") {
  CDevice device;
  device.open();
  provision_plain_key(*device.api);
  device.close();
  unsigned refused = 0;
  for (device.storage.fail_at = 1;; ++device.storage.fail_at) {
    device.storage.calls = 0;
    if (device.try_to_open() == SKS_OK) break;
    ++refused;
    CHECK(device.store == nullptr);
    CHECK(device.error.status == SKS_ERROR_STORAGE);
    CHECK(std::string(device.error.text).find(kFailureText) != std::string::npos);
  }
  CHECK(refused >= 3);
}

TEST_CASE("sks.h: whichever call of the storage fails, the store is as it was") {
  CDevice device;
  device.open();
  const KeyHandle key = provision_pin_key(*device.api).key;
  unsigned refused = 0;
  for (device.storage.fail_at = 1;; ++device.storage.fail_at) {
    device.restart();
    const auto before = device.storage.records;
    device.storage.calls = 0;
    const Result<void> changed = device.api->change_pin(key, secret("1234"), secret("5678"));
    if (device.storage.calls < device.storage.fail_at) {
      CHECK(changed);
      break;
    }
    ++refused;
    CHECK(status_of(changed) == Status::storage);
    CHECK(changed.error().detail.find(kFailureText) != std::string::npos);
    device.storage.calls = device.storage.fail_at;  // from now on it works
    CHECK(try_to_sign(*device.api, key, with_pin("1234")) == std::nullopt);
    CHECK(status_of(device.api->verify_pin(key, secret("5678"))) == Status::authorization);
    CHECK(status_of(device.api->verify_pin(key, secret("1234"))) == std::nullopt);
    CHECK(device.storage.records.size() == before.size());
  }
  CHECK(refused >= 3);
  device.storage.fail_at = 0;
  CHECK(status_of(device.api->verify_pin(key, secret("5678"))) == std::nullopt);
}

TEST_CASE("sks.h: a storage that does not visit as it should is refused") {
  CDevice device;
  device.open();
  provision_pin_key(*device.api);  // several directory pages
  device.close();
  for (const auto visits : {CStorage::Visits::descending, CStorage::Visits::other_record, CStorage::Visits::twice,
                            CStorage::Visits::without_data}) {
    CAPTURE(static_cast<int>(visits));
    device.storage.visits = visits;
    CHECK(device.try_to_open() == SKS_ERROR_STORAGE);
  }
  device.storage.visits = CStorage::Visits::right;
  CHECK(device.try_to_open() == SKS_OK);
}

TEST_CASE("sks.h: a storage that goes on visiting after a stop changes nothing about the error") {
  CDevice device;
  device.open();
  provision_pin_key(*device.api);
  device.close();
  constexpr std::uint8_t kDirectory = 9;
  for (auto& [id, value] : device.storage.records)
    if (id.first == kDirectory) value = {0xFF};  // no version of a page
  for (const auto visits : {CStorage::Visits::right, CStorage::Visits::go_on_after_stop}) {
    device.storage.visits = visits;
    CHECK(device.try_to_open() == SKS_ERROR_INTERNAL);
  }
}

TEST_CASE("sks.h: an aborted session asks for the room set aside when the medium is full") {
  CDevice device;
  device.open();
  const auto abort_with_full_medium = [&](bool has_room) {
    TestIssuer issuer(*device.api);
    REQUIRE(issuer.open());
    device.storage.has_room_aside = has_room;
    device.storage.calls = 0;
    device.storage.fail_at = 1;
    const unsigned made = device.storage.rooms_made;
    CHECK(status_of(device.api->abort_provisioning_session(issuer.handle())) == std::nullopt);
    device.storage.fail_at = 0;
    return device.storage.rooms_made - made;
  };
  CHECK(abort_with_full_medium(true) == 1);
  CHECK(all_sessions(*device.api, SessionState::open).empty());
  device.restart();
  CHECK(all_sessions(*device.api, SessionState::open).empty());
  CHECK(abort_with_full_medium(false) == 1);
  provision_plain_key(*device.api);  // the next commit catches up
  device.close();
  device.storage.callbacks.make_room = nullptr;
  device.open();
  CHECK(abort_with_full_medium(true) == 0);
  CHECK(all_sessions(*device.api, SessionState::open).empty());
}
