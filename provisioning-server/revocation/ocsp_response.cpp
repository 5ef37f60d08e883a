#include "provisioning-server/revocation/ocsp_response.h"

#include <openssl/obj_mac.h>

#include <array>

#include "sks-core/crypto/der.h"

namespace sks::issuer {
namespace {

namespace der = crypto::der;

constexpr std::uint8_t kExplicit = der::kContext | der::kConstructed;
constexpr std::uint8_t kRevokedTag = kExplicit | 1;
constexpr std::array<std::uint8_t, 2> kGood{der::kContext | 0, 0};
constexpr std::array<std::uint8_t, 2> kUnknown{der::kContext | 2, 0};

Bytes enumerated(std::uint8_t value) { return der::element(der::kEnumeratedTag, {{&value, 1}}); }

Bytes encode_status(const CertificateStatus& status) {
  switch (status.kind) {
    case CertificateStatus::Kind::good:
      return {kGood.begin(), kGood.end()};
    case CertificateStatus::Kind::unknown:
      return {kUnknown.begin(), kUnknown.end()};
    case CertificateStatus::Kind::revoked:
      break;
  }
  Bytes reason;
  if (status.reason != RevocationReason::unspecified)
    reason = der::element(kExplicit, {enumerated(static_cast<std::uint8_t>(status.reason))});
  return der::element(kRevokedTag, {der::generalized_time(status.time), reason});
}

}  // namespace

Bytes encode_ocsp_failure(OcspFailure failure) {
  return der::sequence({enumerated(static_cast<std::uint8_t>(failure))});
}

Result<Bytes> sign_ocsp_response(const OcspContents& contents, const crypto::Certificate& responder,
                                 const crypto::Signer& signer) {
  const Bytes this_update = der::generalized_time(contents.this_update);
  const Bytes next_update = der::element(kExplicit, {der::generalized_time(contents.next_update)});
  Bytes responses;
  for (const OcspAnswer& answer : contents.answers) {
    const Bytes single =
        der::sequence({answer.certificate.der, encode_status(answer.status), this_update, next_update});
    responses.insert(responses.end(), single.begin(), single.end());
  }
  Bytes extensions;
  if (!contents.nonce.empty())
    extensions = der::element(
        kExplicit | 1, {der::sequence({der::extension(NID_id_pkix_OCSP_Nonce, der::Critical::no, contents.nonce)})});
  const Bytes by_key = der::element(kExplicit | 2, {der::octet_string(crypto::key_identifier(signer.public_key()))});
  const Bytes data = der::sequence({by_key, this_update, der::sequence({responses}), extensions});
  SKS_LET(const Bytes algorithm, crypto::signature_algorithm(signer.public_key()));
  SKS_LET(const Bytes signature, signer.sign(data));
  const Bytes basic = der::sequence(
      {data, algorithm, der::bit_string(signature), der::element(kExplicit, {der::sequence({responder.der()})})});
  const Bytes typed = der::sequence({der::object_identifier(NID_id_pkix_OCSP_basic), der::octet_string(basic)});
  return der::sequence({enumerated(0), der::element(kExplicit, {typed})});
}

}  // namespace sks::issuer
