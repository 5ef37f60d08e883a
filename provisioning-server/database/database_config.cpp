#include "provisioning-server/database/database_config.h"

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

DatabaseConfig read_database_config(TomlTable& root) {
  DatabaseConfig config;
  config.url = root.text_or("database", config.url);
  return config;
}

}  // namespace sks::issuer
