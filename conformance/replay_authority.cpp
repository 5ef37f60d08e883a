#include "conformance/replay_authority.h"

#include <openssl/x509v3.h>

#include "sks-core/base/random.h"

namespace sks::conformance {
namespace {

constexpr std::string_view kCurve = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

void remove_extension(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  if (at >= 0) X509_EXTENSION_free(X509_delete_ext(certificate, at));
}

bool set_new_serial(X509* certificate) {
  constexpr std::size_t kSize = 16;
  Bytes number = system_random().bytes(kSize);
  number.front() &= 0x7FU;  // positive
  const ossl::BigNum serial(BN_bin2bn(number.data(), static_cast<int>(number.size()), nullptr));
  return serial != nullptr && BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

Result<Bytes> encode(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return ossl::take_error("the certificate cannot be encoded");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

Result<Bytes> issue_like(ByteView recorded, const crypto::PublicKey& subject_key, const crypto::PrivateKey& issuer) {
  SKS_LET(const crypto::Certificate original, crypto::Certificate::from_der(recorded));
  const ossl::Cert copy(X509_dup(original.openssl()));
  if (copy == nullptr) return ossl::take_error("the certificate cannot be copied");
  remove_extension(copy.get(), NID_subject_key_identifier);
  remove_extension(copy.get(), NID_authority_key_identifier);
  if (!set_new_serial(copy.get()) || X509_set_pubkey(copy.get(), subject_key.openssl()) != 1 ||
      X509_sign(copy.get(), issuer.openssl(), EVP_sha256()) == 0)
    return ossl::take_error("the certificate cannot be issued");
  return encode(copy.get());
}

}  // namespace

Result<ReplayAuthority> ReplayAuthority::create() {
  SKS_LET(crypto::PrivateKey key, crypto::PrivateKey::generate(*find_algorithm(kCurve)));
  return ReplayAuthority(std::move(key));
}

Result<std::vector<Bytes>> ReplayAuthority::certify_like(const std::vector<Bytes>& recorded,
                                                         const crypto::PublicKey& subject_key) const {
  std::vector<Bytes> path;
  for (const Bytes& certificate : recorded) {
    SKS_LET(Bytes issued, issue_like(certificate, path.empty() ? subject_key : key_.public_key(), key_));
    path.push_back(std::move(issued));
  }
  return path;
}

}  // namespace sks::conformance
