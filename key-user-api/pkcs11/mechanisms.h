#pragma once

#include <span>

#include "key-user-api/pkcs11/cryptoki.h"
#include "key-user-api/user_api.h"

namespace sks::p11 {

/// What the application hands to C_Sign.
enum class SignInput : std::uint8_t {
  digest,       ///< a hash of any length: CKM_ECDSA
  digest_info,  ///< the content of a PKCS#1 block, mostly a DigestInfo: CKM_RSA_PKCS
  to_hash,      ///< a message in any number of parts, hashed by the module
  message,      ///< a message in one part, hashed by the store
};

/// One mechanism: what it signs, and the SKS algorithms that can carry it out, best first.
struct Mechanism {
  CK_MECHANISM_TYPE type;
  SignInput input;
  HashId hash;  ///< only for SignInput::to_hash
  std::span<const std::string_view> algorithms;
  CK_MECHANISM_INFO info;
};

std::span<const Mechanism> all_mechanisms();
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);

/// Whether the mechanism is made for keys of this kind.
bool fits(const Mechanism& mechanism, const UserKey& key);
/// Whether, in addition, the issuer lets the key carry out at least one of the algorithms.
bool is_permitted(const Mechanism& mechanism, const UserKey& key);

/// The mechanisms permitted to a key, in table order.
std::vector<CK_MECHANISM_TYPE> mechanisms_of(const UserKey& key);

}  // namespace sks::p11
