#include <doctest/doctest.h>

#include <filesystem>

#include "tests/sealed-storage/store_fixture.h"

/// Stores of earlier versions, as another implementation made them. Spec: spec/sealed-record.md chapter 9.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

class EarlierStore {
 public:
  explicit EarlierStore(const std::string& version) : folder_(dir_.file("store")) {
    fs::copy(source_file("tests/vectors/sealed-storage/store-v" + version), folder_);
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

/// The statement fails unless the store has these two numbers.
void check_header(const EarlierStore& store, const std::string& version, const std::string& generation) {
  store.sql("CREATE TEMP TABLE expected (ok CHECK (ok)); INSERT INTO expected SELECT user_version = " + version +
            " FROM pragma_user_version; INSERT INTO expected SELECT generation = " + generation + " FROM store");
}

TEST_CASE("a store of an earlier version becomes one of version 3 with the same records") {
  std::string version;
  SUBCASE("version 1") { version = "1"; }
  SUBCASE("version 2") { version = "2"; }
  const EarlierStore store(version);
  check_header(store, version, "4");
  CHECK(contents(store.folder()) == "1/0:0 3/1:1 3/4294967295:231 ");
  check_header(store, "3", "5");
  CHECK(contents(store.folder()) == "1/0:0 3/1:1 3/4294967295:231 ");
}

void check_stays(const EarlierStore& store, const std::string& version, const std::string& reason) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto opened = SqliteStore::open(store.folder());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == Status::crypto);
    CHECK(opened.error().detail.ends_with(reason));
  }
  check_header(store, version, "4");
}

TEST_CASE("a store of an earlier version with an altered record stays as it is and does not open") {
  std::string version;
  SUBCASE("version 1") { version = "1"; }
  SUBCASE("version 2") { version = "2"; }
  for (const char* change :
       {"UPDATE record SET sealed = randomblob(length(sealed)) WHERE handle = 4294967295",
        "UPDATE record SET generation = 5 WHERE handle = 4294967295",
        "UPDATE record SET handle = 2 WHERE handle = 4294967295",
        "PRAGMA ignore_check_constraints = ON; UPDATE record SET handle = 4294967299 WHERE handle = 4294967295",
        "PRAGMA ignore_check_constraints = ON; UPDATE record SET kind = 256 WHERE handle > 1"}) {
    CAPTURE(change);
    const EarlierStore store(version);
    store.sql(change);
    check_stays(store, version, " was altered or does not belong there");
  }
}

TEST_CASE("a store of version 2 with another index than its records stays as it is and does not open") {
  const EarlierStore store("2");
  SUBCASE("a record is missing") {
    store.sql("DELETE FROM record WHERE handle = 1");
    check_stays(store, "2", "the sealed record 3/1 is missing");
  }
  SUBCASE("all records of a kind are missing") {
    store.sql("DELETE FROM record WHERE kind = 3");
    check_stays(store, "2", "the sealed record 3/1 is missing");
  }
  SUBCASE("a node was altered") {
    store.sql("UPDATE node SET tags = randomblob(length(tags)) WHERE kind = 3 AND level = 0 AND number = 0");
    check_stays(store, "2", "the index of the sealed records of kind 3 was altered");
  }
  SUBCASE("the root was altered") {
    store.sql("UPDATE root SET sealed = randomblob(length(sealed))");
    check_stays(store, "2", "the root of the sealed records is missing, was altered or is an earlier one");
  }
  SUBCASE("the root is missing") {
    store.sql("DELETE FROM root");
    check_stays(store, "2", "the root of the sealed records is missing, was altered or is an earlier one");
  }
}

TEST_CASE("a store of an earlier version does not open with the master key of another") {
  const EarlierStore store("1");
  const StoreFixture other;
  fs::copy_file(other.file("master.key"), store.file("master.key"), fs::copy_options::overwrite_existing);
  const auto opened = SqliteStore::open(store.folder());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().status == Status::crypto);
  CHECK(opened.error().detail == "the master key does not belong to the key store in " + store.folder());
}

}  // namespace
}  // namespace sks::test
