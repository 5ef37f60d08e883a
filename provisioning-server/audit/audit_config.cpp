#include "provisioning-server/audit/audit_config.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {
namespace {

constexpr std::size_t kMaxNode = 64;

std::string host_name() {
  std::array<char, kMaxNode + 1> name{};
  if (gethostname(name.data(), kMaxNode) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

/// It stands in lines of text between spaces.
bool is_node_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNode &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

AuditConfig read_audit_config(TomlTable& root) {
  TomlTable table = root.table("audit");
  AuditConfig config;
  config.node = table.text_or("node", host_name());
  if (!is_node_name(config.node)) table.refuse("node", "node must have 1 to 64 characters of ASCII and no spaces");
  config.checkpoint_entries = table.integer_or("checkpoint_entries", 1, 1'000'000, config.checkpoint_entries);
  config.checkpoint_seconds = table.integer_or("checkpoint_seconds", 1, 86400, config.checkpoint_seconds);
  return config;
}

}  // namespace sks::issuer
