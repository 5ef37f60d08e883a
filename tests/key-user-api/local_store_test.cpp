#include "key-user-api/local_store.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <thread>

#include "attestation/device_identity.h"
#include "sealed-storage/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

TEST_CASE("LocalStore: a new store opens with the identity it was made with, each time") {
  const TempDir dir;
  REQUIRE(LocalStore::create(dir.file("store"), "Test device"));
  Bytes certificate;
  for (int i = 0; i < 2; ++i) {
    Result<LocalStore> store = LocalStore::open(dir.file("store"));
    REQUIRE(store);
    const Result<DeviceInfo> info = store->engine().get_device_info();
    REQUIRE(info);
    REQUIRE(info->certificate_path.size() == 1);
    if (i == 0) certificate = info->certificate_path[0];
    CHECK(info->certificate_path[0] == certificate);
  }
  const Result<void> again = LocalStore::create(dir.file("store"), "Test device");
  REQUIRE_FALSE(again);
  CHECK(again.error().status == Status::option);
}

TEST_CASE("LocalStore::open refuses a store whose attestation key is not that of its certificate") {
  using attestation::AttestationKeyType;
  using attestation::SoftwareIdentity;
  const TempDir dir;
  const auto one = SoftwareIdentity::create("one", AttestationKeyType::p256, system_clock());
  const auto two = SoftwareIdentity::create("two", AttestationKeyType::p256, system_clock());
  REQUIRE(one);
  REQUIRE(two);
  Result<SecureBytes> key = two->private_key_pkcs8();
  REQUIRE(SqliteStore::create(dir.file("store"), {one->certificate_path(), std::move(key).value()}));
  const Result<LocalStore> store = LocalStore::open(dir.file("store"));
  REQUIRE_FALSE(store);
  CHECK(store.error().status == Status::option);
}

TEST_CASE("LocalStore::open waits for a holder that is about to end, and names one that is not") {
  using namespace std::chrono_literals;
  const TempDir dir;
  REQUIRE(LocalStore::create(dir.file("store"), "Test device"));
  {
    std::optional<Result<LocalStore>> held = LocalStore::open(dir.file("store"));
    REQUIRE(*held);
    const std::jthread holder([&] {
      std::this_thread::sleep_for(300ms);
      held.reset();
    });
    CHECK(LocalStore::open(dir.file("store")));
  }
  const Result<LocalStore> held = LocalStore::open(dir.file("store"));
  REQUIRE(held);
  const auto start = std::chrono::steady_clock::now();
  const Result<LocalStore> refused = LocalStore::open(dir.file("store"));
  const auto waited = std::chrono::steady_clock::now() - start;
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::not_available);
  CHECK(refused.error().detail == "store in use by process " + std::to_string(::getpid()));
  CHECK(waited >= 1500ms);
  CHECK(waited < 30s);
}

}  // namespace
}  // namespace sks::test
