#pragma once

#include <cstdint>
#include <string>

namespace sks::issuer {

class TomlTable;

/// Section [audit] of issuer.toml.
struct AuditConfig {
  std::string node;  ///< how chains and checkpoints name this server; the host's name if not set
  std::int64_t checkpoint_entries = 1000;
  std::int64_t checkpoint_seconds = 60;
};

AuditConfig read_audit_config(TomlTable& root);

}  // namespace sks::issuer
