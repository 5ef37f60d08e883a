#pragma once

#include "key-user-api/token/call.h"
#include "key-user-api/token/operations/hashes.h"

/// The one table of mechanisms. It serves listMechanisms, the checks and the operations. Spec: spec/sksd.md 5 and 7.
namespace sks::token {

#ifndef CKM_AES_KEY_WRAP_KWP
#define CKM_AES_KEY_WRAP_KWP 0x210bUL
#endif
#ifndef CKM_EC_MONTGOMERY_KEY_PAIR_GEN
#define CKM_EC_MONTGOMERY_KEY_PAIR_GEN 0x1056UL
#endif
#ifndef CKK_EC_MONTGOMERY
#define CKK_EC_MONTGOMERY 0x41UL
#endif

/// Which keys a mechanism works with.
enum class Keys : std::uint8_t { none, rsa, ec, edwards, agreement, aes, secret };

/// How a mechanism works.
enum class Scheme : std::uint8_t {
  generation,  ///< makes keys: no operation of chapter 7
  digest,
  rsa_pkcs1,
  rsa_pss,
  ecdsa,
  eddsa,
  hmac,
  rsa_oaep,
  aes,
  agreement,
};

/// What the parameter holds. Spec: the last table of spec/sksd.md 7.
enum class Shape : std::uint8_t { none, pss, oaep, agreement, iv, counter, gcm, wrap_iv, wrap_iv_prefix, mac_length };

/// How data that comes in parts is treated.
enum class Parts : std::uint8_t {
  collected,      ///< until the end
  hashed,         ///< by the service
  blocks,         ///< each as soon as it is whole
  padded_blocks,  ///< the same, but for the end
};

/// Which keys can be wrapped.
enum class Wraps : std::uint8_t { nothing, secret_keys, all_keys };

/// An algorithm of the key store by which a mechanism can be executed.
struct SksAlgorithm {
  std::string_view uri;
  HashId hash = HashId::none;  ///< signatures: of this hash only; none: of whatever is given
};

struct Mechanism {
  CK_MECHANISM_TYPE type;
  Scheme scheme;
  Keys keys;
  CK_FLAGS functions;  ///< CKF_SIGN and so on, with the CKF_EC flags
  CK_ULONG min_key_size;
  CK_ULONG max_key_size;
  Shape parameter = Shape::none;
  CK_MECHANISM_TYPE hash = 0;  ///< done by the service before the key is used; 0: none
  Parts parts = Parts::collected;
  Wraps wraps = Wraps::nothing;
  /// In the order of preference. A stored key that is endorsed for none of them does not permit the mechanism.
  std::span<const SksAlgorithm> algorithms = {};
  std::span<const SksAlgorithm> decryption_algorithms = {};  ///< of CKM_RSA_PKCS, which signs too
};

/// The row, or null.
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);
std::span<const Mechanism> mechanism_table();

}  // namespace sks::token
