#include "sealed-storage/schema.h"

#include <algorithm>
#include <array>

namespace sks::sealed {
namespace {

constexpr std::int64_t kApplicationId = 0x534B5353;

struct Table {
  std::uint32_t since;  ///< format version
  std::string_view statement;
};

/// By name, as SQLite is asked for them.
constexpr auto kTables = std::to_array<Table>({
    {2,
     "CREATE TABLE node (kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 255), "
     "level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 6), "
     "number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295), "
     "tags BLOB NOT NULL, PRIMARY KEY (kind, level, number)) STRICT, WITHOUT ROWID"},
    {1,
     "CREATE TABLE record (kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 255), "
     "handle INTEGER NOT NULL CHECK (handle BETWEEN 0 AND 4294967295), "
     "generation INTEGER NOT NULL CHECK (generation >= 1), "
     "sealed BLOB NOT NULL, PRIMARY KEY (kind, handle)) STRICT, WITHOUT ROWID"},
    {2, "CREATE TABLE root (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) STRICT"},
    {1,
     "CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), "
     "store_id BLOB NOT NULL CHECK (length(store_id) = 16), "
     "key_check BLOB NOT NULL CHECK (length(key_check) = 32), "
     "generation INTEGER NOT NULL CHECK (generation >= 0)) STRICT"},
});

Error foreign(const std::string& folder) { return Error{Status::option, folder + "/store.db is not a key store"}; }

Result<void> create_tables_since(Database& database, std::uint32_t version) {
  for (const Table& table : kTables)
    if (table.since >= version) SKS_TRY(database.execute(std::string(table.statement)));
  return database.execute("PRAGMA user_version = " + std::to_string(kFormatVersion));
}

Result<void> check_tables(Database& database, std::uint32_t version, const std::string& folder) {
  SKS_LET(Statement schema, database.prepare("SELECT sql FROM sqlite_schema ORDER BY name"));
  for (const Table& table : kTables) {
    if (table.since > version) continue;
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
  return create_tables_since(database, 1);
}

Result<void> upgrade_tables(Database& database) { return create_tables_since(database, kFormatVersion); }

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

Result<Header> read_header(Database& database, const std::string& folder) {
  SKS_LET(Statement select, database.prepare("SELECT store_id, key_check, generation FROM store"));
  SKS_LET(const bool row, select.step());
  if (!row) return foreign(folder);
  Header header;
  const ByteView store_id = select.blob(0);
  if (store_id.size() != header.store_id.size()) return foreign(folder);
  std::copy(store_id.begin(), store_id.end(), header.store_id.begin());
  header.key_check = to_bytes(select.blob(1));
  header.generation = select.integer(2);
  if (header.generation < 0) return foreign(folder);
  return header;
}

Result<void> write_header(Database& database, const Header& header) {
  SKS_LET(Statement put, database.prepare("INSERT OR REPLACE INTO store (id, store_id, key_check, generation) "
                                          "VALUES (1, ?1, ?2, ?3)"));
  return put.bind(1, header.store_id).bind(2, header.key_check).bind(3, header.generation).run();
}

}  // namespace sks::sealed
