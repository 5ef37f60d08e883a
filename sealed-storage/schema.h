#pragma once

#include <string>

#include "sealed-storage/record.h"
#include "sealed-storage/sqlite.h"

/// The tables of a store's database, of this format version and of earlier ones. Spec: spec/sealed-record.md chapter 3.
namespace sks::sealed {

inline constexpr std::int64_t kFirstGeneration = 1;
inline constexpr const char* kPutRecord =
    "INSERT OR REPLACE INTO record (kind, handle, generation, sealed) VALUES (?1, ?2, ?3, ?4)";

/// The row of the table `store`.
struct Header {
  StoreId store_id{};
  Bytes key_check;
  std::int64_t generation = 0;  ///< the highest that was given away
  Bytes root;                   ///< sealed; empty in versions that keep it elsewhere or have none
};

/// The tables of the current version in an empty database. Inside a transaction.
Result<void> create_tables(Database& database);
/// The tables of the current version in place of those of `version`, and its number. Tables that both have stay as they
/// are. Inside a transaction.
Result<void> replace_tables(Database& database, std::uint32_t version);

/// The format version of a database, 1 up to kFormatVersion, whose tables are as that version has them. `folder` names
/// the store in messages. Fails with option when this is no key store, or one of a version that is not known.
Result<std::uint32_t> check_format(Database& database, const std::string& folder);

/// Fails with option when there is none.
Result<Header> read_header(Database& database, std::uint32_t version, const std::string& folder);
Result<void> write_header(Database& database, const Header& header);

}  // namespace sks::sealed
