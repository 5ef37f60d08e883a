#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attestation/device_path.h"
#include "keygen2/search_filter.h"
#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

/// [[device_ca]] of issuer.toml: an authority of devices, and what it is trusted for.
struct DeviceAuthorityRules {
  std::string name;
  std::string file;                              ///< PEM: one CA certificate or more
  std::vector<std::string> profiles;             ///< those that its devices may use; empty: all
  std::optional<keygen2::SearchFilter> filter;   ///< what the path of a device must match
  std::vector<std::string> required_extensions;  ///< of the device certificate, dotted object identifiers
  std::optional<std::size_t> max_intermediates;
  attestation::DevicePathRules::Period period = attestation::DevicePathRules::Period::all;
  attestation::DevicePathRules::Revocation revocation = attestation::DevicePathRules::Revocation::required;
  std::vector<std::string> lists;  ///< files with revocation lists, DER or PEM
};

/// Failures stick to the table.
std::vector<DeviceAuthorityRules> read_device_authorities(TomlTable& root);

/// For an issuer whose device-ca.pem stands alone: every certificate in it, no revocation.
DeviceAuthorityRules plain_device_authority(const std::string& file);

std::string_view revocation_name(attestation::DevicePathRules::Revocation revocation);

}  // namespace sks::issuer
