#include "provisioning-server/access/account_command.h"

#include <charconv>
#include <ostream>

#include "provisioning-server/access/account_store.h"
#include "provisioning-server/enrolment.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/pages.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kUsualDays = 365;
constexpr std::size_t kTokenBytes = 32;
// Tells programs that look for secrets in the wrong places what they have found.
constexpr const char* kTokenPrefix = "sks-token-";

AuditEntry audit(std::string action, std::string detail) {
  return {system_clock().now(), Caller::command_line().name, std::move(action), "", "", "ok", std::move(detail)};
}

Result<std::int64_t> parse_days(const std::string& text) {
  if (text.empty()) return kUsualDays;
  std::int64_t days = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (failure != std::errc() || end != text.data() + text.size() || days < 1 || days > kMaxAccountDays)
    return Error{Status::option, "--days is a number from 1 to " + std::to_string(kMaxAccountDays)};
  return days;
}

/// Empty without a certificate. Only those that are in the database can ever be in force.
Result<std::string> find_certificate(Issuer& issuer, const AccountArguments& arguments) {
  if (arguments.certificate.empty() && arguments.fingerprint.empty()) return std::string();
  std::string fingerprint;
  if (arguments.certificate.empty()) {
    SKS_LET(const crypto::Sha256Digest parsed, parse_fingerprint(arguments.fingerprint));
    fingerprint = to_hex(parsed);
  } else {
    SKS_LET(const std::string pem, read_file(arguments.certificate));
    SKS_LET(const std::vector<Bytes> blocks, from_pem(pem, "CERTIFICATE"));
    if (blocks.empty()) return Error{Status::option, arguments.certificate + " holds no certificate in PEM form"};
    fingerprint = to_hex(crypto::sha256(blocks.front()));
  }
  SKS_LET(const std::optional<Credential> credential, issuer.repository().find_credential(fingerprint));
  if (!credential || credential->status != Credential::Status::issued)
    return Error{Status::not_available, "no certificate " + fingerprint + " of this issuer is in force"};
  return fingerprint;
}

Result<void> add(Issuer& issuer, const AccountArguments& arguments, std::ostream& out) {
  if (!is_account_name(arguments.name))
    return Error{Status::option,
                 "--name has 1 to 64 characters: a letter, then letters, digits, '.', '_', '-' and '@'; \"operator\" "
                 "and \"issuer\" have a meaning of their own in the audit log"};
  Account account;
  account.name = arguments.name;
  SKS_LET(account.roles, parse_roles(arguments.roles));
  SKS_LET(const std::int64_t days, parse_days(arguments.days));
  SKS_LET(account.fingerprint, find_certificate(issuer, arguments));
  if (account.fingerprint.empty() && !arguments.token)
    return Error{Status::option, "an account needs --token, or a certificate by --certificate or --fingerprint"};
  const std::string token =
      arguments.token ? kTokenPrefix + to_base64url(system_random().bytes(kTokenBytes)) : std::string();
  if (arguments.token) account.token_digest = digest_of(token);
  account.created = system_clock().now();
  account.expires = account.created + days * kDay;
  std::string detail = "account " + account.name + " with " + role_names(account.roles) + " until " +
                       time_text(account.expires) + (arguments.token ? ", token" : "");
  if (!account.fingerprint.empty()) detail += ", certificate " + account.fingerprint;
  SKS_TRY(issuer.accounts().add(account, audit("account-add", detail)));
  // Alone on standard output, so that a script can take it.
  if (arguments.token) {
    out << token << '\n';
  } else {
    out << detail << '\n';
  }
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
  return Error{Status::option, "account takes \"add\", \"list\", \"disable\", \"enable\" or \"remove\""};
}

}  // namespace sks::issuer
