#pragma once

#include <string>

namespace sks::issuer {

class TomlTable;

/// What issuer.toml says about where the data is kept.
struct DatabaseConfig {
  std::string url = "sqlite:issuer.db";  ///< as open_database() takes it
};

/// Reads `database` of the file's root.
DatabaseConfig read_database_config(TomlTable& root);

}  // namespace sks::issuer
