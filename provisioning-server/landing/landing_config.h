#pragma once

#include <string>

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

/// The section [landing] of D/issuer.toml: what people read about the issuer.
struct LandingConfig {
  std::string issuer_name;  ///< empty: the host of the main URL
  std::string help;         ///< whom to ask, such as "Service desk, +1 555 0100"; empty: nobody is named
};

/// Failures stick to the file that the table is of.
LandingConfig read_landing(TomlTable& root);

}  // namespace sks::issuer
