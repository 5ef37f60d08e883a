#pragma once

#include "provisioning-server/database/database.h"
#include "provisioning-server/database/group_committer.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// Repository over an SQL database of whatever kind, which has the tables of database/schema.h. Safe for several
/// threads, and for several processes that share the database.
class SqlRepository final : public Repository {
 public:
  /// All must outlive it. Without `committer` every step is waited for.
  SqlRepository(Database& database, AuditLog& audit, GroupCommitter* committer = nullptr)
      : database_(database), audit_(audit), committer_(committer) {}

  Result<void> add_ticket(const Ticket& ticket, const AuditEntry& audit) override;
  Result<std::optional<Ticket>> find_ticket(const std::string& digest) override;
  Result<CancelOutcome> cancel_ticket(const std::string& digest, const AuditEntry& audit) override;
  Result<StartOutcome> start_session(const Session& session, const AuditEntry& audit) override;
  Result<std::optional<Session>> find_session(const std::string& cookie_digest) override;
  Result<StepOutcome> commit_step(const Step& step) override;
  bool commit_step_later(Step& step, StepDone done) override;
  Result<std::size_t> expire_sessions(std::int64_t now) override;
  Result<std::optional<Credential>> find_credential(const std::string& fingerprint) override;
  Result<std::optional<Credential>> find_credential_in(const std::string& fingerprint,
                                                       const std::string& server_session_id,
                                                       const std::string& client_session_id) override;
  Result<std::vector<KeyOperation>> find_operations(const std::string& server_session_id) override;
  Result<std::vector<Credential>> find_targets(const ManagementOrder& order, const std::string& subject,
                                               const std::string& profile) override;
  Result<std::string> find_client_session(const std::string& server_session_id) override;
  Result<std::optional<Session>> find_session_of(const Credential& credential) override;
  Result<std::optional<LimitExcess>> find_excess(const ProfileLimits& limits, const Session& session,
                                                 std::int64_t coming, std::int64_t now) override;
  Result<void> add_audit(const AuditEntry& audit) override;

 private:
  Database& database_;
  AuditLog& audit_;
  GroupCommitter* committer_;
};

}  // namespace sks::issuer
