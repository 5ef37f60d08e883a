#pragma once

#include <string>
#include <vector>

#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

struct CertificateRequest {
  std::vector<crypto::DnAttribute> subject;
  std::vector<std::string> emails;  ///< subjectAltName
  std::int64_t validity_days;
};

/// Where credential certificates come from.
class CertificateAuthority {
 public:
  virtual ~CertificateAuthority() = default;
  virtual const crypto::Certificate& certificate() const = 0;
  /// A client certificate and its path up to this authority's own certificate. Fails with crypto, option, or with
  /// not_allowed when the authority has expired.
  virtual Result<crypto::CertificatePath> issue(const CertificateRequest& request,
                                                const crypto::PublicKey& key) const = 0;
};

/// An authority whose key is held in memory.
class SoftwareAuthority final : public CertificateAuthority {
 public:
  /// Fails with option when the key is not that of the certificate, or the certificate is not a CA.
  static Result<SoftwareAuthority> from_parts(const crypto::Certificate& certificate, crypto::PrivateKey key,
                                              const Clock& clock);

  const crypto::Certificate& certificate() const override { return path_.certificates()->front(); }
  Result<crypto::CertificatePath> issue(const CertificateRequest& request, const crypto::PublicKey& key) const override;

 private:
  SoftwareAuthority(const crypto::Certificate& certificate, crypto::PrivateKey key, const Clock& clock);

  crypto::CertificatePath path_;  ///< of the authority itself
  crypto::PrivateKey key_;
  const Clock* clock_;
};

}  // namespace sks::issuer
