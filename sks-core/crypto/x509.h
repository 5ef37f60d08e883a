#pragma once

#include <string>
#include <vector>

#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/private_key.h"

namespace sks::crypto {

/// An X.509 certificate. der() are the received bytes, never a re-encoding.
class Certificate {
 public:
  /// Fails with crypto when it does not decode or when bytes follow it.
  static Result<Certificate> from_der(ByteView der);

  Certificate(const Certificate& other);
  Certificate& operator=(const Certificate& other);
  Certificate(Certificate&&) noexcept = default;
  Certificate& operator=(Certificate&&) noexcept = default;
  ~Certificate() = default;

  const Bytes& der() const { return der_; }
  Sha256Digest fingerprint() const { return sha256(der_); }

  /// Fails with crypto when the key does not decode, with option when its type or curve is unsupported.
  Result<PublicKey> public_key() const;

  /// RFC 2253 text ("CN=Jo,O=X"), for people.
  std::string subject() const;
  std::string issuer() const;
  /// DER of the names, for PKCS#11 attributes and path building.
  Bytes subject_der() const;
  Bytes issuer_der() const;
  /// DER INTEGER of the serial number, tag and length included.
  Bytes serial_number_der() const;
  /// Seconds since 1970.
  std::int64_t not_before() const;
  std::int64_t not_after() const;
  bool is_ca() const;

  /// Whether the issuer name equals the subject of `issuer` and the signature verifies with its key.
  bool is_issued_by(const Certificate& issuer) const;

  X509* openssl() const { return cert_.get(); }

 private:
  Certificate(Bytes der, ossl::Cert cert);

  Bytes der_;
  ossl::Cert cert_;
};

/// A path as sks-api.md and keygen2.md chapter 5.4 carry it: end entity first, each certificate issued by the next one.
/// Fails with crypto when empty, when one does not decode, or when a link does not hold. Validity is not looked at.
Result<std::vector<Certificate>> parse_path(const std::vector<Bytes>& path);

enum class CertificateKind : std::uint8_t { ca, device, tls_server, tls_client };

struct DnAttribute {
  std::string type;   ///< short name such as "CN", "O", "C", "emailAddress"
  std::string value;  ///< UTF-8
};

/// "CN=Jo Doe,O=X": attributes separated by commas, in the order in which they are to stand in the certificate; "\,"
/// is a comma in a value. Fails with option on an unknown type, an empty value or a value that X.509 does not allow.
Result<std::vector<DnAttribute>> parse_dn(std::string_view text);

struct CertificateTemplate {
  CertificateKind kind;
  std::vector<DnAttribute> subject;
  std::int64_t not_before;  ///< seconds since 1970
  std::int64_t not_after;
  std::vector<std::string> dns_names;     ///< subjectAltName; only for tls_server
  std::vector<std::string> ip_addresses;  ///< subjectAltName; only for tls_server
  std::vector<std::string> emails;        ///< subjectAltName; only for tls_client
};

/// Issues a certificate for `subject_key`, signed by `issuer_key` with SHA-256, with a random 128-bit serial number.
/// `issuer` null: self-signed, `issuer_key` must then belong to `subject_key`. Fails with crypto or option.
Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key);

}  // namespace sks::crypto
