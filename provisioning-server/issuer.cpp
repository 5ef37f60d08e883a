#include "provisioning-server/issuer.h"

#include <filesystem>

#include "provisioning-server/audit/audit_key.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/life_cycle/key_generations.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
Result<std::unique_ptr<Issuer>> Issuer::open(const std::string& folder, const Clock& clock, const Random& random) {
  std::unique_ptr<Issuer> issuer(new Issuer(folder, clock, random));
  std::error_code failure;
  const bool exists = std::filesystem::exists(issuer->paths_.config, failure);
  if (failure) return Error{Status::not_available, "cannot read " + issuer->paths_.config + ": " + failure.message()};
  if (!exists) return Error{Status::not_available, "there is no issuer in " + issuer->paths_.folder};
  SKS_TRY(issuer->load(nullptr));
  return issuer;
}

Result<std::unique_ptr<Issuer>> Issuer::reopen(const Issuer& running) {
  std::unique_ptr<Issuer> issuer(new Issuer(running.paths_.folder, running.clock_, running.random_));
  SKS_TRY(issuer->load(&running));
  return issuer;
}

Result<void> Issuer::load_database(const Issuer* running) {
  if (running == nullptr) {
    SKS_LET(database_, open_database(config_->database.url, paths_.folder));
    SKS_TRY(bring_schema_forward(*database_));
    audit_ = std::make_shared<ChainedAuditLog>(*database_, config_->audit.node, clock_, random_);
    committer_ = std::make_shared<GroupCommitter>(*database_);
    return load_checkpoints();
  }
  const IssuerConfig& before = *running->config_;
  if (config_->url.text() != before.url.text() || config_->database.url != before.database.url ||
      config_->audit.node != before.audit.node)
    return Error{Status::option, paths_.config + ": another url, database or audit node takes a restart"};
  database_ = running->database_;
  audit_ = running->audit_;
  committer_ = running->committer_;
  checkpoints_ = running->checkpoints_;
  long_work_ = running->long_work_;
  return {};
}

Result<void> Issuer::load(const Issuer* running) {
  // Also those that are not read now: whoever could copy one has the issuer's word.
  for (const std::string* const file :
       {&paths_.kek, &paths_.tls_key, &paths_.tls_ca_key, &paths_.credential_ca_key, &paths_.audit_key})
    SKS_TRY(check_secret_file(*file));
  for (const std::string& file : key_generation_files(paths_)) SKS_TRY(check_secret_file(file));
  SKS_LET(const std::string config, read_file(paths_.config));
  SKS_LET(config_, parse_config(config, paths_.config));
  config_digest_ = to_hex(crypto::sha256(as_bytes(config)));
  SKS_LET(const SecureBytes kek, read_secret_file(paths_.kek));
  if (kek.size() != kKekSize) return Error{Status::option, paths_.kek + " must hold 32 bytes"};
  seal_ = std::make_unique<SessionSeal>(SecureBytes::copy_of(kek.view()), random_);
  file_seal_ = std::make_unique<FileSeal>(SecureBytes::copy_of(kek.view()), random_);
  SKS_LET(server_, ServerIdentity::open(paths_, *file_seal_, clock_));
  SKS_LET(authority_, LiveAuthority::open(
                          config_->authority, paths_, *file_seal_,
                          [this](const crypto::Certificate& authority) {
                            return status_addresses(config_->revocation, config_->url, authority);
                          },
                          clock_));
  SKS_LET(key_manager_, read_key_generations(paths_, *file_seal_));
  SKS_TRY(load_database(running));
  SKS_TRY(note_key_generations(*database_, *audit_, *key_manager_, "issuer", clock_.now()));
  repository_ = std::make_unique<SqlRepository>(*database_, *audit_, committer_.get());
  accounts_ = std::make_unique<AccountStore>(*database_, *audit_);
  revocations_ = std::make_unique<RevocationStore>(*database_, *audit_);
  revocation_service_ = std::make_unique<RevocationService>(
      *revocations_, [this] { return authority_->authorities(); }, config_->revocation, clock_, random_);
  const bool by_ca = config_->device_trust == DeviceTrustMode::ca;
  SKS_LET(devices_, DeviceRegistry::open(config_->device_trust, by_ca ? paths_.device_ca : paths_.registered_devices,
                                         config_->device_authorities));
  if (!config_->directory.file.empty()) {
    SKS_LET(directory_, FileDirectory::open(paths_.folder + '/' + config_->directory.file));
  }
  profile_archive_ = std::make_unique<ProfileArchive>(*database_);
  profiles_ = std::make_unique<ProfileStore>(paths_.profiles, config_->device_trust, key_manager_->public_key(),
                                             server_->leaves(), profile_archive_.get());
  return {};
}

Result<void> Issuer::load_checkpoints() {
  std::error_code failure;
  // An issuer that was made before there were checkpoints has no key for them.
  if (!std::filesystem::exists(paths_.audit_key, failure))
    SKS_TRY(make_audit_key(paths_.audit_key, paths_.audit_public_keys, *file_seal_));
  SKS_LET(crypto::PrivateKey key, read_key_file(paths_.audit_key, *file_seal_));
  checkpoints_ = std::make_shared<CheckpointKeeper>(*database_, *audit_, std::move(key), clock_);
  return {};
}

EnrolmentPorts Issuer::ports() {
  return {config_->url,  *repository_, *authority_,      *devices_, *profiles_, *seal_,
          *key_manager_, *server_,     directory_.get(), clock_,    random_};
}

TicketOffice::Ports Issuer::ticket_office_ports() {
  return {config_->url, *repository_, *profiles_, *seal_, config_->ticket_minutes, directory_.get(), clock_, random_};
}

RenewalPlace Issuer::renewal_place(const std::string& actor) const {
  const auto note = [this, actor](const std::string& detail) {
    return repository_->add_audit({clock_.now(), actor, "renew", "", "", "ok", detail});
  };
  return {paths_, config_->url, config_->authority, config_->renewal, *file_seal_, clock_, note};
}

bool Issuer::has_newer_key() const {
  return key_generation_files(paths_).size() > static_cast<std::size_t>(key_manager_->generation());
}

Result<bool> Issuer::reload_certificates() {
  const Result<bool> server = server_->reload();
  const Result<bool> authority = authority_->reload();
  if (!server) return server.error();
  if (!authority) return authority.error();
  return *server || *authority;
}

}  // namespace sks::issuer
