#include "provisioning-server/revocation/crl.h"

#include <openssl/obj_mac.h>

#include <array>

#include "sks-core/crypto/der.h"

namespace sks::issuer {
namespace {

namespace der = crypto::der;

constexpr std::array<std::uint8_t, 3> kVersion2{der::kIntegerTag, 1, 1};

}  // namespace

Bytes encode_crl_entry(ByteView serial, std::int64_t time, RevocationReason reason) {
  Bytes extensions;
  // The reason that says nothing is to be left out. RFC 5280, 5.3.1
  if (reason != RevocationReason::unspecified) {
    const std::array<std::uint8_t, 3> value{der::kEnumeratedTag, 1, static_cast<std::uint8_t>(reason)};
    extensions = der::sequence({der::extension(NID_crl_reason, der::Critical::no, value)});
  }
  return der::sequence({serial, der::time(time), extensions});
}

Result<Bytes> sign_crl(const CrlContents& contents, const crypto::Certificate& authority,
                       const crypto::Signer& signer) {
  constexpr std::uint8_t kExtensions = der::kContext | der::kConstructed;
  SKS_LET(const Bytes algorithm, crypto::signature_algorithm(signer.public_key()));
  SKS_LET(const Bytes key_identifier, authority.authority_key_identifier());
  const Bytes this_update = der::time(contents.this_update);
  const Bytes next_update = der::time(contents.next_update);
  if (this_update.empty() || next_update.empty()) return Error{Status::option, "A time that X.509 cannot express"};
  // An empty list is left out. RFC 5280, 5.1.2.6
  const Bytes revoked = contents.entries.empty() ? Bytes() : der::sequence({contents.entries});
  const Bytes extensions =
      der::sequence({der::extension(NID_authority_key_identifier, der::Critical::no, key_identifier),
                     der::extension(NID_crl_number, der::Critical::no, der::integer(contents.number))});
  return crypto::signed_sequence(der::sequence({kVersion2, algorithm, authority.subject_der(), this_update, next_update,
                                                revoked, der::element(kExtensions, {extensions})}),
                                 signer);
}

}  // namespace sks::issuer
