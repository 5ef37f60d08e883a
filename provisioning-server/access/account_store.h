#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/access/access.h"
#include "provisioning-server/audit/audit_log.h"
#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// Somebody who may use the administration, by a token, a certificate of this issuer, or either.
struct Account {
  std::string name;
  RoleSet roles;
  std::string token_digest = {};  ///< SHA-256 of the token in hexadecimal; empty: none
  std::string fingerprint = {};   ///< of the certificate; empty: none
  std::int64_t created = 0;
  std::int64_t expires = 0;
  bool disabled = false;

  bool counts(std::int64_t now) const { return !disabled && now < expires; }
};

inline constexpr std::int64_t kMaxAccountDays = 730;

/// Names stand in the audit log: a letter, then letters, digits, '.', '_', '-' and '@', at most 64 together, and not
/// what the log calls the command line and the issuer itself.
bool is_account_name(std::string_view name);

/// Whether a change may leave nobody who can manage accounts: whoever opens the folder of the issuer can add somebody
/// again, and nobody else. An account whose certificate is not in force does not help, unless it has a token.
enum class Keep : std::uint8_t { nothing, an_operator };

/// The accounts of an issuer, the same for every process. Changes write their audit entry in the same transaction.
/// All fail with storage; those that keep an operator with not_allowed, too: no other account that counts has the role.
class AccountStore {
 public:
  /// Both must outlive it.
  AccountStore(Database& database, AuditLog& audit) : database_(database), audit_(audit) {}

  /// Fails with not_allowed, too: the name, token or certificate is in use.
  Result<void> add(const Account& account, const AuditEntry& audit);
  /// By name.
  Result<std::vector<Account>> list();
  // False: there is none.
  Result<bool> set_disabled(const std::string& name, bool disabled, const AuditEntry& audit, Keep keep = Keep::nothing);
  Result<bool> set_roles(const std::string& name, RoleSet roles, const AuditEntry& audit, Keep keep);
  /// Ends the logins of the account: whoever has the token before may have made them.
  Result<bool> set_token(const std::string& name, const std::string& digest, std::int64_t expires,
                         const AuditEntry& audit);
  /// Likewise ends them, as whatever else the certificate before has opened. Fails with not_allowed, too: another
  /// account has this one.
  Result<bool> set_certificate(const std::string& name, const std::string& fingerprint, std::int64_t expires,
                               const AuditEntry& audit, Keep keep = Keep::nothing);
  /// With its logins.
  Result<bool> remove(const std::string& name, const AuditEntry& audit, Keep keep = Keep::nothing);

  Result<std::optional<Account>> find_by_name(const std::string& name);
  Result<std::optional<Account>> find_by_token(const std::string& digest);
  Result<std::optional<Account>> find_by_certificate(const std::string& fingerprint);
  /// The account of a login that has not expired.
  Result<std::optional<Account>> find_by_login(const std::string& digest, std::int64_t now);

  /// A login at the console; those that have expired are forgotten. False: the account that was found by its token has
  /// another one since, is disabled or is gone, so that no login outlives the token that it was made with.
  Result<bool> add_login(const std::string& digest, const Account& account, std::int64_t expires,
                         const AuditEntry& audit);
  /// False: there is none.
  Result<bool> remove_login(const std::string& digest, const AuditEntry& audit);

 private:
  Result<std::optional<Account>> find(std::string_view statement, const SqlValues& parameters);
  struct Statement {
    std::string_view text;
    SqlValues parameters;
  };
  /// The last statement is about the one row that there must be.
  Result<bool> change(const std::vector<Statement>& statements, const AuditEntry& audit, Keep keep = Keep::nothing);

  Database& database_;
  AuditLog& audit_;
};

}  // namespace sks::issuer
