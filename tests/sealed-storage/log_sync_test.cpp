#include "sealed-storage/log_sync.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "tests/sealed-storage/fault_disk.h"
#include "tests/sealed-storage/store_fixture.h"

// Commits that share a sync: spec/sealed-record.md chapter 3.
namespace sks::test {
namespace {

RecordId key(std::uint32_t number) { return {RecordKind::key, number}; }

/// A store on a disk that is watched.
struct WatchedStore {
  WatchedStore() {
    FaultDisk::install();
    FaultDisk::instance().watch(fixture.folder());
    store = fixture.open();
  }
  ~WatchedStore() {
    store.reset();
    FaultDisk::instance().unwatch();
  }
  WatchedStore(const WatchedStore&) = delete;
  WatchedStore& operator=(const WatchedStore&) = delete;

  void commit(std::uint32_t number, bool shared) const {
    const auto transaction = (shared ? store->begin_shared() : store->begin()).value();
    REQUIRE(transaction->put(key(number), as_bytes("value")));
    CHECK(transaction->commit());
  }
  std::string records() const { return list(*store->begin().value(), RecordKind::key); }
  /// What the disk holds for sure, opened by another program.
  std::string durable_records() const {
    const FaultDisk& disk = FaultDisk::instance();
    DiskModel model(disk.initial());
    for (const DiskOperation& operation : disk.log()) model.apply(operation);
    std::mt19937 unused;
    write_folder(fixture.beside("disk"), model.image(Unsynced::lost, unused));
    return list(*SqliteStore::open(fixture.beside("disk")).value()->begin().value(), RecordKind::key);
  }
  static std::size_t syncs() {
    const std::vector<DiskOperation>& log = FaultDisk::instance().log();
    return static_cast<std::size_t>(std::ranges::count(log, DiskOperation::Kind::sync, &DiskOperation::kind));
  }

