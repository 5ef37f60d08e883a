#pragma once

#include <map>
#include <string>

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy.h"

namespace sks::issuer {

/// The files that one profile refers to, each read once.
class ProfileFiles {
 public:
  explicit ProfileFiles(const ReadProfileFile& read) : read_(read) {}

  /// What the file that `table` names under `key` holds. Failures stick to the table.
  Bytes read(TomlTable& table, std::string_view key);
  std::map<std::string, Bytes> take() { return std::move(files_); }

 private:
  const ReadProfileFile& read_;
  std::map<std::string, Bytes> files_;
};

}  // namespace sks::issuer
