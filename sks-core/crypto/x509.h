#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/signer.h"

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
  /// SubjectPublicKeyInfo as it is encoded.
  Bytes spki() const;

  /// RFC 2253 text ("CN=Jo,O=X"), for people.
  std::string subject() const;
  std::string issuer() const;
  /// DER of the names, for PKCS#11 attributes and path building.
  Bytes subject_der() const;
  Bytes issuer_der() const;
  /// DER INTEGER of the serial number, tag and length included.
  Bytes serial_number_der() const;
  /// The serial number in decimal, "-" in front when it is negative.
  std::string serial_number() const;
  /// Seconds since 1970.
  std::int64_t not_before() const;
  std::int64_t not_after() const;
  bool is_ca() const;
  /// What certificates and revocation lists issued by this one carry as authorityKeyIdentifier: DER of
  /// { keyIdentifier }. Fails with option when it has no subjectKeyIdentifier.
  Result<Bytes> authority_key_identifier() const;

  // Extensions of RFC 5280. One that is absent, malformed or there twice says nothing: then there is no value.

  /// The set bits of keyUsage: bit n of RFC 5280 4.2.1.3 is 1 << n, digitalSignature the first, decipherOnly 1 << 8.
  std::optional<std::uint16_t> key_usage() const;
  /// Dotted object identifiers of certificatePolicies and of extendedKeyUsage.
  std::optional<std::vector<std::string>> policies() const;
  std::optional<std::vector<std::string>> extended_key_usages() const;
  /// The rfc822Names of subjectAltName, the bytes as they are encoded: supposed to be ASCII, not checked.
  std::vector<std::string> alternative_emails() const;

  /// Whether the issuer name equals the subject of `issuer` and the signature verifies with its key.
  bool is_issued_by(const Certificate& issuer) const;

  /// OpenSSL's object. Decoding its public key takes OpenSSL longer than everything else, so it is made when it is
  /// asked for, once for all copies of this certificate.
  X509* openssl() const;
  /// The same without its public key: names, extensions and all other fields.
  X509* openssl_without_key() const { return cert_.get(); }

 private:
  struct Complete;
  Certificate(Bytes der, ossl::Cert cert);
  bool is_signed_by(EVP_PKEY* key) const;

  Bytes der_;
  ossl::Cert cert_;
  std::shared_ptr<Complete> complete_;
};

/// One attribute of a name.
struct NameAttribute {
  std::string type;                 ///< dotted object identifier; empty for one of more than 586 bytes
  std::uint8_t tag;                 ///< ASN.1 tag number of the value
  Bytes content;                    ///< of the value, without tag and length
  Bytes value_der;                  ///< tag, length and content
  std::optional<std::string> text;  ///< the value as UTF-8, if its type is a character string and the value well-formed
};

/// RDNs in the order of the encoding, each with its attributes in the order of the encoding.
using Name = std::vector<std::vector<NameAttribute>>;

/// Decodes the DER of an X.501 Name, such as subject_der(). Fails with crypto when bytes follow it or when OpenSSL does
/// not decode it, which is also the case for a GeneralString and for a UTF8String that is no UTF-8: in a certificate
/// that was decoded every name is fine.
Result<Name> parse_name(ByteView der);

/// A path as sks-api.md and keygen2.md chapter 5.4 carry it: end entity first, each certificate issued by the next one.
/// Fails with crypto when empty, when one does not decode, or when a link does not hold. Validity is not looked at.
Result<std::vector<Certificate>> parse_path(const std::vector<Bytes>& path);

struct CertificateTemplate;

/// Such a path, as DER. Its links are verified when somebody asks for its certificates, once for all copies.
class CertificatePath {
 public:
  CertificatePath() : CertificatePath(std::vector<Bytes>()) {}
  CertificatePath(std::vector<Bytes> der);  // NOLINT: that is what a path is

  const std::vector<Bytes>& der() const { return der_; }
  /// Fails as parse_path().
  const Result<std::vector<Certificate>>& certificates() const;

 private:
  friend Result<CertificatePath> issue_below(const CertificatePath& issuer, const CertificateTemplate& what,
                                             const PublicKey& subject_key, const Signer& signer);
  struct Parsed;

  std::vector<Bytes> der_;
  std::shared_ptr<Parsed> parsed_;
};

enum class CertificateKind : std::uint8_t { ca, device, tls_server, tls_client, ocsp_responder };

struct DnAttribute {
  std::string type;   ///< short name such as "CN", "O", "C", "emailAddress"
  std::string value;  ///< UTF-8
};

/// "CN=Jo Doe,O=X": attributes separated by commas, in the order in which they are to stand in the certificate; "\,"
/// is a comma in a value. Fails with option on an unknown type, an empty value or a value that X.509 does not allow.
Result<std::vector<DnAttribute>> parse_dn(std::string_view text);

/// DER of the Name. Fails as parse_dn().
Result<Bytes> encode_name(const std::vector<DnAttribute>& attributes);

struct CertificateTemplate {
  CertificateKind kind;
  std::vector<DnAttribute> subject;
  std::int64_t not_before;  ///< seconds since 1970
  std::int64_t not_after;
  std::vector<std::string> dns_names;         ///< subjectAltName; only for tls_server
  std::vector<std::string> ip_addresses;      ///< subjectAltName; only for tls_server
  std::vector<std::string> emails;            ///< subjectAltName; only for tls_client
  std::vector<std::string> crl_urls = {};     ///< cRLDistributionPoints; printable ASCII without spaces, as the others
  std::vector<std::string> ocsp_urls = {};    ///< authorityInfoAccess
  std::vector<std::string> issuer_urls = {};  ///< authorityInfoAccess, caIssuers
  Bytes subject_der = {};                     ///< the DER of a Name, instead of `subject`
  std::vector<Bytes> extensions = {};  ///< each the DER of an Extension; instead of the kind's one with that identifier
};

/// Issues a certificate for `subject_key`, signed by `signer`. The serial number has 16 octets: four of not_before,
/// twelve of random bits. `issuer` null: self-signed, `signer` must then belong to `subject_key`. Fails with option, or
/// as the signer does.
Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const Signer& signer);
Result<Certificate> issue_certificate(const CertificateTemplate& what, const PublicKey& subject_key,
                                      const Certificate* issuer, const PrivateKey& issuer_key);

/// The path of a certificate issued by the end entity of `issuer`, with its key. Its first link is not verified again.
/// Fails as issue_certificate() and parse_path(), and with crypto when the key is not that of the end entity.
Result<CertificatePath> issue_below(const CertificatePath& issuer, const CertificateTemplate& what,
                                    const PublicKey& subject_key, const Signer& signer);
Result<CertificatePath> issue_below(const CertificatePath& issuer, const CertificateTemplate& what,
                                    const PublicKey& subject_key, const PrivateKey& issuer_key);

}  // namespace sks::crypto
