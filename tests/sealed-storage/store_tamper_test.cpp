#include <doctest/doctest.h>

#include "sealed-storage/store_index.h"
#include "tests/sealed-storage/store_fixture.h"

/// What somebody who can write to store.db, but does not have the master key, may try.
namespace sks::test {
namespace {

constexpr RecordId kKey1{RecordKind::key, 1};
constexpr RecordId kKey2{RecordKind::key, 2};
constexpr RecordId kMaterial1{RecordKind::key_material, 1};

void check_refused(const StoreFixture& fixture, RecordId id,
                   const std::string& reason = " was altered or does not belong there") {
  const Result<std::optional<SecureBytes>> value = fixture.get(id);
  REQUIRE_FALSE(value);
  CHECK(value.error().status == Status::crypto);
  const std::string name = std::to_string(static_cast<int>(id.kind)) + "/" + std::to_string(id.handle);
  CHECK(value.error().detail == "the sealed record " + name + reason);
}

void erase(const StoreFixture& fixture, RecordId id) {
  const auto store = fixture.open();
  const auto transaction = store->begin();
  REQUIRE((*transaction)->erase(id));
  REQUIRE((*transaction)->commit());
}

/// What a scan over the keys sees, or the error that ends it.
struct Scan {
  explicit Scan(const StoreFixture& fixture) {
    const auto store = fixture.open();
    const auto transaction = store->begin();
    REQUIRE(transaction);
    result = (*transaction)->scan(RecordKind::key, [&](std::uint32_t handle, ByteView) -> Result<void> {
      visited.push_back(handle);
      return {};
    });
  }
  Result<void> result;
  std::vector<std::uint32_t> visited;
};

TEST_CASE("a record in the row of another handle is refused") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.put(kKey2, "two");
  fixture.sql(
      "UPDATE record SET sealed = (SELECT sealed FROM record WHERE kind = 3 AND handle = 2) "
      "WHERE kind = 3 AND handle = 1");
  check_refused(fixture, kKey1);
  CHECK(fixture.get(kKey2));
}

TEST_CASE("a whole row moved to another handle or kind is refused") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.sql("UPDATE record SET handle = 2 WHERE kind = 3");
  check_refused(fixture, kKey2);
  fixture.sql("UPDATE record SET handle = 1, kind = 4 WHERE kind = 3");
  check_refused(fixture, kMaterial1);
}

TEST_CASE("a record under another generation is refused") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.sql("UPDATE record SET generation = generation - 1 WHERE kind = 3");
  check_refused(fixture, kKey1);
  fixture.sql("UPDATE record SET generation = generation + 2 WHERE kind = 3");
  check_refused(fixture, kKey1);
}

TEST_CASE("a record that claims to be newer than its store is refused") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.sql("UPDATE record SET generation = generation + 2 WHERE kind = 3");
  check_refused(fixture, kKey1, " claims to be newer than the key store");
}

TEST_CASE("a record put back to its earlier state is refused") {
  const StoreFixture fixture;
  fixture.put(kKey1, "earlier");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") +
              "' AS k; CREATE TABLE k.kept AS SELECT * FROM record WHERE kind = 3");
  fixture.put(kKey1, "later");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; INSERT OR REPLACE INTO record SELECT * FROM k.kept");
  check_refused(fixture, kKey1, " was replaced by an earlier one");
}

TEST_CASE("a record that was dropped is missed, one that was erased does not come back") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.put(kKey2, "two");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") +
              "' AS k; CREATE TABLE k.kept AS SELECT * FROM record WHERE kind = 3");
  erase(fixture, kKey2);
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; INSERT OR IGNORE INTO record SELECT * FROM k.kept");
  check_refused(fixture, kKey2);
  CHECK(Scan(fixture).visited == std::vector<std::uint32_t>{1});

  fixture.sql("DELETE FROM record WHERE kind = 3 AND handle = 1");
  check_refused(fixture, kKey1, " is missing");
  const Scan scan(fixture);
  REQUIRE_FALSE(scan.result);
  CHECK(scan.result.error().detail == "the sealed record 3/1 is missing");
}

