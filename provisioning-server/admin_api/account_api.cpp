#include "provisioning-server/access/new_account.h"
#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/pages.h"

namespace sks::issuer {
namespace {

constexpr auto kRoleNames = [] {
  std::array<std::string_view, kRoles.size()> names{};
  for (std::size_t i = 0; i < kRoles.size(); ++i) names.at(i) = kRoles.at(i).name;
  return names;
}();

const Error& no_such_account() {
  static const Error kError{Status::not_available, "There is no such account."};
  return kError;
}

std::string_view state_of(const Account& account, std::int64_t now) {
  if (account.disabled) return "disabled";
  return account.counts(now) ? "in-force" : "expired";
}

Json account_json(const Account& account, std::int64_t now) {
  return {{"name", account.name},
          {"roles", role_list(account.roles)},
          {"state", state_of(account, now)},
          {"has_token", !account.token_digest.empty()},
          {"certificate", account.fingerprint},
          {"created", account.created},
          {"expires", account.expires}};
}

/// Empty when absent: make_account() and set_roles() say what is missing.
RoleSet read_roles(keygen2::JsonReader& body) {
  RoleSet roles;
  const std::uint8_t bits = body.optional_enumeration_set("roles", kRoleNames);
  for (std::size_t i = 0; i < kRoles.size(); ++i)
    if ((bits >> i & 1U) != 0) roles.add(kRoles.at(i).role);
  return roles;
}

std::int64_t read_days(keygen2::JsonReader& body, std::int64_t absent) {
  return body.has("days") ? body.number("days", {1, static_cast<std::int32_t>(kMaxAccountDays)}) : absent;
}

/// The account that the path names, as it is.
Result<Account> find_account(const ApiCall& call) {
  const std::string& name = call.path.find("name")->second;
  if (!is_account_name(name)) return no_such_account();
  SKS_LET(std::optional<Account> account, call.issuer.accounts().find_by_name(name));
  if (!account) return no_such_account();
  return std::move(*account);
}

/// The same for what nobody may do to their own account: it would lock them out, or give them more than somebody else
/// has agreed to.
Result<Account> find_account_of_another(const ApiCall& call) {
  SKS_LET(Account account, find_account(call));
  if (account.name == call.caller.name)
    return Error{Status::not_allowed, "This is your own account: another operator can change it."};
  return account;
}

Result<Response> list_accounts(ApiCall& call) {
  SKS_LET(const std::vector<Account> accounts, call.issuer.accounts().list());
  Json rows = Json::array();
  for (const Account& account : accounts) rows.push_back(account_json(account, call.now()));
  return json_response(200, {{"rows", std::move(rows)}, {"next", ""}});
}

Result<Response> get_account(ApiCall& call) {
  SKS_LET(const Account account, find_account(call));
  return json_response(200, account_json(account, call.now()));
}

Result<Response> add_account(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  AccountOrder order;
  order.name = body.text("name");
  order.roles = read_roles(body);
  order.days = read_days(body, kUsualAccountDays);
  order.token = body.optional_boolean("token", false);
  const NamedCertificate named = read_named_certificate(body);
  SKS_TRY(call.finish_body());
  if (!named.is_empty()) {
    SKS_LET(order.fingerprint, fingerprint_of(named));
  }
  SKS_LET(const NewAccount made, make_account(order, call.issuer.repository(), call.now(), call.issuer.random()));
  SKS_TRY(call.issuer.accounts().add(made.account, call.audit(made.detail)));
  Json json = account_json(made.account, call.now());
  if (!made.token.empty()) json["token"] = made.token;
  return json_response(201, json);
}

/// The account after a change that found it.
Result<Response> changed(const ApiCall& call, bool found) {
  if (!found) return no_such_account();
  SKS_LET(const Account account, find_account(call));
  return json_response(200, account_json(account, call.now()));
}

Result<Response> set_roles(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  const RoleSet roles = read_roles(body);
  SKS_TRY(call.finish_body());
  if (roles.is_empty()) return Error{Status::option, "An account needs at least one role."};
  SKS_LET(const Account account, find_account_of_another(call));
  const std::string detail =
      "account " + account.name + " from " + role_names(account.roles) + " to " + role_names(roles);
  SKS_LET(const bool found,
          call.issuer.accounts().set_roles(account.name, roles, call.audit(detail), Keep::an_operator));
  return changed(call, found);
}

Result<Response> set_disabled(ApiCall& call, bool disabled) {
  SKS_LET(const Account account, find_account_of_another(call));
  SKS_LET(const bool found,
          call.issuer.accounts().set_disabled(account.name, disabled, call.audit("account " + account.name),
                                              disabled ? Keep::an_operator : Keep::nothing));
  return changed(call, found);
}
Result<Response> disable(ApiCall& call) { return set_disabled(call, true); }
Result<Response> enable(ApiCall& call) { return set_disabled(call, false); }

/// The one answer besides that to a new account that shows a token.
Result<Response> new_token(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  const std::int64_t days = read_days(body, 0);
  SKS_TRY(call.finish_body());
  SKS_LET(Account account, find_account(call));
  SKS_TRY(prolong(account, days, call.now()));
  const NewToken drawn = draw_token(call.issuer.random());
  account.token_digest = drawn.digest;
  SKS_LET(const bool found, call.issuer.accounts().set_token(
                                account.name, account.token_digest, account.expires,
                                call.audit("account " + account.name + " until " + time_text(account.expires))));
  if (!found) return no_such_account();
  Json json = account_json(account, call.now());
  json["token"] = drawn.token;
  return json_response(201, json);
}

/// Also to one's own account: who is let in by a certificate needs the next one before it expires.
Result<Response> new_certificate(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  CertificateOrder order;
  order.days = read_days(body, 0);
  const NamedCertificate named = read_named_certificate(body);
  SKS_TRY(call.finish_body());
  SKS_LET(order.fingerprint, fingerprint_of(named));
  SKS_LET(Account account, find_account(call));
  SKS_LET(const std::string detail, change_certificate(account, order, call.issuer.repository(), call.now()));
  SKS_LET(const bool found, call.issuer.accounts().set_certificate(account.name, account.fingerprint, account.expires,
                                                                   call.audit(detail), Keep::an_operator));
  return changed(call, found);
}

Result<Response> remove_account(ApiCall& call) {
  SKS_LET(const Account account, find_account_of_another(call));
  SKS_LET(const bool found,
          call.issuer.accounts().remove(account.name, call.audit("account " + account.name), Keep::an_operator));
  if (!found) return no_such_account();
  return Response{204, {}, {}};
}

}  // namespace

std::vector<ApiRoute> account_api() {
  constexpr Right kManage = Right::manage_accounts;
  return {
      {"GET", "/accounts", Right::view_accounts, ApiBody::none, "", list_accounts},
      {"POST", "/accounts", kManage, ApiBody::json, "account-add", add_account},
      {"GET", "/accounts/{name}", Right::view_accounts, ApiBody::none, "", get_account},
      {"DELETE", "/accounts/{name}", kManage, ApiBody::none, "account-remove", remove_account},
      {"POST", "/accounts/{name}/roles", kManage, ApiBody::json, "account-roles", set_roles},
      {"POST", "/accounts/{name}/disable", kManage, ApiBody::none, "account-disable", disable},
      {"POST", "/accounts/{name}/enable", kManage, ApiBody::none, "account-enable", enable},
      {"POST", "/accounts/{name}/token", kManage, ApiBody::json, "account-token", new_token},
      {"POST", "/accounts/{name}/certificate", kManage, ApiBody::json, "account-certificate", new_certificate},
  };
}

}  // namespace sks::issuer
