#include "provisioning-server/access/new_account.h"

#include "provisioning-server/enrolment.h"
#include "provisioning-server/pages.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::size_t kTokenBytes = 32;
// Tells programs that look for secrets in the wrong places what they have found.
constexpr const char* kTokenPrefix = "sks-token-";

/// Only those that are in the database can ever be in force.
Result<void> check_in_force(const std::string& fingerprint, Repository& repository, std::int64_t now) {
  SKS_LET(const std::optional<Credential> credential, repository.find_credential(fingerprint));
  if (credential && credential->status == Credential::Status::issued && credential->not_after > now) return {};
  return Error{Status::not_available, "No certificate " + fingerprint + " of this issuer is in force."};
}

}  // namespace

Result<std::int64_t> seconds_of_days(std::int64_t days) {
  if (days < 1 || days > kMaxAccountDays)
    return Error{Status::option, "An account counts for 1 to " + std::to_string(kMaxAccountDays) + " days."};
  return days * kDay;
}

NewToken draw_token(const Random& random) {
  const std::string token = kTokenPrefix + to_base64url(random.bytes(kTokenBytes));
  return {token, digest_of(token)};
}

Result<NewAccount> make_account(const AccountOrder& order, Repository& repository, std::int64_t now,
                                const Random& random) {
  if (!is_account_name(order.name))
    return Error{Status::option,
                 "The name of an account has 1 to 64 characters: a letter, then letters, digits, '.', '_', '-' and "
                 "'@'; \"operator\" and \"issuer\" have a meaning of their own in the audit log."};
  if (order.roles.is_empty()) return Error{Status::option, "An account needs at least one role."};
  SKS_LET(const std::int64_t seconds, seconds_of_days(order.days));
  if (order.fingerprint.empty() && !order.token)
    return Error{Status::option, "An account needs a token, a certificate, or both."};
  if (!order.fingerprint.empty()) SKS_TRY(check_in_force(order.fingerprint, repository, now));
  NewAccount made;
  made.account = {order.name, order.roles, "", order.fingerprint, now, now + seconds, false};
  if (order.token) {
    NewToken drawn = draw_token(random);
    made.token = std::move(drawn.token);
    made.account.token_digest = std::move(drawn.digest);
  }
  made.detail = "account " + order.name + " with " + role_names(order.roles) + " until " +
                time_text(made.account.expires) + (order.token ? ", token" : "");
  if (!order.fingerprint.empty()) made.detail += ", certificate " + order.fingerprint;
  return made;
}

Result<void> prolong(Account& account, std::int64_t days, std::int64_t now) {
  if (days != 0) {
    SKS_LET(const std::int64_t seconds, seconds_of_days(days));
    account.expires = now + seconds;
  }
  if (account.expires > now) return {};
  return Error{Status::not_allowed, "The account has expired: say for how many days it counts from now on."};
}

Result<std::string> change_certificate(Account& account, const CertificateOrder& order, Repository& repository,
                                       std::int64_t now) {
  SKS_TRY(prolong(account, order.days, now));
  SKS_TRY(check_in_force(order.fingerprint, repository, now));
  const std::string before = account.fingerprint.empty() ? "no certificate" : "certificate " + account.fingerprint;
  account.fingerprint = order.fingerprint;
  return "account " + account.name + " from " + before + " to certificate " + account.fingerprint + " until " +
         time_text(account.expires);
}

}  // namespace sks::issuer
