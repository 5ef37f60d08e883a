#pragma once

#include <string>

#include "provisioning-server/access/account_store.h"
#include "provisioning-server/repository.h"
#include "sks-core/base/random.h"

namespace sks::issuer {

inline constexpr std::int64_t kUsualAccountDays = 365;

/// Fails with option: not from 1 to kMaxAccountDays.
Result<std::int64_t> seconds_of_days(std::int64_t days);

/// A token, and what is kept of it.
struct NewToken {
  std::string token;
  std::string digest;
};
NewToken draw_token(const Random& random);

/// Who is let in, and how.
struct AccountOrder {
  std::string name;
  RoleSet roles;
  std::int64_t days = kUsualAccountDays;
  std::string fingerprint = {};  ///< of a certificate of this issuer; empty: none
  bool token = false;
};

struct NewAccount {
  Account account;
  std::string token;   ///< empty: none was ordered
  std::string detail;  ///< for the audit log
};

/// The account as AccountStore::add() takes it. Fails with option (the name; no role; the days; neither token nor
/// certificate), not_available (no such certificate in force) or storage.
Result<NewAccount> make_account(const AccountOrder& order, Repository& repository, std::int64_t now,
                                const Random& random);

/// What an account gets in the place of the certificate that it has, if any.
struct CertificateOrder {
  std::string fingerprint;  ///< of a certificate of this issuer
  std::int64_t days = 0;    ///< how long the account counts from now; 0: as long as before
};

/// Changes `account` as AccountStore::set_certificate() takes it; returns what to write into the audit log. Fails with
/// option (the days), not_allowed (the account has expired, and there are no days), not_available (no such certificate
/// in force) or storage.
Result<std::string> change_certificate(Account& account, const CertificateOrder& order, Repository& repository,
                                       std::int64_t now);

/// Lets the account count for so many days from now; 0: as long as before. Fails with option (the days) or not_allowed
/// (it has expired).
Result<void> prolong(Account& account, std::int64_t days, std::int64_t now);

}  // namespace sks::issuer
