#pragma once

#include <sqlite3.h>

#include <string>

#include "sks-core/base/result.h"

/// The tables of an issuer's database, and how they became what they are.
namespace sks::issuer {

/// Makes them in an empty database. Fails with storage.
Result<void> create_schema(sqlite3* database);

/// Checks that a database has them, after bringing an earlier version to this one. Fails with option (not the database
/// of an issuer, a version that is not known) or storage. `file` is only for messages.
Result<void> open_schema(sqlite3* database, const std::string& file);

}  // namespace sks::issuer
