#include "key-user-api/local_store.h"

#include <doctest/doctest.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "attestation/device_identity.h"
#include "sealed-storage/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

/// Sets or removes an environment variable, and puts the old value back.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    had_ = std::getenv(name) != nullptr;
    if (value == nullptr) {
      ::unsetenv(name);
    } else {
      ::setenv(name, value, 1);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    if (had_) {
      ::setenv(name_, old_.c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

TEST_CASE("default_store_folder: the nearest setting wins") {
  const Environment home("HOME", "/home/jo");
  const Environment data("XDG_DATA_HOME", nullptr);
  const Environment store("SKS_STORE", nullptr);
  CHECK(default_store_folder() == "/home/jo/.local/share/sks/default");
  const Environment with_data("XDG_DATA_HOME", "/data");
  CHECK(default_store_folder() == "/data/sks/default");
  const Environment with_store("SKS_STORE", "/elsewhere");
  CHECK(default_store_folder() == "/elsewhere");
}

TEST_CASE("default_store_folder: without $HOME it is in the home folder of the user, not in the root folder") {
  const Environment home("HOME", nullptr);
  const Environment data("XDG_DATA_HOME", nullptr);
  const Environment store("SKS_STORE", nullptr);
  const passwd* const user = ::getpwuid(::geteuid());
  REQUIRE(user != nullptr);
  CHECK(default_store_folder() == std::string(user->pw_dir) + "/.local/share/sks/default");
}

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