  StoreFixture fixture;
  std::unique_ptr<SqliteStore> store;
};

std::string refusal(const Result<void>& result) {
  return result ? "done" : std::string(to_string(result.error().status)) + " " + result.error().detail;
}

}  // namespace

TEST_CASE("SqliteStore: shared commits are seen at once and durable by one sync") {
  const WatchedStore world;
  world.commit(1, false);
  const std::size_t syncs = WatchedStore::syncs();
  world.commit(2, true);
  world.commit(3, true);
  CHECK(world.records() == "1=value 2=value 3=value");
  CHECK(world.durable_records() == "1=value");
  CHECK(WatchedStore::syncs() == syncs);
  CHECK(world.store->make_durable());
  CHECK(WatchedStore::syncs() == syncs + 1);
  CHECK(world.durable_records() == "1=value 2=value 3=value");
  CHECK(world.store->make_durable());
  CHECK(WatchedStore::syncs() == syncs + 1);
}

TEST_CASE("SqliteStore: a durable commit makes the shared ones before it durable, also one without writes") {
  const WatchedStore world;
  world.commit(1, true);
  world.commit(2, false);
  CHECK(world.durable_records() == "1=value 2=value");
  const std::size_t syncs = WatchedStore::syncs();
  CHECK(world.store->make_durable());
  CHECK(WatchedStore::syncs() == syncs);
  world.commit(3, true);
  CHECK(world.durable_records() == "1=value 2=value");
  CHECK(world.store->begin().value()->commit());
  CHECK(world.durable_records() == "1=value 2=value 3=value");
}

TEST_CASE("SqliteStore: a commit during a sync neither waits for it nor counts as synced by it") {
  const WatchedStore world;
  world.commit(1, true);
  const std::size_t syncs = WatchedStore::syncs();
  FaultDisk::instance().during_next_sync([&] { world.commit(2, true); });
  CHECK(world.store->make_durable());
  CHECK(WatchedStore::syncs() == syncs + 1);
  CHECK(world.durable_records() == "1=value");
  CHECK(world.store->make_durable());
  CHECK(WatchedStore::syncs() == syncs + 2);
  CHECK(world.durable_records() == "1=value 2=value");
}

TEST_CASE("SqliteStore: a sync does not count when another one has failed meanwhile") {
  const WatchedStore world;
  world.commit(1, true);
  FaultDisk::instance().during_next_sync([&] {
    const auto transaction = world.store->begin().value();
    REQUIRE(transaction->put(key(2), as_bytes("value")));
    FaultDisk::instance().fail_at(1, FaultDisk::Fault::io_error, FaultDisk::Duration::once);
    CHECK_FALSE(transaction->commit());
  });
  CHECK_FALSE(world.store->make_durable());
  CHECK(world.records() == "1=value");
  CHECK(world.store->make_durable());
  CHECK(world.durable_records() == "1=value");
}

TEST_CASE("SqliteStore: a checkpoint between shared commits loses nothing") {
  const WatchedStore world;
  const std::string large(200'000, 'x');
  for (std::uint32_t number = 1; number <= 30; ++number) {
    const auto transaction = world.store->begin_shared().value();
    REQUIRE(transaction->put(key(number), as_bytes(large)));
    REQUIRE(transaction->commit());
  }
  const std::vector<DiskOperation>& log = FaultDisk::instance().log();
  CHECK(std::ranges::any_of(log, [](const DiskOperation& operation) {
    return operation.kind == DiskOperation::Kind::sync && operation.name == "store.db";
  }));
  world.commit(31, true);
  CHECK(world.store->make_durable());
  CHECK(world.durable_records() == world.records());
}

TEST_CASE("SqliteStore: after a failed sync the log is written once more before anything else happens") {
  const WatchedStore world;
  world.commit(1, false);
  world.commit(2, true);
  {
    const auto transaction = world.store->begin_shared().value();
    REQUIRE(transaction->put({RecordKind::extension, 1}, as_bytes(std::string(300'000, 'x'))));
    REQUIRE(transaction->commit());
  }
  world.commit(3, true);
  FaultDisk::instance().fail_at(1, FaultDisk::Fault::io_error, FaultDisk::Duration::once);
  const std::string failure =
      "ERROR_STORAGE cannot use " + world.fixture.file("store.db") + ": the disk reports an error";
  CHECK(refusal(world.store->make_durable()) == failure);
  CHECK(refusal(world.store->make_durable()) == failure);  // a sync that succeeds now says nothing
  CHECK(world.durable_records() == "1=value");
  CHECK(world.store->begin());
  CHECK(world.durable_records() == "1=value 2=value 3=value");
  CHECK(world.store->make_durable());
}

TEST_CASE("SqliteStore: a durable commit that fails puts the shared ones before it in doubt") {
  const WatchedStore world;
  world.commit(1, true);
  {
    const auto transaction = world.store->begin().value();
    REQUIRE(transaction->put(key(2), as_bytes("value")));
    FaultDisk& disk = FaultDisk::instance();
    disk.fail_at(1, FaultDisk::Fault::io_error, FaultDisk::Duration::from_then_on);
    CHECK_FALSE(transaction->commit());
    CHECK_FALSE(world.store->make_durable());
    CHECK_FALSE(world.store->begin());
    disk.fail_at(0, FaultDisk::Fault::io_error, FaultDisk::Duration::once);
  }
  CHECK(world.records() == "1=value");
  CHECK(world.durable_records() == "1=value");
  world.commit(3, true);
  CHECK(world.store->make_durable());
  CHECK(world.durable_records() == "1=value 3=value");
}

TEST_CASE("SqliteStore: what the disk has forgotten after a failed sync is not built upon") {
  WatchedStore world;
  world.commit(1, false);
  world.commit(2, true);
  FaultDisk::instance().fail_at(1, FaultDisk::Fault::io_error, FaultDisk::Duration::once);
  CHECK_FALSE(world.store->make_durable());
  // As when the pages that could not be written were dropped: the file reads as it was.
  std::string log = read_file(world.fixture.file("store.db-wal"));
  log.replace(log.size() - 4096, 4096, 4096, '\0');
  write_file(world.fixture.file("store.db-wal"), log);
  const auto refused = [&] {
    const auto transaction = world.store->begin().value();  // to read is allowed
    return transaction->put({RecordKind::key, 3}, as_bytes("value"));
  }();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::storage);
  CHECK(refused.error().detail ==
        "cannot use " + world.fixture.file("store.db") + ": the disk has lost what was written, open the store again");
  CHECK_FALSE(world.store->make_durable());
  world.store = nullptr;
  world.store = world.fixture.open();
  CHECK(world.records() == "1=value");
}

TEST_CASE("SqliteStore: threads wait for syncs while others commit") {
  const StoreFixture fixture;
  const auto store = fixture.open();
  std::mutex one_at_a_time;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kCommits = 25;
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < kCommits; ++i) {
        {
          const std::lock_guard lock(one_at_a_time);
          const auto transaction = (i % 5 == 0 ? store->begin() : store->begin_shared()).value();
          if (!transaction->put(key(t * kCommits + i), as_bytes("value")) || !transaction->commit()) ++failures;
        }
        if (!store->make_durable()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  int found = 0;
  REQUIRE(store->begin().value()->scan(RecordKind::key, [&](std::uint32_t, ByteView) -> Result<void> {
    ++found;
    return {};
  }));
  CHECK(found == kThreads * kCommits);
}

TEST_CASE("is_whole_log: what SQLite writes, whole frames of it, and nothing that was changed") {
  const StoreFixture fixture;
  const std::string path = fixture.beside("other.db");
  write_file(path, "");
  Bytes log;
  {
    sealed::Database database = std::move(sealed::Database::open(path).value());
    REQUIRE(database.execute(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t (a); "
        "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)"));
    log = to_bytes(as_bytes(read_file(path + "-wal")));
  }
  constexpr std::size_t kFrame = 24 + 512;
  REQUIRE(log.size() >= 32 + 3 * kFrame);
  CHECK(sealed::is_whole_log(log));
  CHECK(sealed::is_whole_log(ByteView(log).first(32 + 2 * kFrame)));
  CHECK(sealed::is_whole_log(ByteView(log).first(32)));
  CHECK_FALSE(sealed::is_whole_log({}));
  CHECK_FALSE(sealed::is_whole_log(ByteView(log).first(31)));
  CHECK_FALSE(sealed::is_whole_log(ByteView(log).first(32 + kFrame - 1)));
  CHECK_FALSE(sealed::is_whole_log(ByteView(log).first(32 + kFrame + 1)));
  for (std::size_t at = 0; at < log.size(); ++at) {
    CAPTURE(at);
    log[at] ^= 0x10;
    CHECK_FALSE(sealed::is_whole_log(log));
    log[at] ^= 0x10;
  }
}

}  // namespace sks::test
