#include "conformance/kit/authority.h"

#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include "sks-core/base/library_context.h"
#include "sks-core/base/random.h"

namespace sks::conformance {
namespace {

constexpr long kVersion3 = 2;
constexpr std::size_t kSerialBytes = 8;
constexpr std::int64_t kAuthorityDays = 3650;

Result<void> fill_name(X509_NAME* name, const std::string& text) {
  SKS_LET(const std::vector<crypto::DnAttribute> attributes, crypto::parse_dn(text));
  for (const crypto::DnAttribute& attribute : attributes) {
    const ByteView value = as_bytes(attribute.value);
    if (X509_NAME_add_entry_by_txt(name, attribute.type.c_str(), MBSTRING_UTF8, value.data(),
                                   static_cast<int>(value.size()), -1, 0) != 1)
      return ossl::take_error("Name refused: " + text, Status::option);
  }
  return {};
}

Result<void> set_serial_and_times(X509* certificate, const CertificateRequest& request) {
  Bytes serial = system_random().bytes(kSerialBytes);
  serial.front() = static_cast<std::uint8_t>((serial.front() & 0x3FU) | 0x40U);
  const ossl::BigNum number(BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  if (BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr ||
      ASN1_TIME_set(X509_getm_notBefore(certificate), request.not_before) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), request.not_after) == nullptr)
    return ossl::take_error("Certificate refused", Status::option);
  return {};
}

Result<void> set_extensions(X509* certificate, const CertificateRequest& request, X509* issuer) {
  // Some extensions are not read without a configuration, though it be empty.
  const ossl::Ptr<CONF, NCONF_free> configuration(NCONF_new(nullptr));
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_nconf(&context, configuration.get());
  for (const auto& [name, value] : request.extensions) {
    const ossl::Ptr<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_nconf(nullptr, &context, name.c_str(), value.c_str()));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1)
      return ossl::take_error("Certificate extension refused: " + name, Status::option);
  }
  return {};
}

Result<crypto::Certificate> sign(X509* certificate, EVP_PKEY* key) {
  const ossl::MdCtx signing(EVP_MD_CTX_new());
  SKS_CHECK(signing != nullptr);
  if (EVP_DigestSignInit_ex(signing.get(), nullptr, "SHA256", library_context(), nullptr, key, nullptr) != 1 ||
      X509_sign_ctx(certificate, signing.get()) <= 0)
    return ossl::take_error("Certificate signature failed");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return ossl::take_error("Certificate cannot be encoded");
  const Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return crypto::Certificate::from_der(bytes);
}

/// `issuer` null: self-signed.
Result<crypto::Certificate> make(const CertificateRequest& request, const crypto::PublicKey& subject_key, X509* issuer,
                                 EVP_PKEY* issuer_key) {
  const ossl::Cert certificate(X509_new_ex(library_context(), nullptr));
  SKS_CHECK(certificate != nullptr && X509_set_version(certificate.get(), kVersion3) == 1);
  SKS_TRY(fill_name(X509_get_subject_name(certificate.get()), request.subject));
  SKS_TRY(set_serial_and_times(certificate.get(), request));
  X509* const issued_by = issuer == nullptr ? certificate.get() : issuer;
  const bool named = request.issuer.empty();
  if (!named) SKS_TRY(fill_name(X509_get_issuer_name(certificate.get()), request.issuer));
  if ((named && X509_set_issuer_name(certificate.get(), X509_get_subject_name(issued_by)) != 1) ||
      X509_set_pubkey(certificate.get(), subject_key.openssl()) != 1)
    return ossl::take_error("Certificate fields refused", Status::option);
  SKS_TRY(set_extensions(certificate.get(), request, issued_by));
  return sign(certificate.get(), issuer_key);
}

}  // namespace

Authority Authority::create(std::string_view common_name, std::int64_t now) {
  Result<crypto::PrivateKey> key = new_key("ec.nist.p256");
  SKS_CHECK(static_cast<bool>(key));
  const CertificateRequest request{"CN=" + std::string(common_name),
                                   now - kDay,
                                   now + kAuthorityDays * kDay,
                                   {{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign"}}};
  Result<crypto::Certificate> certificate = make(request, key->public_key(), nullptr, key->openssl());
  SKS_CHECK(static_cast<bool>(certificate));
  return {*std::move(key), *std::move(certificate)};
}

Result<crypto::Certificate> Authority::issue(const CertificateRequest& request,
                                             const crypto::PublicKey& subject_key) const {
  return make(request, subject_key, certificate_.openssl(), key_.openssl());
}

Result<crypto::Certificate> Authority::issue_wrongly(const CertificateRequest& request,
                                                     const crypto::PublicKey& subject_key) const {
  SKS_LET(const crypto::PrivateKey other, new_key("ec.nist.p256"));
  return make(request, subject_key, certificate_.openssl(), other.openssl());
}

Result<crypto::PrivateKey> new_key(const std::string& algorithm) {
  const Algorithm* const row = find_algorithm(std::string(kAlgorithmPrefix) + algorithm);
  if (row == nullptr || row->category != Category::key_generation || row->takes_parameters)
    return Error{Status::option, "no algorithm of key pairs: " + algorithm};
  return crypto::PrivateKey::generate(*row);
}

}  // namespace sks::conformance
