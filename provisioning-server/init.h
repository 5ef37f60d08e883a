#pragma once

#include <string>

#include "provisioning-server/policy.h"

namespace sks::issuer {

struct InitRequest {
  std::string folder;
  MainUrl url;
  DeviceTrustMode device_trust = DeviceTrustMode::registered;
  std::string device_ca_file;  ///< PEM; only for DeviceTrustMode::ca
  std::string database = {};   ///< as open_database() takes it; empty: SQLite, a file in the folder
};

/// Makes the folder of a new issuer: keys, certificates, database, configuration and profiles.
///
/// Everything is made beside the folder and moved there at the end, so a failure leaves nothing behind. Fails with
/// option (the folder is in use, the device CA file is not usable) or storage. The tables of a database that
/// is elsewhere stay.
Result<void> init_issuer(const InitRequest& request, const Clock& clock, const Random& random);

}  // namespace sks::issuer
