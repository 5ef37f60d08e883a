#pragma once

#include <memory>
#include <optional>
#include <string>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/certificate_authority.h"
#include "provisioning-server/enrolment.h"
#include "provisioning-server/sql_repository.h"

namespace sks::issuer {

/// Where everything lies in the folder of an issuer.
struct IssuerPaths {
  explicit IssuerPaths(const std::string& folder);

  std::string folder;
  std::string config;
  std::string database;       ///< of SQLite, where the configuration names no other
  std::string profiles;       ///< folder
  std::string trust_anchors;  ///< ca.pem: what clients trust
  std::string credential_ca;  ///< what relying parties trust
  std::string tls_certificate;
  std::string registered_devices;
  std::string device_ca;
  std::string keys;  ///< folder
  std::string kek;
  std::string tls_key;
  std::string tls_ca_key;
  std::string credential_ca_key;
  std::string key_management_key;
};

/// The TLS identity of the server. Both texts are PEM.
struct TlsIdentity {
  std::string certificate_pem;
  SecureBytes key_pem;
};

/// An issuer read from its folder: configuration, keys and database, each loaded once.
class Issuer {
 public:
  /// Fails with not_available when the folder holds no issuer, otherwise as its parts do.
  static Result<std::unique_ptr<Issuer>> open(const std::string& folder, const Clock& clock = system_clock(),
                                              const Random& random = system_random());

  const IssuerPaths& paths() const { return paths_; }
  const IssuerConfig& config() const { return *config_; }
  Database& database() { return *database_; }
  AuditLog& audit() { return *audit_; }
  Repository& repository() { return *repository_; }
  ProfileStore& profiles() { return *profiles_; }
  const SessionSeal& seal() const { return *seal_; }
  const crypto::Certificate& tls_certificate() const { return *tls_certificate_; }
  const crypto::Certificate& credential_authority() const { return authority_->certificate(); }
  EnrolmentPorts ports();
  Result<TlsIdentity> tls_identity() const;

 private:
  Issuer(const std::string& folder, const Clock& clock, const Random& random)
      : paths_(folder), clock_(clock), random_(random) {}
  Result<void> load();

  IssuerPaths paths_;
  const Clock& clock_;
  const Random& random_;
  std::optional<IssuerConfig> config_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ChainedAuditLog> audit_;
  std::unique_ptr<SqlRepository> repository_;
  std::unique_ptr<ProfileStore> profiles_;
  std::unique_ptr<DeviceRegistry> devices_;
  std::unique_ptr<SessionSeal> seal_;
  std::optional<SoftwareAuthority> authority_;
  std::optional<crypto::Certificate> tls_certificate_;
  std::optional<KeyManager> key_manager_;
};

}  // namespace sks::issuer
