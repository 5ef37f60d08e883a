#pragma once

#include <memory>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// The same database, with its metrics, and with one line in the log when it fails and one when it works again, however
/// many transactions fail in between. It works again when everything that has failed, to read, to begin a transaction,
/// or to change something, has succeeded since.
std::unique_ptr<Database> watch_database(std::unique_ptr<Database> database);

}  // namespace sks::issuer
