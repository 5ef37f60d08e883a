#include <doctest/doctest.h>

#include <filesystem>

#include "tests/sealed-storage/store_fixture.h"

/// Stores of version 1, as another implementation made them. Spec: spec/sealed-record.md chapter 9.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

class EarlierStore {
 public:
  EarlierStore() : folder_(dir_.file("store")) {
    fs::copy(source_file("tests/vectors/sealed-storage/store-v1"), folder_);
    fs::permissions(folder_, fs::perms(0700));
    fs::permissions(file("master.key"), fs::perms(0600));
    fs::permissions(file("store.db"), fs::perms(0600));
  }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  const std::string& folder() const { return folder_; }
  void sql(const std::string& statement) const { run_sql(file("store.db"), statement); }

 private:
  TempDir dir_;
  std::string folder_;
};

std::string contents(const std::string& folder) {
  const auto store = SqliteStore::open(folder);
  REQUIRE_MESSAGE(static_cast<bool>(store), store.error().detail);
  CHECK((*store)->identity()->certificate_path.size() == 2);
  const auto transaction = (*store)->begin();
  REQUIRE(transaction);
  std::string all;
  for (const RecordKind kind : {RecordKind::counters, RecordKind::key}) {
    const auto scanned = (*transaction)->scan(kind, [&](std::uint32_t handle, ByteView value) -> Result<void> {
      all += std::to_string(static_cast<int>(kind)) + "/" + std::to_string(handle) + ":" +
             std::to_string(value.size()) + " ";
      return {};
    });
    REQUIRE(scanned);
  }
  return all;
}

TEST_CASE("a store of version 1 becomes one of version 2 with the same records") {
  const EarlierStore store;
  CHECK(contents(store.folder()) == "1/0:0 3/1:1 3/4294967295:231 ");
  store.sql(
      "CREATE TEMP TABLE expected (ok CHECK (ok)); INSERT INTO expected SELECT user_version = 2 FROM "
      "pragma_user_version; INSERT INTO expected SELECT count(*) = 1 FROM root");
  CHECK(contents(store.folder()) == "1/0:0 3/1:1 3/4294967295:231 ");
}

TEST_CASE("a store of version 1 with an altered record stays as it is and does not open") {
  const EarlierStore store;
  std::string change;
  SUBCASE("another byte") {
    change = "UPDATE record SET sealed = randomblob(length(sealed)) WHERE handle = 4294967295";
  }
  SUBCASE("another number") { change = "UPDATE record SET generation = 5 WHERE handle = 4294967295"; }
  SUBCASE("another place") { change = "UPDATE record SET handle = 2 WHERE handle = 4294967295"; }
  SUBCASE("no place at all") {
    change = "PRAGMA ignore_check_constraints = ON; UPDATE record SET handle = 4294967299 WHERE handle = 4294967295";
  }
  SUBCASE("no kind") { change = "PRAGMA ignore_check_constraints = ON; UPDATE record SET kind = 256 WHERE handle > 1"; }
  store.sql(change);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto opened = SqliteStore::open(store.folder());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == Status::crypto);
    CHECK(opened.error().detail.find(" was altered or does not belong there") != std::string::npos);
  }
  store.sql(
      "CREATE TEMP TABLE expected (ok CHECK (ok)); INSERT INTO expected SELECT user_version = 1 FROM "
      "pragma_user_version; INSERT INTO expected SELECT generation = 4 FROM store");
}

TEST_CASE("a store of version 1 does not open with the master key of another") {
  const EarlierStore store;
  const StoreFixture other;
  fs::copy_file(other.file("master.key"), store.file("master.key"), fs::copy_options::overwrite_existing);
  const auto opened = SqliteStore::open(store.folder());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().status == Status::crypto);
  CHECK(opened.error().detail == "the master key does not belong to the key store in " + store.folder());
}

}  // namespace
}  // namespace sks::test
