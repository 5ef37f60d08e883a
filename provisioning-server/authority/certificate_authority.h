#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

struct CertificateRequest {
  std::vector<crypto::DnAttribute> subject;
  std::vector<std::string> emails;  ///< subjectAltName
  std::int64_t validity_days;
  std::vector<Bytes> extensions = {};  ///< further ones, each the DER of an Extension
};

/// Where relying parties ask about the certificates of an authority: what stands in each of them. RFC 5280, 4.2.1.13
/// and 4.2.2.1.
struct StatusAddresses {
  std::vector<std::string> crl;
  std::vector<std::string> ocsp;
  std::vector<std::string> issuer;  ///< where the authority's own certificate can be had
};

/// Where credential certificates come from. Safe for several threads.
class CertificateAuthority {
 public:
  virtual ~CertificateAuthority() = default;
  /// Of the authority itself.
  virtual crypto::Certificate certificate() const = 0;
  /// A client certificate and its path up to this authority's own certificate. Fails with crypto, option, with
  /// not_allowed when the authority has expired, or with not_available when its key does not sign now, for whatever
  /// reason: then the same request may succeed later.
  virtual Result<crypto::CertificatePath> issue(const CertificateRequest& request,
                                                const crypto::PublicKey& key) const = 0;
  /// Whether issue() may wait for something outside of the process, such as a token.
  virtual bool may_wait() const { return false; }
};

/// An authority by its certificate and something that signs with its key.
class SigningAuthority final : public CertificateAuthority {
 public:
  /// Fails with option when the key is not that of the certificate, or the certificate is not a CA.
  static Result<SigningAuthority> from_parts(const crypto::Certificate& certificate,
                                             std::shared_ptr<const crypto::Signer> signer, StatusAddresses addresses,
                                             const Clock& clock);

  crypto::Certificate certificate() const override { return path_.certificates()->front(); }
  Result<crypto::CertificatePath> issue(const CertificateRequest& request, const crypto::PublicKey& key) const override;

  const std::shared_ptr<const crypto::Signer>& signer() const { return signer_; }

 private:
  SigningAuthority(const crypto::Certificate& certificate, std::shared_ptr<const crypto::Signer> signer,
                   StatusAddresses addresses, const Clock& clock);

  crypto::CertificatePath path_;  ///< of the authority itself
  std::shared_ptr<const crypto::Signer> signer_;
  StatusAddresses addresses_;
  const Clock* clock_;
};

}  // namespace sks::issuer
