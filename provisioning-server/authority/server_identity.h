#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/issuer_paths.h"
#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

/// The TLS identity of the server. Both texts are PEM.
struct TlsIdentity {
  std::string certificate_pem;
  SecureBytes key_pem;
};

/// The TLS certificate of a running server: read from its files, and read again when it has been renewed. Safe for
/// several threads.
class ServerIdentity {
 public:
  /// Fails as read_certificates().
  static Result<std::unique_ptr<ServerIdentity>> open(const IssuerPaths& paths, const FileSeal& seal,
                                                      const Clock& clock);

  crypto::Certificate certificate() const;
  /// DER of the certificates that clients may have seen: the one in use, and for a day those that it replaced. Sessions
  /// that began under an older one go on. Spec: keygen2.md 9.1
  std::vector<Bytes> leaves() const;
  /// The certificate with its key. Fails as read_paired_key().
  Result<TlsIdentity> identity() const;

  /// Takes up what the files hold, as soon as the certificate has its key. False: nothing has changed. After an error
  /// everything stays as it was, and the next call tries again. Fails as read_certificates() and read_paired_key().
  Result<bool> reload();

 private:
  ServerIdentity(IssuerPaths paths, const FileSeal& seal, const Clock& clock)
      : paths_(std::move(paths)), seal_(seal), clock_(clock) {}

  IssuerPaths paths_;
  const FileSeal& seal_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::string stamp_;
  std::vector<crypto::Certificate> certificates_;  ///< the one in use, then older ones
};

}  // namespace sks::issuer
