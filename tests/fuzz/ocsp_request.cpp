#include "provisioning-server/revocation/ocsp_request.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "sks-core/crypto/ossl.h"
#include "tests/fuzz/checks.h"

/// Requests from anybody: what is accepted is a request for OpenSSL as well, about the same certificates.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const auto request = issuer::parse_ocsp_request({data, size});
  if (!request) {
    fuzz::require(request.error().status == Status::option, "status of a bad request");
    return 0;
  }
  fuzz::require(!request->certificates.empty() && request->certificates.size() <= issuer::kMaxOcspCertificates,
                "number of questions");
  for (const issuer::OcspCertificateId& id : request->certificates) {
    const std::uint8_t* at = id.der.data();
    const ossl::Ptr<OCSP_CERTID, OCSP_CERTID_free> theirs(
        d2i_OCSP_CERTID(nullptr, &at, static_cast<long>(id.der.size())));
    // What goes back into the answer. OpenSSL is stricter about integers with needless octets.
    if (theirs == nullptr) continue;
    ASN1_INTEGER* serial = nullptr;
    ASN1_OCTET_STRING* key = nullptr;
    OCSP_id_get0_info(nullptr, nullptr, &key, &serial, theirs.get());
    fuzz::require(
        equal({ASN1_STRING_get0_data(key), static_cast<std::size_t>(ASN1_STRING_length(key))}, id.issuer_key_hash),
        "a CertID is what OpenSSL reads");
  }
  ERR_clear_error();
  return 0;
}
