#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/sealed-storage/secrets.h"
#include "tests/sealed-storage/store_fixture.h"

namespace sks::test {
namespace {

namespace fs = std::filesystem;

constexpr RecordId kKey1{RecordKind::key, 1};
constexpr const char* kWrong = "the passphrase of the key store is wrong";

const sealed::MasterKeyProvider& passphrase() { return *sealed::find_provider("passphrase"); }

std::string open_with(const std::string& folder, SecretSource& secrets) {
  const auto store = SqliteStore::open(folder, secrets);
  if (!store) return store.error().detail;
  auto transaction = (*store)->begin();
  REQUIRE(transaction);
  return "opened: " + read(**transaction, kKey1);
}
std::string open_with(const std::string& folder, const std::string& text) {
  FixedSecrets secrets(text);
  return open_with(folder, secrets);
}

Error reprotect_error(const std::string& folder, const sealed::MasterKeyProvider& provider, SecretSource& secrets) {
  const Result<void> done = SqliteStore::reprotect(folder, provider, secrets);
  REQUIRE_FALSE(done);
  return done.error();
}

}  // namespace

TEST_CASE("SqliteStore::create with a passphrase: opens with it and with no other") {
  const TempDir dir;
  const std::string folder = dir.file("store");
  FixedSecrets fresh("", "Sesam");
  REQUIRE(SqliteStore::create(folder, sample_identity(), passphrase(), fresh));
  CHECK(fresh.asked == 1);
  CHECK(fresh.asked_for == folder);
  CHECK(open_with(folder, "Sesam") == "opened: (none)");
  CHECK(open_with(folder, "sesam") == kWrong);
  CHECK(open_with(folder, no_secrets()) == "the key store in " + folder + " is protected by a secret that nobody gave");
  CHECK(mode_of(folder + "/master.key") == 0600U);
}

TEST_CASE("SqliteStore::create leaves nothing behind when there is no passphrase") {
  const TempDir dir;
  CHECK_FALSE(SqliteStore::create(dir.file("store"), sample_identity(), passphrase(), no_secrets()));
  CHECK(entries(dir.path()).empty());
}

TEST_CASE("SqliteStore::reprotect changes the master key file and nothing else, there and back") {
  const StoreFixture fixture;
  fixture.put(kKey1, "kept");
  const std::string database = read_file(fixture.file("store.db"));
  const std::string names = entries(fixture.folder());

  FixedSecrets to_one("", "one");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), passphrase(), to_one));
  CHECK(to_one.asked == 1);  // a key file asks for nothing
  const std::string with_one = read_file(fixture.file("master.key"));
  CHECK(with_one.size() == 93);

  FixedSecrets to_two("one", "two");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), passphrase(), to_two));
  CHECK(to_two.asked == 2);
  CHECK(read_file(fixture.file("store.db")) == database);
  CHECK(entries(fixture.folder()) == names);
  CHECK(open_with(fixture.folder(), "two") == "opened: kept");
  CHECK(open_with(fixture.folder(), "one") == kWrong);

  FixedSecrets to_file("two");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), sealed::key_file_provider(), to_file));
  CHECK(read_file(fixture.file("master.key")).size() == 46);
  CHECK(open_with(fixture.folder(), no_secrets()) == "opened: kept");

  // The master key itself stays: who kept an old file and knows its passphrase gets in.
  write_file(fixture.file("master.key"), with_one);
  CHECK(open_with(fixture.folder(), "one") == "opened: kept");
}

TEST_CASE("SqliteStore::reprotect that is refused leaves the file as it was") {
  const StoreFixture fixture;
  const StoreFixture other;
  const std::string key = fixture.file("master.key");
  const std::string before = read_file(key);
  FixedSecrets empty("", "");
  CHECK(reprotect_error(fixture.folder(), passphrase(), empty).detail == "the passphrase is empty");
  CHECK(reprotect_error(fixture.folder(), passphrase(), no_secrets()).status == Status::not_available);
  CHECK(read_file(key) == before);

  write_file(key, read_file(other.file("master.key")));
  FixedSecrets one("", "one");
  CHECK(reprotect_error(fixture.folder(), passphrase(), one).detail ==
        "the master key does not belong to the key store in " + fixture.folder());
  CHECK(read_file(key) == read_file(other.file("master.key")));
  CHECK(one.asked == 0);
  write_file(key, before);

  REQUIRE(SqliteStore::reprotect(fixture.folder(), passphrase(), one));
  const std::string wrapped = read_file(key);
  FixedSecrets wrong("two", "three");
  const Error error = reprotect_error(fixture.folder(), passphrase(), wrong);
  CHECK(error.status == Status::authorization);
  CHECK(error.detail == kWrong);
  CHECK(wrong.asked == 1);
  CHECK(read_file(key) == wrapped);
  CHECK(reprotect_error(fixture.beside("none"), passphrase(), wrong).detail ==
        "there is no key store in " + fixture.beside("none"));
}

TEST_CASE("SqliteStore::reprotect refuses a store that is in use") {
  const StoreFixture fixture;
  const auto holder = fixture.open();
  FixedSecrets one("", "one");
  const Error error = reprotect_error(fixture.folder(), passphrase(), one);
  CHECK(error.status == Status::not_available);
  CHECK(error.detail == "store in use by process " + std::to_string(::getpid()));
  CHECK(one.asked == 0);
  CHECK(read_file(fixture.file("master.key")).size() == 46);
}

TEST_CASE("SqliteStore: what an interrupted reprotect has left is gone after the next opening or reprotect") {
  const StoreFixture fixture;
  const std::string leftover = fixture.file("master.key.new");
  write_file(leftover, read_file(fixture.file("master.key")));
  CHECK(fixture.open());
  CHECK_FALSE(fs::exists(leftover));
  write_file(leftover, "half a f");
  REQUIRE(SqliteStore::reprotect(fixture.folder(), sealed::key_file_provider(), no_secrets()));
  CHECK_FALSE(fs::exists(leftover));
  CHECK(fixture.open());
}

}  // namespace sks::test
