#pragma once

#include <array>

#include "key-user-api/pkcs11/daemon.h"

/// The table of mechanisms: how their parameters travel (spec/sksd.md 7), and how much they put out. Whether a key may
/// use one is for the daemon to say.
namespace sks::p11 {

/// What an operation does, as `kind` of spec/sksd.md 7.
enum class Kind : std::uint8_t { encrypt = 1, decrypt = 2, sign = 3, verify = 4, digest = 5 };

/// The structure that PKCS#11 has for the parameter.
enum class Parameter : std::uint8_t { none, pss, oaep, ecdh, iv, counter, gcm, wrap_iv, eddsa, mac_length };

/// How much is put out.
enum class Output : std::uint8_t {
  nothing,
  modulus,       ///< as long as the RSA modulus; what is decrypted is shorter
  ec_signature,  ///< twice the length of the curve's order
  eddsa_signature,
  fixed,   ///< `size` bytes
  chosen,  ///< as the parameter says
  same,    ///< as the input
  padded,  ///< filled up to whole blocks of AES
  tagged,  ///< the input and the tag of GCM
};

struct Mechanism {
  CK_MECHANISM_TYPE type;
  Parameter parameter;
  CK_FLAGS uses;  ///< CKF_SIGN and so on
  Output output;
  std::uint16_t size;  ///< for Output::fixed
  bool in_parts;       ///< sksd takes its data in parts
  /// Types of keys that it works with; unused places repeat the first. Nothing is said where the first is kAnyKey.
  std::array<CK_KEY_TYPE, 3> keys;
};
inline constexpr CK_KEY_TYPE kAnyKey = CK_UNAVAILABLE_INFORMATION;

/// The row, or null.
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);
bool suits(const Mechanism& mechanism, CK_KEY_TYPE key);

/// A mechanism as it travels.
struct EncodedMechanism {
  const Mechanism* row;
  SecureBytes parameter;
  std::size_t tag_size = 0;  ///< of GCM, and of a MAC whose length is chosen

  void write(wire::BodyWriter& out) const;
};

/// Fails with CKR_MECHANISM_INVALID when there is no row that has one of the `uses`, and with
/// CKR_MECHANISM_PARAM_INVALID.
Answer<EncodedMechanism> encode_mechanism(const CK_MECHANISM& mechanism, CK_FLAGS uses);

}  // namespace sks::p11
