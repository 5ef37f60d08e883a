#pragma once

#include "provisioning-server/revocation/ocsp_request.h"
#include "provisioning-server/revocation/revocation_reason.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {

struct CertificateStatus {
  enum class Kind : std::uint8_t { good, revoked, unknown };
  Kind kind = Kind::unknown;
  std::int64_t time = 0;  ///< revoked: since when
  RevocationReason reason = RevocationReason::unspecified;
};

struct OcspAnswer {
  OcspCertificateId certificate;
  CertificateStatus status;
};

/// OCSPResponseStatus of RFC 6960, 4.2.1, but for success.
enum class OcspFailure : std::uint8_t { malformed_request = 1, internal_error = 2, try_later = 3, unauthorized = 6 };
/// An OCSPResponse that says no more than this.
Bytes encode_ocsp_failure(OcspFailure failure);

struct OcspContents {
  const std::vector<OcspAnswer>& answers;
  ByteView nonce;            ///< as in OcspRequest
  std::int64_t this_update;  ///< seconds since 1970; also the time of production
  std::int64_t next_update;
};

/// A successful OCSPResponse of type id-pkix-ocsp-basic. `responder` is the certificate of the signer; it stands in
/// the response. Fails as the signer does.
Result<Bytes> sign_ocsp_response(const OcspContents& contents, const crypto::Certificate& responder,
                                 const crypto::Signer& signer);

}  // namespace sks::issuer
