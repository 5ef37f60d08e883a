#pragma once

#include "sks-core/crypto/x509.h"

namespace sks::conformance {

struct CertificateRequest {
  std::string subject;      ///< as crypto::parse_dn() reads it
  std::int64_t not_before;  ///< seconds since 1970
  std::int64_t not_after;
  /// Names of X.509 extensions, and their values in OpenSSL's notation ("keyUsage", "digitalSignature").
  std::vector<std::pair<std::string, std::string>> extensions;
  std::string issuer = {};  ///< a name that is not the CA's; empty: the right one
};

/// A CA of the kit, which lives as long as the process.
class Authority {
 public:
  /// A new P-256 key and a self-signed certificate.
  static Authority create(std::string_view common_name, std::int64_t now);

  /// Fails with option when OpenSSL does not take the request.
  Result<crypto::Certificate> issue(const CertificateRequest& request, const crypto::PublicKey& subject_key) const;
  /// The same, signed with another key than that of the certificate that it names as its issuer.
  Result<crypto::Certificate> issue_wrongly(const CertificateRequest& request,
                                            const crypto::PublicKey& subject_key) const;

  const crypto::Certificate& certificate() const { return certificate_; }
  const crypto::PrivateKey& key() const { return key_; }

 private:
  Authority(crypto::PrivateKey key, crypto::Certificate certificate)
      : key_(std::move(key)), certificate_(std::move(certificate)) {}

  crypto::PrivateKey key_;
  crypto::Certificate certificate_;
};

/// A new key pair for a key generation algorithm, named by the last part of its URI ("ec.nist.p256"). Fails with
/// option.
Result<crypto::PrivateKey> new_key(const std::string& algorithm);

inline constexpr std::string_view kAlgorithmPrefix = "https://webpki.github.io/sks/algorithm#";
inline constexpr std::int64_t kDay = 86400;

}  // namespace sks::conformance
