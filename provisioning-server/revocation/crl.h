#pragma once

#include "provisioning-server/revocation/revocation_reason.h"
#include "sks-core/crypto/x509.h"

/// Certificate revocation lists (RFC 5280, 5), put together from entries that are encoded once, when a certificate is
/// revoked: a list of 100,000 entries is a copy and one signature.
namespace sks::issuer {

/// One entry of revokedCertificates, DER. `serial` is the DER INTEGER of the certificate's serial number.
Bytes encode_crl_entry(ByteView serial, std::int64_t time, RevocationReason reason);

struct CrlContents {
  std::uint64_t number;
  std::int64_t this_update;  ///< seconds since 1970
  std::int64_t next_update;
  ByteView entries;  ///< one after the other
};

/// A complete list of the authority with this certificate. Fails with option (a certificate without
/// subjectKeyIdentifier, a time that cannot be expressed) or as the signer does.
Result<Bytes> sign_crl(const CrlContents& contents, const crypto::Certificate& authority, const crypto::Signer& signer);

}  // namespace sks::issuer
