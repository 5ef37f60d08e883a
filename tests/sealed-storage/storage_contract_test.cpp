#include <doctest/doctest.h>

#include <type_traits>

#include "sealed-storage/record.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"

/// The contract of the Storage port, for this implementation and for the one that other tests run on.
namespace sks::test {
namespace {

constexpr RecordId kKey1{RecordKind::key, 1};
constexpr RecordId kKey2{RecordKind::key, 2};
constexpr RecordId kLastKey{RecordKind::key, 0xFFFFFFFF};
constexpr RecordId kMaterial1{RecordKind::key_material, 1};

struct Sqlite {
  StoreFixture fixture;
  std::unique_ptr<SqliteStore> store = fixture.open();
  Storage& storage() { return *store; }
};

struct Memory {
  InMemoryStorage store;
  Storage& storage() { return store; }
};

std::unique_ptr<Storage::Transaction> begin(Storage& storage) {
  Result<std::unique_ptr<Storage::Transaction>> transaction = storage.begin();
  REQUIRE(transaction);
  return std::move(transaction).value();
}

void put(Storage::Transaction& transaction, RecordId id, std::string_view value) {
  REQUIRE(transaction.put(id, as_bytes(value)));
}

TEST_CASE_TEMPLATE("Storage: a transaction sees its own writes", T, Sqlite, Memory) {
  T world;
  const auto transaction = begin(world.storage());
  CHECK(read(*transaction, kKey1) == "(none)");
  put(*transaction, kKey1, "one");
  CHECK(read(*transaction, kKey1) == "one");
  put(*transaction, kKey1, "one, rewritten");
  CHECK(read(*transaction, kKey1) == "one, rewritten");
  REQUIRE(transaction->erase(kKey1));
  CHECK(read(*transaction, kKey1) == "(none)");
}

TEST_CASE_TEMPLATE("Storage: what was committed is there for the next transaction", T, Sqlite, Memory) {
  T world;
  {
    const auto transaction = begin(world.storage());
    put(*transaction, kKey1, "one");
    put(*transaction, kMaterial1, "");
    REQUIRE(transaction->commit());
  }
  const auto transaction = begin(world.storage());
  CHECK(read(*transaction, kKey1) == "one");
  CHECK(read(*transaction, kMaterial1).empty());
  CHECK(read(*transaction, kKey2) == "(none)");
}

TEST_CASE_TEMPLATE("Storage: a transaction without commit leaves nothing", T, Sqlite, Memory) {
  T world;
  {
    const auto transaction = begin(world.storage());
    put(*transaction, kKey1, "kept");
    put(*transaction, kKey2, "kept too");
    REQUIRE(transaction->commit());
  }
  {
    const auto transaction = begin(world.storage());
    put(*transaction, kKey1, "lost");
    put(*transaction, kMaterial1, "lost");
    REQUIRE(transaction->erase(kKey2));
  }
  const auto transaction = begin(world.storage());
  CHECK(list(*transaction, RecordKind::key) == "1=kept 2=kept too");
  CHECK(list(*transaction, RecordKind::key_material).empty());
}

TEST_CASE_TEMPLATE("Storage: erasing takes away one record, and an absent one without complaint", T, Sqlite, Memory) {
  T world;
  const auto transaction = begin(world.storage());
  put(*transaction, kKey1, "one");
  put(*transaction, kMaterial1, "secret");
  REQUIRE(transaction->erase(kKey1));
  REQUIRE(transaction->erase(kKey1));
  REQUIRE(transaction->erase(kKey2));
  CHECK(read(*transaction, kKey1) == "(none)");
  CHECK(read(*transaction, kMaterial1) == "secret");
}

TEST_CASE_TEMPLATE("Storage: scan visits one kind in ascending order of handles", T, Sqlite, Memory) {
  T world;
  const auto transaction = begin(world.storage());
  put(*transaction, kLastKey, "last");
  put(*transaction, kKey2, "two");
  put(*transaction, kMaterial1, "another kind");
  put(*transaction, {RecordKind::key, 0}, "zero");
  put(*transaction, {RecordKind::key, 0x80000000}, "half");
  CHECK(list(*transaction, RecordKind::key) == "0=zero 2=two 2147483648=half 4294967295=last");
  CHECK(list(*transaction, RecordKind::pin_group).empty());
}

TEST_CASE_TEMPLATE("Storage: scan stops at the first error of its visitor and returns it", T, Sqlite, Memory) {
  T world;
  const auto transaction = begin(world.storage());
  put(*transaction, kKey1, "one");
  put(*transaction, kKey2, "two");
  int visited = 0;
  const Result<void> scanned = transaction->scan(RecordKind::key, [&](std::uint32_t, ByteView) -> Result<void> {
    ++visited;
    return Error{Status::not_allowed, "enough"};
  });
  REQUIRE_FALSE(scanned);
  CHECK(scanned.error().status == Status::not_allowed);
  CHECK(scanned.error().detail == "enough");
  CHECK(visited == 1);
  CHECK(read(*transaction, kKey2) == "two");
}

TEST_CASE("SqliteStore: a visitor of scan may write") {
  Sqlite world;
  const auto transaction = begin(world.storage());
  put(*transaction, kKey1, "one");
  put(*transaction, kKey2, "two");
  REQUIRE(transaction->scan(RecordKind::key, [&](std::uint32_t handle, ByteView) -> Result<void> {
    return transaction->erase({RecordKind::key, handle});
  }));
  CHECK(list(*transaction, RecordKind::key).empty());
}

TEST_CASE_TEMPLATE("Storage: there is one transaction at a time", T, Sqlite, Memory) {
  T world;
  auto first = begin(world.storage());
  const auto second = world.storage().begin();
  REQUIRE_FALSE(second);
  CHECK(second.error().status == Status::storage);
  CHECK(second.error().detail == "a transaction is open already");
  first.reset();
  CHECK(world.storage().begin());
}

TEST_CASE_TEMPLATE("Storage: nothing can be written after the commit", T, Sqlite, Memory) {
  T world;
  {
    const auto transaction = begin(world.storage());
    put(*transaction, kKey1, "one");
    REQUIRE(transaction->commit());
    const Result<void> late = transaction->put(kKey2, as_bytes("late"));
    REQUIRE_FALSE(late);
    CHECK(late.error().status == Status::storage);
    CHECK_FALSE(transaction->erase(kKey1));
    CHECK_FALSE(transaction->commit());
  }
  const auto transaction = begin(world.storage());
  CHECK(list(*transaction, RecordKind::key) == "1=one");
}

TEST_CASE("SqliteStore: records and identity survive a restart") {
  StoreFixture fixture;
  fixture.put(kKey1, "one");
  fixture.put(kLastKey, std::string(100000, 'x'));
  fixture.put(kKey1, "one, rewritten");
  const auto store = fixture.open();
  {
    const auto transaction = begin(*store);
    CHECK(read(*transaction, kKey1) == "one, rewritten");
    CHECK(read(*transaction, kLastKey) == std::string(100000, 'x'));
    CHECK(store->identity());  // within a transaction too
  }
  const Result<StoredIdentity> identity = store->identity();
  REQUIRE(identity);
  CHECK(identity->certificate_path == sample_identity().certificate_path);
  CHECK(equal(identity->private_key.view(), sample_identity().private_key.view()));
}

TEST_CASE("SqliteStore: a value above the limit is refused, one at the limit is kept") {
  Sqlite world;
  const auto transaction = begin(world.storage());
  const Result<void> refused = transaction->put(kKey1, Bytes(sealed::kMaxValue + 1, 0));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::storage);
  CHECK(refused.error().detail == "a record is too large for the key store");
  REQUIRE(transaction->put(kKey2, Bytes(sealed::kMaxValue, 0x5A)));
  CHECK(read(*transaction, kKey2) == std::string(sealed::kMaxValue, 'Z'));
}

TEST_CASE("SqliteStore: no file of the store shows a value") {
  StoreFixture fixture;
  const std::string secret = "a PIN that must not be readable";
  const auto store = fixture.open();
  const auto transaction = begin(*store);
  put(*transaction, kKey1, secret);
  REQUIRE(transaction->commit());
  for (const char* name : {"store.db", "store.db-wal"}) {
    CAPTURE(name);
    const std::string content = read_file(fixture.file(name));
    CHECK(content.find(secret) == std::string::npos);
    CHECK(content.find("pkcs8 of the attestation key") == std::string::npos);
  }
}

std::vector<std::pair<std::uint32_t, RecordMark>> marks(Storage& storage, RecordKind kind) {
  std::vector<std::pair<std::uint32_t, RecordMark>> all;
  const auto visited =
      storage.visit_marks(kind, [&](std::uint32_t handle, RecordMark mark) { all.emplace_back(handle, mark); });
  REQUIRE(visited);
  CHECK(*visited);
  return all;
}

TEST_CASE("SqliteStore: every write of a record gives it another mark, which it keeps until the next one") {
  StoreFixture fixture;
  fixture.put(kKey2, "same");
  fixture.put(kKey1, "same");
  fixture.put(kMaterial1, "same");
  auto store = fixture.open();
  const auto first = marks(*store, RecordKind::key);
  REQUIRE(first.size() == 2);
  CHECK(first[0].first == 1);
  CHECK(first[1].first == 2);
  CHECK(first[0].second != first[1].second);
  CHECK(store->mark(kKey1).value() == first[0].second);
  CHECK_FALSE(store->mark(kLastKey).value());
  store.reset();
  fixture.put(kKey1, "same");
  store = fixture.open();
  const auto second = marks(*store, RecordKind::key);
  REQUIRE(second.size() == 2);
  CHECK(second[0].second != first[0].second);
  CHECK(second[1] == first[1]);
  {
    const auto transaction = begin(*store);
    put(*transaction, kKey1, "not committed");
    REQUIRE(transaction->erase(kKey2));
  }
  CHECK(marks(*store, RecordKind::key) == second);
  {
    const auto transaction = begin(*store);
    REQUIRE(transaction->erase(kKey2));
    REQUIRE(transaction->commit());
  }
  CHECK(marks(*store, RecordKind::key) == std::vector{second[0]});
  CHECK_FALSE(store->mark(kKey2).value());
}

TEST_CASE("Storage: one that has no marks says so") {
  Memory world;
  const auto visited = world.store.visit_marks(RecordKind::key, [](std::uint32_t, RecordMark) { CHECK(false); });
  REQUIRE(visited);
  CHECK_FALSE(*visited);
  CHECK_FALSE(world.store.mark(kKey1).value());
}

}  // namespace
}  // namespace sks::test
