#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"

/// Who may do what at an issuer.
namespace sks::issuer {

/// What an account stands for. An account may have several.
enum class Role : std::uint8_t { system_operator, officer, auditor, helpdesk };

struct RoleRow {
  Role role;
  std::string_view name;
};
inline constexpr auto kRoles = std::to_array<RoleRow>({
    {Role::system_operator, "operator"},
    {Role::officer, "officer"},
    {Role::auditor, "auditor"},
    {Role::helpdesk, "helpdesk"},
});

class RoleSet {
 public:
  constexpr RoleSet() = default;
  constexpr RoleSet(std::initializer_list<Role> roles) {
    for (const Role role : roles) add(role);
  }
  constexpr void add(Role role) { bits_ |= 1U << static_cast<unsigned>(role); }
  constexpr bool contains(Role role) const { return (bits_ >> static_cast<unsigned>(role) & 1U) != 0; }
  constexpr bool intersects(RoleSet other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool is_empty() const { return bits_ == 0; }
  constexpr bool operator==(const RoleSet&) const = default;

 private:
  unsigned bits_ = 0;
};

/// Names in the order of kRoles, such as "operator,officer".
std::string role_names(RoleSet roles);
/// The mirror of role_names(); blanks around names do not count. Fails with option: no name, or one that is none.
Result<RoleSet> parse_roles(std::string_view text);

enum class Right : std::uint8_t {
  own_account,  ///< what everybody may who has an account
  view_overview,
  view_tickets,
  manage_tickets,
  view_credentials,
  revoke_credentials,
  manage_credentials,
  unlock_credentials,
  show_puk,
  view_devices,
  register_devices,
  view_sessions,
  view_audit,
  verify_audit,
  view_profiles,
  check_profiles,
  view_signature_profiles,
  view_accounts,
  manage_accounts,
};

/// Every right and who has it. An auditor changes nothing; the help desk sees no audit; who runs the machines issues
/// nothing, and lets people in.
struct RightRow {
  Right right;
  std::string_view name;
  RoleSet roles;
};
inline constexpr auto kRights = std::to_array<RightRow>({
    {Right::own_account, "own-account", {Role::system_operator, Role::officer, Role::auditor, Role::helpdesk}},
    {Right::view_overview, "view-overview", {Role::system_operator, Role::officer, Role::auditor, Role::helpdesk}},
    {Right::view_tickets, "view-tickets", {Role::officer, Role::auditor}},
    {Right::manage_tickets, "manage-tickets", {Role::officer}},
    {Right::view_credentials, "view-credentials", {Role::officer, Role::auditor, Role::helpdesk}},
    {Right::revoke_credentials, "revoke-credentials", {Role::officer}},
    {Right::manage_credentials, "manage-credentials", {Role::officer}},
    {Right::unlock_credentials, "unlock-credentials", {Role::officer, Role::helpdesk}},
    {Right::show_puk, "show-puk", {Role::helpdesk}},
    {Right::view_devices, "view-devices", {Role::system_operator, Role::officer, Role::auditor}},
    {Right::register_devices, "register-devices", {Role::system_operator}},
    {Right::view_sessions, "view-sessions", {Role::officer, Role::auditor}},
    {Right::view_audit, "view-audit", {Role::auditor}},
    {Right::verify_audit, "verify-audit", {Role::auditor}},
    {Right::view_profiles, "view-profiles", {Role::system_operator, Role::officer, Role::auditor}},
    {Right::check_profiles, "check-profiles", {Role::system_operator}},
    {Right::view_signature_profiles, "view-signature-profiles", {Role::officer, Role::auditor, Role::helpdesk}},
    {Right::view_accounts, "view-accounts", {Role::system_operator, Role::auditor}},
    {Right::manage_accounts, "manage-accounts", {Role::system_operator}},
});

constexpr const RightRow& row_of(Right right) { return kRights.at(static_cast<std::size_t>(right)); }

/// Somebody whose name is proven.
struct Caller {
  std::string name;  ///< of the account: AuditEntry::actor and Ticket::creator
  RoleSet roles;

  bool may(Right right) const { return roles.intersects(row_of(right).roles); }
  std::vector<std::string_view> rights() const;

  /// Whoever can open the folder of the issuer, where its keys are.
  static Caller command_line();
};

}  // namespace sks::issuer
