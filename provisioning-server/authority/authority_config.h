#pragma once

#include <cstdint>
#include <string>

#include "provisioning-server/authority/pkcs11_key.h"
#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

/// [authority]: where the key of the credential CA lives.
struct AuthorityConfig {
  enum class Home : std::uint8_t { file, pkcs11 };
  Home home = Home::file;
  Pkcs11Location location;
  std::string pin_file;  ///< relative to the folder of the issuer; empty: the token asks for none
  std::int64_t timeout_seconds = 10;
  std::int64_t queue = 64;
};
AuthorityConfig read_authority(TomlTable& root);

/// [renewal]: when the server's own certificate is replaced.
struct RenewalConfig {
  bool automatic = true;
  bool new_key = false;
  std::int64_t tls_days = 825;
};
RenewalConfig read_renewal(TomlTable& root);

}  // namespace sks::issuer
