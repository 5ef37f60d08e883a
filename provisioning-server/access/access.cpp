#include "provisioning-server/access/access.h"

#include <algorithm>

namespace sks::issuer {
namespace {

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kRights.size(); ++i)
    if (static_cast<std::size_t>(kRights.at(i).right) != i) return false;
  return true;
}
static_assert(rows_are_in_order(), "kRights is indexed by Right");

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::string all_names() {
  std::string names;
  for (const RoleRow& row : kRoles) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

}  // namespace

std::string role_names(RoleSet roles) {
  std::string names;
  for (const RoleRow& row : kRoles)
    if (roles.contains(row.role)) names.append(names.empty() ? "" : ",").append(row.name);
  return names;
}

Result<RoleSet> parse_roles(std::string_view text) {
  RoleSet roles;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view name = trimmed(text.substr(0, comma));
    const auto* const row = std::ranges::find(kRoles, name, &RoleRow::name);
    if (row == kRoles.end()) return Error{Status::option, "roles are " + all_names() + ", separated by commas"};
    roles.add(row->role);
    if (comma == std::string_view::npos) return roles;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string_view> Caller::rights() const {
  std::vector<std::string_view> names;
  for (const RightRow& row : kRights)
    if (may(row.right)) names.push_back(row.name);
  return names;
}

Caller Caller::command_line() {
  Caller caller;
  // As entries of the audit log name the command line.
  caller.name = "operator";
  for (const RoleRow& row : kRoles) caller.roles.add(row.role);
  return caller;
}

}  // namespace sks::issuer
