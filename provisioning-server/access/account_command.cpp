#include "provisioning-server/access/account_command.h"

#include <charconv>
#include <ostream>

#include "provisioning-server/access/new_account.h"
#include "provisioning-server/device_registry.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/pages.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

AuditEntry audit(std::string action, std::string detail) {
  return {system_clock().now(), Caller::command_line().name, std::move(action), "", "", "ok", std::move(detail)};
}

Result<std::int64_t> parse_days(const std::string& text, std::int64_t absent) {
  if (text.empty()) return absent;
  std::int64_t days = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (failure != std::errc() || end != text.data() + text.size()) return Error{Status::option, "--days is a number"};
  SKS_TRY(seconds_of_days(days));
  return days;
}

/// Empty without a certificate.
Result<std::string> named_certificate(const AccountArguments& arguments) {
  if (arguments.certificate.empty() && arguments.fingerprint.empty()) return std::string();
  if (arguments.certificate.empty()) {
    SKS_LET(const crypto::Sha256Digest parsed, parse_fingerprint(arguments.fingerprint));
    return to_hex(parsed);
  }
  SKS_LET(const std::string pem, read_file(arguments.certificate));
  SKS_LET(const std::vector<Bytes> blocks, from_pem(pem, "CERTIFICATE"));
  if (blocks.empty()) return Error{Status::option, arguments.certificate + " holds no certificate in PEM form"};
  return to_hex(crypto::sha256(blocks.front()));
}

Result<void> add(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  AccountOrder order;
  order.name = arguments.name;
  SKS_LET(order.roles, parse_roles(arguments.roles));
  SKS_LET(order.days, parse_days(arguments.days, kUsualAccountDays));
  SKS_LET(order.fingerprint, named_certificate(arguments));
  order.token = arguments.token;
  SKS_LET(const NewAccount made, make_account(order, issuer.repository(), system_clock().now(), system_random()));
  SKS_TRY(issuer.accounts().add(made.account, audit("account-add", made.detail)));
  // A token stands alone on standard output, so that a script can take it.
  out << (made.token.empty() ? made.detail : made.token) << '\n';
  if (!out.flush())
    return Error{Status::internal, "the account was made but its token could not be printed: remove it"};
  return {};
}

Result<void> list(Issuer& issuer, const AccountArguments&, std::ostream& out) {
  SKS_LET(const std::vector<Account> accounts, issuer.accounts().list());
  for (const Account& account : accounts) {
    out << account.name << ' ' << role_names(account.roles) << " until " << time_text(account.expires)
        << (account.disabled ? " disabled" : "") << (account.token_digest.empty() ? "" : " token");
    if (!account.fingerprint.empty()) out << " certificate " << account.fingerprint;
    out << '\n';
  }
  return {};
}

Result<void> say(const Result<bool>& done, const std::string& name, const char* what, std::ostream& out) {
  if (!done) return done.error();
  if (!*done) return Error{Status::not_available, "there is no account " + name};
  out << "account " << name << ' ' << what << '\n';
  return {};
}

Result<void> change_certificate_of(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  CertificateOrder order;
  SKS_LET(order.days, parse_days(arguments.days, 0));
  SKS_LET(order.fingerprint, named_certificate(arguments));
  if (order.fingerprint.empty()) return Error{Status::option, "--certificate or --fingerprint is missing"};
  SKS_LET(std::optional<Account> account, issuer.accounts().find_by_name(arguments.name));
  if (!account) return say(false, arguments.name, "", out);
  SKS_LET(const std::string detail, change_certificate(*account, order, issuer.repository(), system_clock().now()));
  return say(issuer.accounts().set_certificate(account->name, account->fingerprint, account->expires,
                                               audit("account-certificate", detail)),
             arguments.name, "has another certificate", out);
}

Result<void> disable(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  return say(
      issuer.accounts().set_disabled(arguments.name, true, audit("account-disable", "account " + arguments.name)),
      arguments.name, "disabled", out);
}

Result<void> enable(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  return say(
      issuer.accounts().set_disabled(arguments.name, false, audit("account-enable", "account " + arguments.name)),
      arguments.name, "enabled", out);
}

Result<void> remove(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  return say(issuer.accounts().remove(arguments.name, audit("account-remove", "account " + arguments.name)),
             arguments.name, "removed", out);
}

struct Action {
  std::string_view name;
  Result<void> (*run)(Issuer&, const AccountArguments&, std::ostream&);
};
constexpr auto kActions = std::to_array<Action>({
    {"add", add},
    {"list", list},
    {"certificate", change_certificate_of},
    {"disable", disable},
    {"enable", enable},
    {"remove", remove},
});

}  // namespace

Result<void> run_account_command(const AccountArguments& arguments, std::ostream& out) {
  for (const Action& action : kActions) {
    if (action.name != arguments.action) continue;
    if (arguments.name.empty() && action.name != "list") return Error{Status::option, "--name is missing"};
    SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
    return action.run(*issuer, arguments, out);
  }
  return Error{Status::option,
               "account takes \"add\", \"list\", \"certificate\", \"disable\", \"enable\" or \"remove\""};
}

}  // namespace sks::issuer
