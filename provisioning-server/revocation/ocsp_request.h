#pragma once

#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/algorithms.h"

namespace sks::issuer {

inline constexpr std::size_t kMaxOcspRequest = 16 * 1024;
inline constexpr std::size_t kMaxOcspCertificates = 64;

/// CertID of RFC 6960, 4.1.1.
struct OcspCertificateId {
  HashId hash = HashId::none;  ///< none: a hash other than SHA-1 and SHA-256, by which nothing is found here
  Bytes issuer_name_hash;
  Bytes issuer_key_hash;
  Bytes serial;  ///< content of the INTEGER
  Bytes der;     ///< the whole CertID, for the answer
};

struct OcspRequest {
  std::vector<OcspCertificateId> certificates;  ///< at least one
  Bytes nonce;                                  ///< DER inside of the extension; empty if there is none
};

/// Strict: one DER OCSPRequest of version 1, up to kMaxOcspRequest bytes and kMaxOcspCertificates questions, nothing
/// after it, no critical extension but the nonce, and that of 1 to 128 bytes (RFC 9654). A signature of the request is
/// not looked at: everybody may ask. Fails with option.
Result<OcspRequest> parse_ocsp_request(ByteView der);

}  // namespace sks::issuer
