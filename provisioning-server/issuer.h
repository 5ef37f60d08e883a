#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "provisioning-server/access/account_store.h"
#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/audit/checkpoint_keeper.h"
#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/authority/live_authority.h"
#include "provisioning-server/authority/renewal.h"
#include "provisioning-server/authority/server_identity.h"
#include "provisioning-server/enrolment.h"
#include "provisioning-server/issuer_paths.h"
#include "provisioning-server/revocation/revocation_routes.h"
#include "provisioning-server/sql_repository.h"
#include "provisioning-server/tickets/ticket_office.h"

namespace sks::issuer {

/// An issuer read from its folder: configuration, keys and database, each loaded once.
class Issuer {
 public:
  /// Fails with not_available when the folder holds no issuer, otherwise as its parts do.
  static Result<std::unique_ptr<Issuer>> open(const std::string& folder, const Clock& clock = system_clock(),
                                              const Random& random = system_random());

  /// The same folder read again, while `running` goes on: both share the database and the audit log, which exist once
  /// in a process. Fails with option when the configuration names another URL, database or node, and as open().
  static Result<std::unique_ptr<Issuer>> reopen(const Issuer& running);

  const IssuerPaths& paths() const { return paths_; }
  const IssuerConfig& config() const { return *config_; }
  const std::string& config_digest() const { return config_digest_; }  ///< SHA-256 of its file, hexadecimal
  Database& database() { return *database_; }
  AuditLog& audit() { return *audit_; }
  CheckpointKeeper& checkpoints() { return *checkpoints_; }
  Repository& repository() { return *repository_; }
  ProfileStore& profiles() { return *profiles_; }
  DeviceRegistry& devices() { return *devices_; }
  SubjectDirectory* directory() { return directory_.get(); }
  const SessionSeal& seal() const { return *seal_; }
  const FileSeal& file_seal() const { return *file_seal_; }
  const LiveAuthority& authority() const { return *authority_; }
  crypto::Certificate tls_certificate() const { return server_->certificate(); }
  crypto::Certificate credential_authority() const { return authority_->certificate(); }
  EnrolmentPorts ports();
  TicketOffice::Ports ticket_office_ports();
  Result<TlsIdentity> tls_identity() const { return server_->identity(); }
  /// What is renewed there is on record as done by `actor`. The issuer must outlive it.
  RenewalPlace renewal_place(const std::string& actor) const;
  AccountStore& accounts() { return *accounts_; }
  /// Requested when nobody waits for an answer any more; whatever takes long looks at it now and then.
  std::stop_token long_work() const { return long_work_.get_token(); }
  void stop_long_work() { long_work_.request_stop(); }
  const Clock& clock() const { return clock_; }
  const Random& random() const { return random_; }
  RevocationStore& revocations() { return *revocations_; }
  RevocationService& revocation_service() { return *revocation_service_; }

  const KeyManager& key_manager() const { return *key_manager_; }
  /// Whether the folder has a generation of key management keys that was not there when it was read.
  bool has_newer_key() const;

  /// Takes up certificates and keys that were renewed in the folder. True: something has changed, so that
  /// tls_identity() and credential_authority() have to be asked again. What cannot be read stays as it was. Fails as
  /// ServerIdentity::reload() and LiveAuthority::reload().
  Result<bool> reload_certificates();

 private:
  Issuer(const std::string& folder, const Clock& clock, const Random& random)
      : paths_(folder), clock_(clock), random_(random) {}
  Result<void> load_checkpoints();
  Result<void> load(const Issuer* running);
  Result<void> load_database(const Issuer* running);

  IssuerPaths paths_;
  const Clock& clock_;
  const Random& random_;
  std::optional<IssuerConfig> config_;
  std::string config_digest_;
  // One of each in a process, whatever is read again.
  std::shared_ptr<Database> database_;
  std::shared_ptr<ChainedAuditLog> audit_;
  std::shared_ptr<GroupCommitter> committer_;  ///< whoever has given it work of a repository keeps that
  std::shared_ptr<CheckpointKeeper> checkpoints_;
  std::stop_source long_work_;
  std::unique_ptr<SqlRepository> repository_;
  std::unique_ptr<ProfileArchive> profile_archive_;
  std::unique_ptr<ProfileStore> profiles_;
  std::unique_ptr<DeviceRegistry> devices_;
  std::unique_ptr<FileDirectory> directory_;
  std::unique_ptr<SessionSeal> seal_;
  std::unique_ptr<FileSeal> file_seal_;
  std::unique_ptr<LiveAuthority> authority_;
  std::unique_ptr<ServerIdentity> server_;
  std::unique_ptr<AccountStore> accounts_;
  std::unique_ptr<RevocationStore> revocations_;
  std::unique_ptr<RevocationService> revocation_service_;
  std::optional<KeyManager> key_manager_;
};

}  // namespace sks::issuer
