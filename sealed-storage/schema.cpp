#include "sealed-storage/schema.h"

#include <algorithm>
#include <array>

namespace sks::sealed {
namespace {

constexpr std::int64_t kApplicationId = 0x534B5353;
constexpr std::uint32_t kFirstVersionWithRootInHeader = 3;

/// A table in the format versions that have it.
struct Table {
  std::uint32_t first;
  std::uint32_t last;
  std::string_view name;
  std::string_view statement;
  bool in(std::uint32_t version) const { return first <= version && version <= last; }
};

/// By name, as SQLite is asked for them.
constexpr auto kTables = std::to_array<Table>({
    {2, 3, "node",
     "CREATE TABLE node (kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 255), "
     "level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 6), "
     "number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295), "
     "tags BLOB NOT NULL, PRIMARY KEY (kind, level, number)) STRICT, WITHOUT ROWID"},
    {1, 3, "record",
     "CREATE TABLE record (kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 255), "
     "handle INTEGER NOT NULL CHECK (handle BETWEEN 0 AND 4294967295), "
     "generation INTEGER NOT NULL CHECK (generation >= 1), "
     "sealed BLOB NOT NULL, PRIMARY KEY (kind, handle)) STRICT, WITHOUT ROWID"},
    {2, 2, "root", "CREATE TABLE root (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) STRICT"},
    {1, 2, "store",
     "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), "
     "store_id BLOB NOT NULL CHECK (length(store_id) = 16), "
     "key_check BLOB NOT NULL CHECK (length(key_check) = 32), "
     "generation INTEGER NOT NULL CHECK (generation >= 0)) STRICT"},
    {3, 3, "store",
     "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), "
     "store_id BLOB NOT NULL CHECK (length(store_id) = 16), "
     "key_check BLOB NOT NULL CHECK (length(key_check) = 32), "
     "generation INTEGER NOT NULL CHECK (generation >= 0), "
     "root BLOB NOT NULL) STRICT"},
});
static_assert(std::ranges::all_of(kTables, [](const Table& table) { return table.last <= kFormatVersion; }));

Error foreign(const std::string& folder) { return Error{Status::option, folder + "/store.db is not a key store"}; }

Result<void> check_tables(Database& database, std::uint32_t version, const std::string& folder) {
  SKS_LET(Statement schema, database.prepare("SELECT sql FROM sqlite_schema ORDER BY name"));
  for (const Table& table : kTables) {
    if (!table.in(version)) continue;
    SKS_LET(const bool row, schema.step());
    if (!row || schema.text(0) != table.statement) return foreign(folder);
  }
  SKS_LET(const bool more, schema.step());
  if (more) return foreign(folder);
  return {};
}

}  // namespace

Result<void> create_tables(Database& database) {
  SKS_TRY(database.execute("PRAGMA application_id = " + std::to_string(kApplicationId)));
  return replace_tables(database, 0);
}

Result<void> replace_tables(Database& database, std::uint32_t version) {
  for (const Table& table : kTables)
    if (table.in(version) && !table.in(kFormatVersion))
      SKS_TRY(database.execute("DROP TABLE " + std::string(table.name)));
  for (const Table& table : kTables)
    if (table.in(kFormatVersion) && !table.in(version)) SKS_TRY(database.execute(std::string(table.statement)));
  return database.execute("PRAGMA user_version = " + std::to_string(kFormatVersion));
}

Result<std::uint32_t> check_format(Database& database, const std::string& folder) {
  SKS_LET(const std::int64_t application_id, database.query_integer("PRAGMA application_id"));
  if (application_id != kApplicationId) return foreign(folder);
  SKS_LET(const std::int64_t version, database.query_integer("PRAGMA user_version"));
  if (version < 1 || version > kFormatVersion) {
    return Error{Status::option, "the key store in " + folder + " has format version " + std::to_string(version) +
                                     "; this program knows versions 1 to " + std::to_string(kFormatVersion)};
  }
  const auto known = static_cast<std::uint32_t>(version);
  SKS_TRY(check_tables(database, known, folder));
  return known;
}

Result<Header> read_header(Database& database, std::uint32_t version, const std::string& folder) {
  const std::string root = version >= kFirstVersionWithRootInHeader ? "root" : "x''";
  SKS_LET(Statement select, database.prepare("SELECT store_id, key_check, generation, " + root + " FROM store"));
  SKS_LET(const bool row, select.step());
  if (!row) return foreign(folder);
  Header header;
  const ByteView store_id = select.blob(0);
  if (store_id.size() != header.store_id.size()) return foreign(folder);
  std::copy(store_id.begin(), store_id.end(), header.store_id.begin());
  header.key_check = to_bytes(select.blob(1));
  header.generation = select.integer(2);
  header.root = to_bytes(select.blob(3));
  if (header.generation < 0) return foreign(folder);
  return header;
}

Result<void> write_header(Database& database, const Header& header) {
  SKS_LET(Statement put, database.prepare("INSERT OR REPLACE INTO store (id, store_id, key_check, generation, root) "
                                          "VALUES (1, ?1, ?2, ?3, ?4)"));
  return put.bind(1, header.store_id).bind(2, header.key_check).bind(3, header.generation).bind(4, header.root).run();
}

}  // namespace sks::sealed
