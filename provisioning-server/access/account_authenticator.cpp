#include "provisioning-server/access/account_authenticator.h"

#include <algorithm>

#include "provisioning-server/directory/certificate_facts.h"
#include "provisioning-server/enrolment.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/revocation/revocation_config.h"
#include "provisioning-server/url.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr double kMinute = 60;
constexpr double kUseSeconds = 900;
constexpr std::size_t kRememberedAddresses = 10000;
constexpr std::size_t kRememberedAccounts = 10000;
// Of all addresses together: many of them could fill the audit log.
constexpr double kRefusalsPerSecond = 1;
constexpr double kRefusalsAtOnce = 120;
constexpr std::size_t kCookieBytes = 32;
constexpr std::size_t kMaxToken = 200;
constexpr std::string_view kBearer = "bearer ";
constexpr const char* kWrongToken = "The token is not valid, or it has expired.";

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

NotAuthenticated too_many() { return {429, "There were too many attempts. Try again later."}; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// The token of an Authorization header of the scheme Bearer (RFC 6750, 2.1); empty for everything else.
std::string bearer_token(std::string_view header) {
  if (!std::ranges::equal(header.substr(0, kBearer.size()), kBearer, {}, lower, lower)) return {};
  return std::string(trimmed(header.substr(kBearer.size())));
}

}  // namespace

AccountAuthenticator::AccountAuthenticator(Ports ports)
    : ports_(ports),
      tries_(static_cast<double>(ports.config.login_tries_per_minute) / kMinute,
             static_cast<double>(ports.config.login_tries_per_minute), kRememberedAddresses),
      logins_(static_cast<double>(ports.config.login_tries_per_minute) / kMinute,
              static_cast<double>(ports.config.login_tries_per_minute), kRememberedAccounts),
      refusals_on_record_(kRefusalsPerSecond, kRefusalsAtOnce, 1),
      uses_on_record_(1 / kUseSeconds, 1, kRememberedAccounts) {}

NotAuthenticated AccountAuthenticator::cannot_tell(const Error& error) const {
  log_error("request-failed", {{"reason", error.detail}});
  return {503, "The issuer cannot answer now. Try again."};
}

bool AccountAuthenticator::take(RateLimit& limit, const std::string& key) {
  if (limit.take(key, steady_seconds())) return true;
  Metrics::instance().counter("rate_limited_total", {{"limit", "login"}}).add();
  return false;
}

void AccountAuthenticator::note_refused(const std::string& peer, const std::string& detail) {
  Metrics::instance().counter("logins_total", {{"result", "refused"}}).add();
  log_warning("login-refused", {{"peer", peer}, {"reason", detail}});
  if (!refusals_on_record_.take("", steady_seconds())) return;
  const Result<void> noted =
      ports_.repository.add_audit({ports_.clock.now(), peer, "login", "", "", "refused", detail});
  if (!noted) log_error("audit-not-written", {{"reason", noted.error().detail}});
}

NotAuthenticated AccountAuthenticator::refuse(const std::string& peer, const std::string& sentence) {
  if (!take(tries_, rate_key(peer))) return too_many();
  note_refused(peer, sentence);
  return {401, sentence};
}

Result<void> AccountAuthenticator::note_use(const Account& account, std::string_view how, const std::string& peer) {
  const std::string use = account.name + ' ' + std::string(how) + ' ' + rate_key(peer);
  if (!uses_on_record_.has(use, steady_seconds())) return {};
  SKS_TRY(ports_.repository.add_audit(
      {ports_.clock.now(), account.name, "login", "", "", "ok", "by " + std::string(how) + " from " + peer}));
  // Requests that come at the same moment may each have written one.
  static_cast<void>(uses_on_record_.take(use, steady_seconds()));
  Metrics::instance().counter("logins_total", {{"result", "ok"}}).add();
  return {};
}

std::variant<Account, std::string, Error> AccountAuthenticator::by_certificate(const Request& request) {
  Found found = ports_.accounts.find_by_certificate(to_hex(crypto::sha256(request.client_certificate)));
  if (!found) return found.error();
  if (!*found) return std::string();
  const std::int64_t now = ports_.clock.now();
  if (!(*found)->counts(now)) return std::string("The account of your certificate has expired or is disabled.");
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(request.client_certificate);
  if (!certificate) return std::string("Your certificate cannot be read.");
  const Result<CertificateStatus> status =
      ports_.revocations.find_status(serial_of(*certificate), authority_id_of_issuer(*certificate), now);
  if (!status) return status.error();
  if (status->kind != CertificateStatus::Kind::good) return std::string("Your certificate is not in force.");
  return std::move(**found);
}

