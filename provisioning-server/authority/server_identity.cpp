#include "provisioning-server/authority/server_identity.h"

#include <filesystem>

#include "provisioning-server/authority/certificate_files.h"
#include "provisioning-server/internal/files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

// Longer than any session: they live 32,767 seconds at most, and a quarter of an hour before that.
constexpr std::int64_t kOverlap = 86400;

}  // namespace

Result<std::unique_ptr<ServerIdentity>> ServerIdentity::open(const IssuerPaths& paths, const FileSeal& seal,
                                                             const Clock& clock) {
  std::unique_ptr<ServerIdentity> identity(new ServerIdentity(paths, seal, clock));
  SKS_TRY(identity->reload());
  return identity;
}

crypto::Certificate ServerIdentity::certificate() const {
  const std::lock_guard lock(mutex_);
  return certificates_.front();
}

std::vector<Bytes> ServerIdentity::leaves() const {
  const std::int64_t now = clock_.now();
  const std::lock_guard lock(mutex_);
  std::vector<Bytes> leaves;
  std::int64_t replaced = now;  // when the one before took its place
  for (const crypto::Certificate& certificate : certificates_) {
    if (now - replaced > kOverlap) break;
    leaves.push_back(certificate.der());
    replaced = certificate.not_before();
  }
  return leaves;
}

Result<TlsIdentity> ServerIdentity::identity() const {
  const crypto::Certificate own = certificate();
  SKS_LET(const crypto::PublicKey key, own.public_key());
  SKS_LET(const crypto::PrivateKey private_key, read_paired_key(paths_.tls_key, key, seal_));
  SKS_LET(SecureBytes pem, key_to_pem(private_key));
  return TlsIdentity{to_pem(own.der(), "CERTIFICATE"), std::move(pem)};
}

Result<bool> ServerIdentity::reload() {
  const std::string stamp = file_stamp(paths_.tls_certificate) + file_stamp(paths_.tls_previous);
  bool is_running = false;
  {
    const std::lock_guard lock(mutex_);
    is_running = !certificates_.empty();
    if (is_running && stamp == stamp_) return false;
  }
  SKS_LET(std::vector<crypto::Certificate> certificates, read_certificates(paths_.tls_certificate));
  certificates.erase(certificates.begin() + 1, certificates.end());
  if (is_running) {
    // Somebody may be copying the files one by one.
    SKS_LET(const crypto::PublicKey key, certificates.front().public_key());
    SKS_TRY(read_paired_key(paths_.tls_key, key, seal_));
  }
  std::error_code failure;
  if (std::filesystem::exists(paths_.tls_previous, failure)) {
    SKS_LET(const std::vector<crypto::Certificate> previous, read_certificates(paths_.tls_previous));
    for (const crypto::Certificate& certificate : previous)
      if (certificate.der() != certificates.back().der()) certificates.push_back(certificate);
  }
  const std::lock_guard lock(mutex_);
  certificates_ = std::move(certificates);
  stamp_ = stamp;
  return true;
}

}  // namespace sks::issuer
