#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "provisioning-server/repository.h"

struct sqlite3;

namespace sks::issuer {

/// Repository in one SQLite file (WAL, synchronous FULL). Safe for several threads, and for several processes that
/// share the file: each waits up to ten seconds for another one's transaction.
class SqliteRepository final : public Repository {
 public:
  /// Makes a new database. Fails with option when the file exists, with storage otherwise.
  static Result<void> create(const std::string& file);
  /// Brings a database of an earlier version to this one.
  /// Fails with not_available (no such file), option (not this kind of database, an unknown version) or storage.
  static Result<std::unique_ptr<SqliteRepository>> open(const std::string& file);
  ~SqliteRepository() override;

  Result<void> add_ticket(const Ticket& ticket, const AuditEntry& audit) override;
  Result<std::optional<Ticket>> find_ticket(const std::string& digest) override;
  Result<StartOutcome> start_session(const Session& session, const AuditEntry& audit) override;
  Result<std::optional<Session>> find_session(const std::string& cookie_digest) override;
  Result<StepOutcome> commit_step(const Step& step) override;
  Result<std::size_t> expire_sessions(std::int64_t now) override;
  Result<std::optional<Credential>> find_credential(const std::string& fingerprint) override;
  Result<std::optional<Credential>> find_credential_in(const std::string& fingerprint,
                                                       const std::string& server_session_id,
                                                       const std::string& client_session_id) override;
  Result<std::vector<KeyOperation>> find_operations(const std::string& server_session_id) override;
  Result<RevokeOutcome> revoke_credential(const std::string& fingerprint, const AuditEntry& audit) override;
  Result<std::optional<Session>> find_session_of(const Credential& credential) override;
  Result<void> add_audit(const AuditEntry& audit) override;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  explicit SqliteRepository(Database database);
  static Result<Database> connect(const std::string& file, int flags);
  Result<StepOutcome> apply_step(const Step& step);

  std::mutex mutex_;
  Database database_;
};

}  // namespace sks::issuer
