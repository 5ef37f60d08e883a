#pragma once

#include <vector>

#include "key-user-api/cli/integration.h"
#include "key-user-api/cli/opened_store.h"
#include "sealed-storage/examination.h"

namespace sks::cli {

/// What stands between applications and the keys: sksd and its socket, the program that asks for PINs, and what is
/// registered where. What keeps every application from the keys is a problem, though the key store is no worse for it.
std::vector<Finding> check_machine(const StorePlace& store, const Environment& environment);

}  // namespace sks::cli