/// As many records in one commit as make the index write its nodes.
void put_many(const StoreFixture& fixture, std::string_view value) {
  const auto store = fixture.open();
  const auto transaction = store->begin();
  for (std::uint32_t handle = 1; handle <= sealed::kMaxChanges + 1; ++handle)
    REQUIRE((*transaction)->put({RecordKind::key, handle}, as_bytes(value)));
  REQUIRE((*transaction)->commit());
}

TEST_CASE("an index that was altered, or put back to an earlier state, is noticed") {
  const StoreFixture fixture;
  put_many(fixture, "earlier");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; CREATE TABLE k.node AS SELECT * FROM node");
  put_many(fixture, "later");
  const std::string kept = "ATTACH '" + fixture.beside("kept.db") + "' AS k; ";
  SUBCASE("changed") { fixture.sql("UPDATE node SET tags = randomblob(length(tags)) WHERE kind = 3"); }
  SUBCASE("emptied") { fixture.sql("UPDATE node SET tags = x'' WHERE kind = 3"); }
  SUBCASE("dropped") { fixture.sql("DELETE FROM node"); }
  SUBCASE("put back") { fixture.sql(kept + "INSERT OR REPLACE INTO node SELECT * FROM k.node"); }
  const Result<std::optional<SecureBytes>> value = fixture.get(kKey1);
  REQUIRE_FALSE(value);
  CHECK(value.error().status == Status::crypto);
  CHECK(value.error().detail == "the index of the sealed records of kind 3 was altered");
}

TEST_CASE("a root that was altered, dropped or put back to an earlier state keeps the store from opening") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; CREATE TABLE k.store AS SELECT * FROM store");
  fixture.put(kKey1, "later");
  SUBCASE("changed") { fixture.sql("UPDATE store SET root = randomblob(length(root))"); }
  SUBCASE("dropped") { fixture.sql("UPDATE store SET root = x''"); }
  SUBCASE("put back") {
    fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; UPDATE store SET root = (SELECT root FROM k.store)");
  }
  SUBCASE("of another number") { fixture.sql("UPDATE store SET generation = generation - 1"); }
  const Error error = fixture.open_error();
  CHECK(error.status == Status::crypto);
  CHECK(error.detail == "the root of the sealed records is missing, was altered or is an earlier one");
}

TEST_CASE("an earlier root with its number does not fit to the records of later") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; CREATE TABLE k.store AS SELECT * FROM store");
  fixture.put(kKey1, "later");
  fixture.sql("ATTACH '" + fixture.beside("kept.db") + "' AS k; INSERT OR REPLACE INTO store SELECT * FROM k.store");
  check_refused(fixture, kKey1, " claims to be newer than the key store");
}

TEST_CASE("a store cannot be turned into one of an earlier version, whose index was weaker") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  const std::string earlier_store =
      "CREATE TABLE other (id INTEGER PRIMARY KEY CHECK (id = 1), store_id BLOB NOT NULL CHECK (length(store_id) = "
      "16), key_check BLOB NOT NULL CHECK (length(key_check) = 32), generation INTEGER NOT NULL CHECK (generation >= "
      "0)) STRICT; INSERT INTO other SELECT id, store_id, key_check, generation FROM store; ";
  const std::string rename = "PRAGMA legacy_alter_table = ON; DROP TABLE store; ALTER TABLE other RENAME TO store; ";
  const std::string unquote =
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '\"store\"', 'store'); ";
  SUBCASE("version 1, without any") {
    fixture.sql(earlier_store + rename + unquote + "DROP TABLE node; PRAGMA user_version = 1");
  }
  SUBCASE("version 2") {
    fixture.sql(
        "CREATE TABLE root (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) STRICT; "
        "INSERT INTO root SELECT 1, root FROM store; " +
        earlier_store + rename + unquote + "PRAGMA user_version = 2");
  }
  const Error error = fixture.open_error();
  CHECK(error.status == Status::crypto);
  CHECK(error.detail == "the master key does not belong to the key store in " + fixture.folder());
}

TEST_CASE("a record of another store is refused") {
  const StoreFixture mine;
  const StoreFixture other;
  mine.put(kKey1, "mine");
  other.put(kKey1, "other");
  mine.sql("ATTACH '" + other.file("store.db") +
           "' AS o; DELETE FROM record WHERE kind = 3; "
           "INSERT INTO record SELECT * FROM o.record WHERE kind = 3");
  check_refused(mine, kKey1);
}

