#include "sks-core/crypto/x509.h"

#include <openssl/asn1t.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#include <mutex>

#include "sks-core/base/library_context.h"

namespace sks::crypto {
namespace {

constexpr std::size_t kMaxCertificateBytes = 0xFFFF;  // what a byte[] can carry

template <class Object, class Encode>
Bytes encoded(Object* object, Encode encode) {
  std::uint8_t* out = nullptr;
  const int size = encode(object, &out);
  SKS_CHECK(size >= 0);
  const Bytes bytes(out, out + size);
  OPENSSL_free(out);
  return bytes;
}

std::string name_text(const X509_NAME* name) {
  const ossl::Bio text(BIO_new(BIO_s_mem()));
  SKS_CHECK(text != nullptr);
  // RFC 2253 order and escapes, but UTF-8 stays readable.
  constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (X509_NAME_print_ex(text.get(), name, 0, kFlags) < 0) return {};
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::int64_t seconds(const ASN1_TIME* time) {
  const ossl::Ptr<ASN1_TIME, ASN1_STRING_free> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int rest = 0;
  if (ASN1_TIME_diff(&days, &rest, epoch.get(), time) != 1) return 0;
  return std::int64_t{days} * 86400 + rest;
}

/// A context that knows no algorithm. In any other, OpenSSL decodes the public key of each certificate it reads, over a
/// chain of decoders that it puts together anew every time.
OSSL_LIB_CTX* context_without_algorithms() {
  static OSSL_LIB_CTX* const context = [] {
    OSSL_LIB_CTX* const made = OSSL_LIB_CTX_new();
    SKS_CHECK(made != nullptr && OSSL_PROVIDER_load(made, "null") != nullptr);
    return made;
  }();
  return context;
}

/// Null when the bytes are not one certificate and nothing more.
ossl::Cert decode(ByteView der, OSSL_LIB_CTX* context) {
  ossl::Cert cert(X509_new_ex(context, nullptr));
  SKS_CHECK(cert != nullptr);
  X509* target = cert.release();
  const std::uint8_t* at = der.data();
  // On failure d2i_X509 frees the object it was given and clears our pointer.
  X509* const decoded = d2i_X509(&target, &at, static_cast<long>(der.size()));
  cert.reset(target);
  if (decoded == nullptr || at != der.data() + der.size()) return nullptr;
  (void)ossl::take_error("");
  return cert;
}

/// The DER element at the front, with its header or without; empty when it is none, or of indefinite length.
ByteView element(ByteView der, bool with_header) {
  constexpr int kMalformed = 0x80;
  constexpr int kIndefinite = 0x01;
  const std::uint8_t* content = der.data();
  long size = 0;
  int tag = 0;
  int tag_class = 0;
  const int form = ASN1_get_object(&content, &size, &tag, &tag_class, static_cast<long>(der.size()));
  if ((form & (kMalformed | kIndefinite)) != 0) return {};
  const std::uint8_t* const end = content + size;
  return with_header ? ByteView(der.data(), end) : ByteView(content, end);
}

}  // namespace

struct Certificate::Complete {
  std::once_flag once;
  ossl::Cert cert;
};

Certificate::Certificate(Bytes der, ossl::Cert cert)
    : der_(std::move(der)), cert_(std::move(cert)), complete_(std::make_shared<Complete>()) {}

X509* Certificate::openssl() const {
  std::call_once(complete_->once, [this] { complete_->cert = decode(der_, library_context()); });
  // What is wrong with a public key may keep the whole certificate from being decoded where algorithms are known.
  return complete_->cert == nullptr ? cert_.get() : complete_->cert.get();
}

Certificate::Certificate(const Certificate& other) : der_(other.der_), complete_(other.complete_) {
  SKS_CHECK(X509_up_ref(other.cert_.get()) == 1);
  cert_.reset(other.cert_.get());
}

Certificate& Certificate::operator=(const Certificate& other) {
  if (this != &other) *this = Certificate(other);
  return *this;
}

Result<Certificate> Certificate::from_der(ByteView der) {
  if (der.empty() || der.size() > kMaxCertificateBytes)
    return Error{Status::crypto, "Certificate of an impossible length"};
  ossl::Cert cert = decode(der, context_without_algorithms());
  if (cert == nullptr) return ossl::take_error("Certificate is malformed");
  return Certificate(to_bytes(der), std::move(cert));
}

Bytes Certificate::spki() const { return encoded(X509_get_X509_PUBKEY(cert_.get()), i2d_X509_PUBKEY); }
Result<PublicKey> Certificate::public_key() const { return PublicKey::from_spki(spki()); }

std::string Certificate::subject() const { return name_text(X509_get_subject_name(cert_.get())); }
std::string Certificate::issuer() const { return name_text(X509_get_issuer_name(cert_.get())); }
Bytes Certificate::subject_der() const { return encoded(X509_get_subject_name(cert_.get()), i2d_X509_NAME); }
Bytes Certificate::issuer_der() const { return encoded(X509_get_issuer_name(cert_.get()), i2d_X509_NAME); }
Bytes Certificate::serial_number_der() const { return encoded(X509_get0_serialNumber(cert_.get()), i2d_ASN1_INTEGER); }
std::int64_t Certificate::not_before() const { return seconds(X509_get0_notBefore(cert_.get())); }
std::int64_t Certificate::not_after() const { return seconds(X509_get0_notAfter(cert_.get())); }

bool Certificate::is_ca() const {
  const bool has_extension = X509_get_ext_by_NID(cert_.get(), NID_basic_constraints, -1) >= 0;
  return has_extension && X509_check_ca(openssl()) == 1;
}

bool Certificate::is_issued_by(const Certificate& issuer) const {
  if (X509_NAME_cmp(X509_get_issuer_name(cert_.get()), X509_get_subject_name(issuer.cert_.get())) != 0) return false;
  if (const Result<PublicKey> key = issuer.public_key(); key && is_signed_by(key->openssl())) return true;
  // An issuer may have a key of a type that we do not serve, or in a form that we do not write.
  EVP_PKEY* const key = X509_get0_pubkey(issuer.openssl());
  const bool verified = key != nullptr && X509_verify(openssl(), key) == 1;
  (void)ossl::take_error("");
  return verified;
}

// What X509_verify does, which needs an object that knows the algorithms.
bool Certificate::is_signed_by(EVP_PKEY* key) const {
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, cert_.get());
  if (X509_ALGOR_cmp(algorithm, X509_get0_tbs_sigalg(cert_.get())) != 0) return false;
  const ByteView signed_part = element(element(der_, false), true);
  if (signed_part.empty()) return false;
  const ossl::Ptr<ASN1_STRING, ASN1_STRING_free> data(ASN1_STRING_type_new(V_ASN1_SEQUENCE));
  SKS_CHECK(data != nullptr &&
            ASN1_STRING_set(data.get(), signed_part.data(), static_cast<int>(signed_part.size())) == 1);
  const int verified = ASN1_item_verify_ex(ASN1_ITEM_rptr(ASN1_SEQUENCE), algorithm, signature, data.get(), nullptr,
                                           key, library_context(), nullptr);
  (void)ossl::take_error("");
  return verified == 1;
}

Result<std::vector<Certificate>> parse_path(const std::vector<Bytes>& path) {
  if (path.empty()) return Error{Status::crypto, "Certificate path is empty"};
  std::vector<Certificate> certificates;
  certificates.reserve(path.size());
  for (const Bytes& der : path) {
    SKS_LET(Certificate certificate, Certificate::from_der(der));
    if (!certificates.empty() && !certificates.back().is_issued_by(certificate))
      return Error{Status::crypto, "Certificate path is broken: a certificate is not issued by the one after it"};
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

struct CertificatePath::Parsed {
  std::once_flag once;
  std::optional<Result<std::vector<Certificate>>> certificates;
};

CertificatePath::CertificatePath(std::vector<Bytes> der) : der_(std::move(der)), parsed_(std::make_shared<Parsed>()) {}

const Result<std::vector<Certificate>>& CertificatePath::certificates() const {
  std::call_once(parsed_->once, [this] { parsed_->certificates = parse_path(der_); });
  return *parsed_->certificates;
}

Result<CertificatePath> issue_below(const CertificatePath& issuer, const CertificateTemplate& what,
                                    const PublicKey& subject_key, const Signer& signer) {
  const Result<std::vector<Certificate>>& above = issuer.certificates();
  if (!above) return above.error();
  if (!equal(above->front().spki(), signer.public_key().spki()))
    return Error{Status::crypto, "The key is not that of the issuer's certificate"};
  SKS_LET(Certificate issued, issue_certificate(what, subject_key, &above->front(), signer));
  std::vector<Certificate> certificates{std::move(issued)};
  certificates.insert(certificates.end(), above->begin(), above->end());
  std::vector<Bytes> der;
  for (const Certificate& certificate : certificates) der.push_back(certificate.der());
  CertificatePath path(std::move(der));
  std::call_once(path.parsed_->once, [&] { path.parsed_->certificates = std::move(certificates); });
  return path;
}

Result<CertificatePath> issue_below(const CertificatePath& issuer, const CertificateTemplate& what,
                                    const PublicKey& subject_key, const PrivateKey& issuer_key) {
  return issue_below(issuer, what, subject_key, KeySigner::borrow(issuer_key));
}

}  // namespace sks::crypto
