#pragma once

#include <mutex>

#include "provisioning-server/access/access_config.h"
#include "provisioning-server/access/account_store.h"
#include "provisioning-server/access/authenticator.h"
#include "provisioning-server/operations/rate_limit.h"
#include "provisioning-server/repository.h"
#include "provisioning-server/revocation/revocation_store.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"

namespace sks::issuer {

inline constexpr std::string_view kConsoleCookie = "__Host-sks-console";

/// A login at the console: the value of the cookie, and how long it counts.
struct ConsoleLogin {
  std::string cookie;
  std::int64_t seconds = 0;
};

/// Finds accounts by what a request shows, in this order: the client's certificate of TLS, which must have been issued
/// here and be in force; a token as `Authorization: Bearer`; the cookie of a login.
///
/// Logins are on record in the audit log, refused ones as well, as far as one address may try; and the use of a
/// certificate or a token once in a quarter of an hour, because it comes with every request.
class AccountAuthenticator final : public Authenticator {
 public:
  struct Ports {
    AccountStore& accounts;
    RevocationStore& revocations;
    Repository& repository;
    AccessConfig config;
    const Clock& clock = system_clock();
    const Random& random = system_random();
  };
  /// Everything in `ports` must outlive it.
  explicit AccountAuthenticator(Ports ports);

  std::variant<Authenticated, NotAuthenticated> authenticate(const Request& request) override;
  std::variant<ConsoleLogin, NotAuthenticated> log_in(const std::string& token, const std::string& peer);
  /// Ends the login of the request's cookie, if there is one. Fails with storage.
  Result<void> log_out(const Request& request);

 private:
  using Found = Result<std::optional<Account>>;
  /// The account, or a sentence that says why there is none.
  std::variant<Account, std::string, Error> by_certificate(const Request& request);
  Found by_token(const std::string& token);
  NotAuthenticated refuse(const std::string& peer, const std::string& sentence);
  Result<void> note_use(const Account& account, std::string_view how, const std::string& peer);
  NotAuthenticated cannot_tell(const Error& error) const;
  /// Whether the limit lets it pass; counts what it does not.
  static bool take(RateLimit& limit, const std::string& key);
  void note_refused(const std::string& peer, const std::string& detail);

  Ports ports_;
  RateLimit tries_;   ///< that failed, by address
  RateLimit logins_;  ///< at the console, by account
  RateLimit refusals_on_record_;
  RateLimit uses_on_record_;
};

}  // namespace sks::issuer
