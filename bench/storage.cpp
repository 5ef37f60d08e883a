#include <benchmark/benchmark.h>
#include <sqlite3.h>

#include <filesystem>

#include "bench/filled_store.h"
#include "sealed-storage/master_key.h"
#include "sealed-storage/record.h"
#include "sealed-storage/sqlite.h"
#include "sks-core/engine/store_state.h"

/// What sealing costs: commits against bare SQLite, a record's seal, and the size on disk.
namespace sks::bench {
namespace {

using sealed::Database;
using sealed::Statement;

constexpr std::uint32_t kKeys = 1000;

/// A filled store that takes one more key at a time.
class GrowingStore {
 public:
  GrowingStore() : folder_(parent_.file("store")), storage_(make_filled_store(folder_, kKeys)) {
    state_ = std::move(engine::StoreState::load(*storage_).value());
  }
  void add_key() {
    engine::Change change(*state_);
    add_sample_key(change, ++serial_);
    SKS_CHECK(static_cast<bool>(change.commit()));
  }
  const std::string& folder() const { return folder_; }
  void close() {
    state_.reset();
    storage_.reset();
  }
  void open() {
    storage_ = std::move(SqliteStore::open(folder_).value());
    state_ = std::move(engine::StoreState::load(*storage_).value());
  }

 private:
  test::TempDir parent_;
  std::string folder_;
  std::unique_ptr<SqliteStore> storage_;
  std::unique_ptr<engine::StoreState> state_;
  std::uint32_t serial_ = kKeys;
};

void store_commit(benchmark::State& state) {
  GrowingStore store;
  for (auto _ : state) store.add_key();
}

struct Row {
  std::int64_t kind;
  std::int64_t handle;
  Bytes content;
};

/// What commits of one key wrote, as it lies on disk.
struct Written {
  std::vector<Row> records;  ///< of the last commit
  std::vector<Bytes> roots;  ///< of one commit each: they grow with the changes that wait in them
};

Written what_commits_write() {
  constexpr std::size_t kCommits = 32;  // more than a root takes changes for
  Written written;
  GrowingStore store;
  for (std::size_t i = 0; i < kCommits; ++i) {
    if (i > 0) store.open();
    store.add_key();
    store.close();
    Database database = std::move(Database::open(store.folder() + "/store.db").value());
    Statement root = std::move(database.prepare("SELECT root FROM store").value());
    SKS_CHECK(root.step().value());
    written.roots.push_back(to_bytes(root.blob(0)));
    if (i + 1 < kCommits) continue;
    Statement newest =
        std::move(database.prepare("SELECT kind, handle, sealed FROM record ORDER BY generation DESC").value());
    while (written.records.size() < kRecordsOfKey && newest.step().value())
      written.records.push_back({newest.integer(0), newest.integer(1), to_bytes(newest.blob(2))});
  }
  return written;
}

enum class Roots : std::uint8_t { left_out, written };

// The same bytes into the same tables with the same care for durability, and nothing else.
void bare_commit(benchmark::State& state, Roots roots) {
  static const Written written = what_commits_write();
  GrowingStore store;
  store.close();
  Database database = std::move(Database::open(store.folder() + "/store.db").value());
  SKS_CHECK(
      static_cast<bool>(database.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
                                         "PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL")));
  Statement begin = std::move(database.prepare("BEGIN IMMEDIATE").value());
  Statement commit = std::move(database.prepare("COMMIT").value());
  Statement put = std::move(
      database.prepare("INSERT OR REPLACE INTO record (kind, handle, generation, sealed) VALUES (?1, ?2, ?3, ?4)")
          .value());
  Statement put_root = std::move(database.prepare("UPDATE store SET generation = ?1, root = ?2").value());
  std::int64_t made = 0;
  for (auto _ : state) {
    ++made;
    SKS_CHECK(static_cast<bool>(begin.run()));
    for (const Row& row : written.records) {
      const auto kind = static_cast<RecordKind>(row.kind);
      const bool of_the_key = kind == RecordKind::key || kind == RecordKind::key_material;
      put.bind(1, row.kind).bind(2, of_the_key ? row.handle + made : row.handle).bind(3, made).bind(4, row.content);
      SKS_CHECK(static_cast<bool>(put.run()));
    }
    if (roots == Roots::written) {
      const Bytes& root = written.roots[static_cast<std::size_t>(made) % written.roots.size()];
      SKS_CHECK(static_cast<bool>(put_root.bind(1, made).bind(2, root).run()));
    }
    SKS_CHECK(static_cast<bool>(commit.run()));
  }
  state.SetItemsProcessed(state.iterations());
}

void unseal(benchmark::State& state) {
  const std::vector<Row> rows = what_commits_write().records;
  const sealed::RecordSealer sealer(Bytes(sealed::kMasterKeySize, 1), {});
  const sealed::RecordLabel label{3, 1, 1};
  std::size_t longest = 0;
  for (const Row& row : rows)
    if (static_cast<RecordKind>(row.kind) == RecordKind::key) longest = row.content.size();
  const Bytes record = sealer.seal(label, Bytes(12, 2), Bytes(longest, 3));
  for (auto _ : state) SKS_CHECK(static_cast<bool>(sealer.open(label, record)));
}

void size_on_disk(benchmark::State& state) {
  constexpr std::uint32_t kMany = 100000;
  const auto bytes = static_cast<double>(std::filesystem::file_size(filled_folder(kMany) + "/store.db"));
  for (auto _ : state) state.counters["bytes_per_key"] = bytes / kMany;
}

BENCHMARK(store_commit)->UseRealTime();
BENCHMARK_CAPTURE(bare_commit, same_bytes, Roots::written)->UseRealTime();
BENCHMARK_CAPTURE(bare_commit, records_only, Roots::left_out)->UseRealTime();
BENCHMARK(unseal);
BENCHMARK(size_on_disk)->Iterations(1);

}  // namespace
}  // namespace sks::bench
