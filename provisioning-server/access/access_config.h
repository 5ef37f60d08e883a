#pragma once

#include <cstdint>

namespace sks::issuer {

class TomlTable;

/// Section [access] of issuer.toml.
struct AccessConfig {
  std::int64_t console_minutes = 480;        ///< how long a login at the console counts
  std::int64_t login_tries_per_minute = 30;  ///< refused ones of one address; logins of one account
};
AccessConfig read_access(TomlTable& root);

}  // namespace sks::issuer
