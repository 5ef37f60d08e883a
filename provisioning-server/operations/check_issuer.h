#pragma once

#include <ostream>
#include <string>

#include "provisioning-server/database/database.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// Looks at everything that serving needs and changes nothing: configuration, profiles, devices, who may read the keys,
/// certificates with their dates and keys, the database. One line for each finding, "ok: ..." or "problem: ...".
/// Fails with option when there is a problem.
Result<void> check_issuer(const std::string& folder, std::ostream& out);

/// Whether a database can be read and holds the tables of an issuer. Fails as Database::read().
Result<void> check_database(Database& database);

}  // namespace sks::issuer
