#include "provisioning-server/access/account_store.h"

#include <algorithm>

namespace sks::issuer {
namespace {

constexpr std::size_t kMaxName = 64;
// What entries of the audit log have for an actor besides accounts and addresses.
constexpr auto kReservedNames = std::to_array<std::string_view>({"operator", "issuer"});

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '@';
}

Result<Account> account_of(const SqlRow& row) {
  Account account;
  account.name = row.text(0);
  Result<RoleSet> roles = parse_roles(row.text(1));
  if (!roles) return Error{Status::storage, "account " + account.name + " has unknown roles in the database"};
  account.roles = *roles;
  account.token_digest = row.text(2);
  account.fingerprint = row.text(3);
  account.created = row.integer(4);
  account.expires = row.integer(5);
  account.disabled = row.integer(6) != 0;
  return account;
}

constexpr std::string_view kByName =
    "SELECT name, roles, token_digest, fingerprint, created, expires, disabled FROM accounts WHERE name = $1";
constexpr std::string_view kByToken =
    "SELECT name, roles, token_digest, fingerprint, created, expires, disabled FROM accounts WHERE token_digest = $1"
    " AND token_digest <> ''";
constexpr std::string_view kByCertificate =
    "SELECT name, roles, token_digest, fingerprint, created, expires, disabled FROM accounts WHERE fingerprint = $1"
    " AND fingerprint <> ''";
constexpr std::string_view kByLogin =
    "SELECT name, roles, token_digest, fingerprint, created, accounts.expires, disabled FROM logins JOIN accounts"
    " ON name = account WHERE digest = $1 AND logins.expires > $2";

/// In a transaction that has taken something away.
Result<void> expect_operator(SqlTransaction& transaction, std::int64_t now) {
  SKS_LET(const SqlRows rows,
          transaction.query("SELECT name, roles, token_digest, fingerprint, created, expires, disabled FROM accounts"
                            " WHERE disabled = 0 AND expires > $1 AND (token_digest <> '' OR EXISTS"
                            " (SELECT 1 FROM credentials WHERE credentials.fingerprint = accounts.fingerprint"
                            " AND status = 'issued' AND not_after > $1))",
                            {now}));
  for (const SqlRow& row : rows) {
    SKS_LET(const Account account, account_of(row));
    if (account.roles.contains(Role::system_operator)) return {};
  }
  return Error{Status::not_allowed, "This is the last operator: nobody could manage accounts any more."};
}

}  // namespace

bool is_account_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && is_letter(name.front()) &&
         std::ranges::all_of(name, is_name_character) && std::ranges::count(kReservedNames, name) == 0;
}

Result<void> AccountStore::add(const Account& account, const AuditEntry& audit) {
  const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(
        transaction.run("INSERT INTO accounts (name, roles, token_digest, fingerprint, created, expires, disabled)"
                        " VALUES ($1, $2, $3, $4, $5, $6, 0)",
                        {account.name, role_names(account.roles), account.token_digest, account.fingerprint,
                         account.created, account.expires}));
    return audit_.append(transaction, audit);
  });
  if (done || done.error().status != Status::not_allowed) return done;
  return Error{Status::not_allowed, "there is an account with this name or certificate"};
}

Result<std::vector<Account>> AccountStore::list() {
  std::vector<Account> accounts;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    accounts.clear();
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT name, roles, token_digest, fingerprint, created, expires, disabled FROM accounts"
                              " ORDER BY name",
                              {}));
    for (const SqlRow& row : rows) {
      SKS_LET(Account account, account_of(row));
      accounts.push_back(std::move(account));
    }
    return {};
  }));
  return accounts;
}

Result<bool> AccountStore::change(const std::vector<Statement>& statements, const AuditEntry& audit, Keep keep) {
  bool changed = false;
  const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
    changed = false;
    for (const Statement& statement : statements) {
      SKS_LET(const std::int64_t rows, transaction.run(statement.text, statement.parameters));
      changed = rows == 1;
    }
    if (!changed) return {};
    if (keep == Keep::an_operator) SKS_TRY(expect_operator(transaction, audit.time));
    return audit_.append(transaction, audit);
  });
  if (!done) return done.error();
  return changed;
}