AccountAuthenticator::Found AccountAuthenticator::by_token(const std::string& token) {
  if (token.empty() || token.size() > kMaxToken) return std::optional<Account>();
  SKS_LET(std::optional<Account> found, ports_.accounts.find_by_token(digest_of(token)));
  if (found && !found->counts(ports_.clock.now())) found.reset();
  return found;
}

std::variant<Authenticated, NotAuthenticated> AccountAuthenticator::authenticate(const Request& request) {
  std::string why = "Log in first: with a token, or with a certificate of this issuer that has an account.";
  bool is_attempt = false;
  const auto accept = [&](const Account& account, Proof proof) {
    return Authenticated{{account.name, account.roles}, proof};
  };
  if (!request.client_certificate.empty() && request.certificate_trusted) {
    auto found = by_certificate(request);
    if (auto* const error = std::get_if<Error>(&found)) return cannot_tell(*error);
    if (const auto* const account = std::get_if<Account>(&found)) {
      if (const Result<void> noted = note_use(*account, "certificate", request.peer); !noted)
        return cannot_tell(noted.error());
      return accept(*account, Proof::certificate);
    }
    const std::string& sentence = std::get<std::string>(found);
    // Everybody who has keys of this issuer has such a certificate: that is no attempt.
    is_attempt = !sentence.empty();
    why = is_attempt ? sentence : "No account has your certificate. Log in with a token.";
  }
  if (const std::string_view header = request.header("authorization"); !header.empty()) {
    const Found found = by_token(bearer_token(header));
    if (!found) return cannot_tell(found.error());
    if (!*found) return refuse(request.peer, kWrongToken);
    if (const Result<void> noted = note_use(**found, "token", request.peer); !noted) return cannot_tell(noted.error());
    return accept(**found, Proof::bearer);
  }
  if (const std::string cookie = cookie_value(request.cookies, kConsoleCookie); !cookie.empty()) {
    const std::int64_t now = ports_.clock.now();
    const Found found = ports_.accounts.find_by_login(digest_of(cookie), now);
    if (!found) return cannot_tell(found.error());
    if (*found && (*found)->counts(now)) return accept(**found, Proof::cookie);
    // Nobody guesses a cookie; logins expire every day.
    if (!is_attempt) return NotAuthenticated{401, "Your login has ended. Log in again."};
  }
  if (is_attempt) return refuse(request.peer, why);
  return NotAuthenticated{401, why};
}

std::variant<ConsoleLogin, NotAuthenticated> AccountAuthenticator::log_in(const std::string& token,
                                                                          const std::string& peer) {
  // Whoever fails must not lock out those with the same address, who are all others behind a load balancer: tokens that
  // are right are never counted among the tries of an address. Only their 256 bits keep them from being guessed.
  const Found found = by_token(token);
  if (!found) return cannot_tell(found.error());
  if (!*found) return refuse(peer, kWrongToken);
  const Account& account = **found;
  if (!take(logins_, account.name)) return too_many();
  const std::int64_t now = ports_.clock.now();
  ConsoleLogin login;
  login.seconds = std::min(ports_.config.console_minutes * static_cast<std::int64_t>(kMinute), account.expires - now);
  login.cookie = to_base64url(ports_.random.bytes(kCookieBytes));
  const Result<bool> added =
      ports_.accounts.add_login(digest_of(login.cookie), account, now + login.seconds,
                                {now, account.name, "login", "", "", "ok", "at the console from " + peer});
  if (!added) return cannot_tell(added.error());
  if (!*added) return refuse(peer, kWrongToken);
  Metrics::instance().counter("logins_total", {{"result", "ok"}}).add();
  return login;
}

Result<void> AccountAuthenticator::log_out(const Request& request) {
  const std::string cookie = cookie_value(request.cookies, kConsoleCookie);
  if (cookie.empty()) return {};
  const std::int64_t now = ports_.clock.now();
  const std::string digest = digest_of(cookie);
  SKS_LET(const std::optional<Account> account, ports_.accounts.find_by_login(digest, now));
  if (!account) return {};
  SKS_TRY(ports_.accounts.remove_login(digest, {now, account->name, "logout", "", "", "ok", ""}));
  return {};
}

}  // namespace sks::issuer
