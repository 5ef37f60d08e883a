#include "provisioning-server/access/access_config.h"

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

AccessConfig read_access(TomlTable& root) {
  AccessConfig config;
  TomlTable access = root.table("access");
  config.console_minutes = access.integer_or("console_minutes", 1, 24 * 60, config.console_minutes);
  config.login_tries_per_minute = access.integer_or("login_tries_per_minute", 1, 10000, config.login_tries_per_minute);
  return config;
}

}  // namespace sks::issuer