Result<bool> AccountStore::set_disabled(const std::string& name, bool disabled, const AuditEntry& audit, Keep keep) {
  return change({{"UPDATE accounts SET disabled = $1 WHERE name = $2", {static_cast<std::int64_t>(disabled), name}}},
                audit, keep);
}

Result<bool> AccountStore::set_roles(const std::string& name, RoleSet roles, const AuditEntry& audit, Keep keep) {
  return change({{"UPDATE accounts SET roles = $1 WHERE name = $2", {role_names(roles), name}}}, audit, keep);
}

Result<bool> AccountStore::set_token(const std::string& name, const std::string& digest, std::int64_t expires,
                                     const AuditEntry& audit) {
  return change({{"DELETE FROM logins WHERE account = $1", {name}},
                 {"UPDATE accounts SET token_digest = $1, expires = $2 WHERE name = $3", {digest, expires, name}}},
                audit);
}

Result<bool> AccountStore::set_certificate(const std::string& name, const std::string& fingerprint,
                                           std::int64_t expires, const AuditEntry& audit, Keep keep) {
  const Result<bool> done =
      change({{"DELETE FROM logins WHERE account = $1", {name}},
              {"UPDATE accounts SET fingerprint = $1, expires = $2 WHERE name = $3", {fingerprint, expires, name}}},
             audit, keep);
  if (done || done.error().status != Status::not_allowed) return done;
  SKS_LET(const std::optional<Account> other, find_by_certificate(fingerprint));
  if (!other || other->name == name) return done;
  return Error{Status::not_allowed, "there is an account with this certificate"};
}

Result<bool> AccountStore::remove(const std::string& name, const AuditEntry& audit, Keep keep) {
  return change({{"DELETE FROM logins WHERE account = $1", {name}}, {"DELETE FROM accounts WHERE name = $1", {name}}},
                audit, keep);
}

Result<std::optional<Account>> AccountStore::find(std::string_view statement, const SqlValues& parameters) {
  std::optional<Account> found;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    found.reset();
    SKS_LET(const SqlRows rows, transaction.query(statement, parameters));
    if (rows.empty()) return {};
    SKS_LET(Account account, account_of(rows.front()));
    found = std::move(account);
    return {};
  }));
  return found;
}

Result<std::optional<Account>> AccountStore::find_by_name(const std::string& name) { return find(kByName, {name}); }

Result<std::optional<Account>> AccountStore::find_by_token(const std::string& digest) {
  SKS_LET(std::optional<Account> found, find(kByToken, {digest}));
  if (found && !equal_constant_time(as_bytes(found->token_digest), as_bytes(digest))) found.reset();
  return found;
}

Result<std::optional<Account>> AccountStore::find_by_certificate(const std::string& fingerprint) {
  return find(kByCertificate, {fingerprint});
}

Result<std::optional<Account>> AccountStore::find_by_login(const std::string& digest, std::int64_t now) {
  return find(kByLogin, {digest, now});
}

Result<bool> AccountStore::add_login(const std::string& digest, const Account& account, std::int64_t expires,
                                     const AuditEntry& audit) {
  return change({{"DELETE FROM logins WHERE expires <= $1", {audit.time}},
                 {"INSERT INTO logins (digest, account, expires) SELECT $1, name, $2 FROM accounts"
                  " WHERE name = $3 AND token_digest = $4 AND token_digest <> '' AND disabled = 0",
                  {digest, expires, account.name, account.token_digest}}},
                audit);
}

Result<bool> AccountStore::remove_login(const std::string& digest, const AuditEntry& audit) {
  return change({{"DELETE FROM logins WHERE digest = $1", {digest}}}, audit);
}

}  // namespace sks::issuer
