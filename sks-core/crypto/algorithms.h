#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sks-core/base/bytes.h"

/// The one table of algorithms. It serves getDeviceInfo, createKeyEntry, the user methods and PKCS#11.
/// Spec: sks-api.md chapter 6; sks-extensions.md, Algorithms.
namespace sks {

enum class HashId : std::uint8_t { none, sha1, sha256, sha384, sha512 };

enum class Curve : std::uint8_t { p256, p384, p521, brainpool_p256r1, secp256k1 };

enum class KeyKind : std::uint8_t { rsa, ec, ed25519, ed448, x25519, x448 };

enum class Category : std::uint8_t { cipher, hmac, decryption, agreement, signature, key_generation, special };

/// Where the initialisation vector of a cipher comes from: there is none (ECB), it stands before the cipher text, or it
/// is the argument `parameters`. Spec: sks-api.md chapter 4.32.
enum class IvSource : std::uint8_t { none, internal, parameters };

/// What a cipher does with AES. cbc fills the last block up (PKCS#7), cbc_blocks takes whole blocks. wrap, wrap_padded:
/// key wrapping of RFC 3394 and RFC 5649.
enum class AesMode : std::uint8_t { cbc, ecb, cbc_blocks, ctr, gcm, wrap, wrap_padded };

/// What the argument `parameters` of the user methods holds: nothing, an IV of 16 bytes, counterBits and counterBlock,
/// what GCM needs, an optional IV of key wrapping, an optional salt length of PSS, hashes and label of OAEP.
enum class Parameters : std::uint8_t { none, iv, counter, gcm, wrap_iv, wrap_iv_prefix, pss, oaep };

/// Which keys an algorithm works with, as far as the checks of chapters 6.4 and 6.6 tell them apart.
enum class KeyFamily : std::uint8_t { none, symmetric, rsa, non_rsa };

struct Algorithm {
  std::string_view uri;
  Category category;
  KeyFamily family;
  /// HMAC, signature: the hash. Decryption: that of OAEP, none = RSAES-PKCS1-v1_5, or OAEP as `parameters` say.
  HashId hash = HashId::none;
  /// cipher: the key length in bytes, 0 = 16, 24 or 32. RSA key generation: the modulus length in bits.
  std::uint16_t size = 0;
  /// Key generation: what is made. `curve` only for KeyKind::ec.
  std::optional<KeyKind> kind = std::nullopt;
  std::optional<Curve> curve = std::nullopt;
  /// Key generation that takes the RSA exponent in keyParameters (".exp").
  bool takes_parameters = false;
  /// Key generation that is a signature algorithm too (#ed25519).
  bool also_signature = false;
  /// Only for Category::cipher.
  IvSource iv = IvSource::none;
  AesMode mode = AesMode::cbc;
  /// Of the user methods. A signature with Parameters::pss is RSASSA-PSS, other RSA signatures are PKCS#1 v1.5.
  Parameters parameters = Parameters::none;
};

/// Every supported algorithm, in the order in which getDeviceInfo announces them.
std::span<const Algorithm> all_algorithms();

/// The row with exactly this URI, or null.
const Algorithm* find_algorithm(std::string_view uri);

/// Whether signHashedData / signData can execute the row (category signature, or also_signature).
bool is_signature(const Algorithm& algorithm);

struct CurveInfo {
  Curve curve;
  std::string_view group_name;                ///< OpenSSL's name of the group
  std::uint16_t field_bytes;                  ///< L of sks-api.md chapter 6.2
  std::span<const std::uint8_t> spki_prefix;  ///< DER up to and including the 04 of the uncompressed point
};

const CurveInfo& curve_info(Curve curve);
std::span<const CurveInfo> all_curves();

inline constexpr std::string_view kSessionAlgorithm = "https://webpki.github.io/sks/algorithm#session.1";
inline constexpr std::string_view kKeyEntryAlgorithm = "https://webpki.github.io/sks/algorithm#key.1";
inline constexpr std::string_view kNoneAlgorithm = "https://webpki.github.io/sks/algorithm#none";

}  // namespace sks
