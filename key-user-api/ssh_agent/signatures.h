#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/algorithms.h"

/// Signatures as SSH has them: RFC 4253, RFC 5656, RFC 8332, RFC 8709.
namespace sks::ssh {

/// A way to sign. SHA-1 is none: no key store does it, and no server should ask for it.
struct Scheme {
  std::string_view key_type;   ///< of KeyType::name
  std::uint32_t flags;         ///< of SSH_AGENTC_SIGN_REQUEST
  std::string_view name;       ///< of the signature
  HashId hash;                 ///< none: the key signs the message itself
  std::string_view algorithm;  ///< URI of the key store
};
std::span<const Scheme> schemes();

/// Exactly these flags, so that nobody gets another signature than the one that was asked for. Null: there is none.
const Scheme* find_scheme(std::string_view key_type, std::uint32_t flags);

/// The signature blob out of what the key store makes: r || s of ECDSA, else the signature itself.
Bytes encode_signature(const Scheme& scheme, ByteView signature);

/// Verifies a signature blob by the key of a server (parse_host_key). Fails with crypto (malformed) or option (a scheme
/// that is not in the table, or not one of that key; the signature is wrong).
Result<void> verify_host_signature(ByteView host_key, ByteView message, ByteView signature);

}  // namespace sks::ssh
