#pragma once

#include <string>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// Serves the issuer of a folder until SIGTERM or SIGINT. SIGHUP reads the folder again; what is broken then leaves
/// everything as it was. `listen` goes before the address of the configuration; without both it is loopback.
/// Fails as Issuer::open() and Listener::open().
Result<void> serve_issuer(const std::string& folder, const std::string& listen);

}  // namespace sks::issuer