TEST_CASE("a stored record with a changed, missing or added byte is refused") {
  for (const char* sealed :
       {"CAST(substr(sealed, 1, length(sealed) - 1) || x'00' AS BLOB)", "substr(sealed, 1, length(sealed) - 1)",
        "CAST(sealed || x'00' AS BLOB)", "x''", "randomblob(length(sealed))", "zeroblob(4000000)"}) {
    CAPTURE(sealed);
    const StoreFixture fixture;
    fixture.put(kKey1, "one");
    fixture.sql(std::string("UPDATE record SET sealed = ") + sealed + " WHERE kind = 3");
    check_refused(fixture, kKey1);
  }
}

TEST_CASE("a scan that meets an altered record fails") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.put(kKey2, "two");
  fixture.sql("UPDATE record SET sealed = randomblob(40) WHERE kind = 3 AND handle = 2");
  const auto store = fixture.open();
  const auto transaction = store->begin();
  REQUIRE(transaction);
  int visited = 0;
  const Result<void> scanned = (*transaction)->scan(RecordKind::key, [&](std::uint32_t, ByteView) -> Result<void> {
    ++visited;
    return {};
  });
  REQUIRE_FALSE(scanned);
  CHECK(scanned.error().status == Status::crypto);
  CHECK(visited == 1);
}

TEST_CASE("a row whose handle does not fit into 32 bits is not taken for a record") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.put(kKey2, "two");
  fixture.sql("PRAGMA ignore_check_constraints = ON; UPDATE record SET handle = 4294967297 WHERE handle = 1");
  const Scan scan(fixture);
  REQUIRE_FALSE(scan.result);
  CHECK(scan.result.error().detail == "the sealed record 3/1 is missing");
  CHECK(scan.visited.empty());
}

TEST_CASE(
    "a store whose generations are used up takes no record, and one with an impossible generation does not open") {
  const StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.move_to_generation(9223372036854775805);
  fixture.put(kKey2, "the last");
  {
    const auto store = fixture.open();
    const auto transaction = store->begin();
    REQUIRE(transaction);
    const Result<void> written = (*transaction)->put(kKey1, as_bytes("one too many"));
    REQUIRE_FALSE(written);
    CHECK(written.error().status == Status::storage);
    CHECK(written.error().detail == "the key store has used up the generations of its records");
  }
  CHECK(fixture.get(kKey1));

  fixture.sql("PRAGMA ignore_check_constraints = ON; UPDATE store SET generation = -1");
  CHECK(fixture.open_error().status == Status::option);
}

TEST_CASE("a device identity that was altered or removed is noticed") {
  StoreFixture altered;
  altered.sql("UPDATE record SET sealed = randomblob(length(sealed)) WHERE kind = 128");
  CHECK(altered.open()->identity().error().status == Status::crypto);

  StoreFixture removed;
  removed.sql("DELETE FROM record WHERE kind = 128");
  const Result<StoredIdentity> identity = removed.open()->identity();
  REQUIRE_FALSE(identity);
  CHECK(identity.error().status == Status::crypto);
  CHECK(identity.error().detail == "the sealed record 128/0 is missing");
}

TEST_CASE("every write takes a new generation, also after an erase and for the same value") {
  const StoreFixture fixture;
  const auto generations_are = [&](const char* of_record, const char* of_root) {
    // The CHECK makes the statement fail for any other number.
    fixture.sql(std::string("CREATE TEMP TABLE expected (ok CHECK (ok)); "
                            "INSERT INTO expected SELECT generation = ") +
                of_record + " FROM record WHERE kind = 3; INSERT INTO expected SELECT generation = " + of_root +
                " FROM store");
  };
  fixture.put(kKey1, "one");
  generations_are("3", "4");
  fixture.put(kKey1, "one");
  generations_are("5", "6");
  erase(fixture, kKey1);
  fixture.put(kKey1, "one");
  generations_are("8", "9");
  {
    const auto store = fixture.open();
    const auto transaction = store->begin();
    REQUIRE((*transaction)->put(kKey1, as_bytes("a")));
    REQUIRE((*transaction)->put(kKey1, as_bytes("b")));
    REQUIRE((*transaction)->commit());
  }
  generations_are("11", "12");
}

}  // namespace
}  // namespace sks::test
