#include "provisioning-server/issuer.h"

#include <filesystem>

#include "provisioning-server/database/schema.h"
#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

std::string normalized(const std::string& folder) {
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(folder, failure);
  // Without a current folder there is no absolute name; opening the file tells the reason.
  std::string path = (failure ? std::filesystem::path(folder) : absolute).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// A file as an error's context, since the layers below know no files.
Error in_file(const std::string& file, const Error& error) { return {error.status, file + ": " + error.detail}; }

Result<crypto::Certificate> read_certificate(const std::string& file) {
  SKS_LET(const std::string content, read_file(file));
  const Result<std::vector<Bytes>> blocks = from_pem(content, "CERTIFICATE");
  if (!blocks) return in_file(file, blocks.error());
  if (blocks->empty()) return Error{Status::option, file + " holds no certificate in PEM form"};
  Result<crypto::Certificate> certificate = crypto::Certificate::from_der(blocks->front());
  if (!certificate) return in_file(file, certificate.error());
  return certificate;
}

Result<crypto::PrivateKey> read_key(const std::string& file) {
  SKS_LET(const SecureBytes content, read_secret_file(file));
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  Result<std::vector<Bytes>> blocks = from_pem(text, "PRIVATE KEY");
  if (!blocks) return in_file(file, blocks.error());
  if (blocks->size() != 1) return Error{Status::option, file + " must hold one private key in PEM form"};
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(blocks->front());
  cleanse(blocks->front());
  if (!key) return in_file(file, key.error());
  return key;
}

}  // namespace

IssuerPaths::IssuerPaths(const std::string& given) : folder(normalized(given)) {
  config = folder + "/issuer.toml";
  database = folder + "/issuer.db";
  profiles = folder + "/profiles";
  trust_anchors = folder + "/ca.pem";
  credential_ca = folder + "/credential-ca.pem";
  tls_certificate = folder + "/tls.pem";
  registered_devices = folder + "/registered-devices";
  device_ca = folder + "/device-ca.pem";
  keys = folder + "/keys";
  kek = keys + "/kek";
  tls_key = keys + "/tls.key";
  tls_ca_key = keys + "/tls-ca.key";
  credential_ca_key = keys + "/credential-ca.key";
  key_management_key = keys + "/kmk.key";
}

Result<std::unique_ptr<Issuer>> Issuer::open(const std::string& folder, const Clock& clock, const Random& random) {
  std::unique_ptr<Issuer> issuer(new Issuer(folder, clock, random));
  std::error_code failure;
  const bool exists = std::filesystem::exists(issuer->paths_.config, failure);
  if (failure) return Error{Status::not_available, "cannot read " + issuer->paths_.config + ": " + failure.message()};
  if (!exists) return Error{Status::not_available, "there is no issuer in " + issuer->paths_.folder};
  SKS_TRY(issuer->load());
  return issuer;
}

Result<void> Issuer::load() {
  // Also those that are not read now: whoever could copy one has the issuer's word.
  for (const std::string* const file :
       {&paths_.kek, &paths_.tls_key, &paths_.tls_ca_key, &paths_.credential_ca_key, &paths_.key_management_key})
    SKS_TRY(check_secret_file(*file));
  SKS_LET(const std::string config, read_file(paths_.config));
  SKS_LET(config_, parse_config(config, paths_.config));
  SKS_LET(tls_certificate_, read_certificate(paths_.tls_certificate));
  SKS_LET(crypto::Certificate authority, read_certificate(paths_.credential_ca));
  SKS_LET(crypto::PrivateKey authority_key, read_key(paths_.credential_ca_key));
  Result<SoftwareAuthority> assembled =
      SoftwareAuthority::from_parts(std::move(authority), std::move(authority_key), clock_);
  if (!assembled) return in_file(paths_.credential_ca, assembled.error());
  authority_ = std::move(assembled).value();
  SKS_LET(crypto::PrivateKey key_management_key, read_key(paths_.key_management_key));
  Result<KeyManager> key_manager = KeyManager::from_key(std::move(key_management_key));
  if (!key_manager) return in_file(paths_.key_management_key, key_manager.error());
  key_manager_ = std::move(key_manager).value();
  SKS_LET(SecureBytes kek, read_secret_file(paths_.kek));
  if (kek.size() != kKekSize) return Error{Status::option, paths_.kek + " must hold 32 bytes"};
  seal_ = std::make_unique<SessionSeal>(std::move(kek), random_);
  SKS_LET(database_, open_database(config_->database.url, paths_.folder));
  SKS_TRY(bring_schema_forward(*database_));
  audit_ = std::make_unique<ChainedAuditLog>(*database_, config_->audit.node, clock_, random_);
  repository_ = std::make_unique<SqlRepository>(*database_, *audit_);
  const bool by_ca = config_->device_trust == DeviceTrustMode::ca;
  SKS_LET(devices_, DeviceRegistry::open(config_->device_trust, by_ca ? paths_.device_ca : paths_.registered_devices));
  profiles_ = std::make_unique<ProfileStore>(paths_.profiles, config_->device_trust, key_manager_->public_key(),
                                             std::vector<Bytes>{tls_certificate_->der()});
  return {};
}

EnrolmentPorts Issuer::ports() {
  return {config_->url, *repository_, *authority_,   *devices_,
          *profiles_,   *seal_,       *key_manager_, {tls_certificate_->der()},
          clock_,       random_};
}

Result<TlsIdentity> Issuer::tls_identity() const {
  SKS_LET(SecureBytes key, read_secret_file(paths_.tls_key));
  return TlsIdentity{to_pem(tls_certificate_->der(), "CERTIFICATE"), std::move(key)};
}

}  // namespace sks::issuer
