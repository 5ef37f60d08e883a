#include "provisioning-server/policy/profile_files.h"

namespace sks::issuer {
namespace {

/// Below the folder of the profiles, and one word in the line that goes into the digest.
bool is_file_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
  return !name.empty() && name.size() <= 200 && name.find_first_not_of(kAllowed) == std::string::npos &&
         name.front() != '/' && name.find("..") == std::string::npos;
}

}  // namespace

Bytes ProfileFiles::read(TomlTable& table, std::string_view key) {
  const std::string name = table.text(key);
  if (!is_file_name(name)) {
    table.refuse(key, std::string(key) +
                          " must name a file below the folder of the profile: letters, digits, and"
                          " \"-_./\" without \"..\"");
    return {};
  }
  if (const auto known = files_.find(name); known != files_.end()) return known->second;
  Result<Bytes> content = read_ ? read_(name) : Error{Status::not_available, "there is no file " + name + " here"};
  if (!content) {
    table.refuse(key, content.error().detail);
    return {};
  }
  return files_.emplace(name, std::move(content).value()).first->second;
}

}  // namespace sks::issuer
