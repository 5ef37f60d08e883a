#pragma once

#include <string>
#include <string_view>

#include "key-user-api/token/key_access.h"
#include "key-user-api/token/standard.h"

/// What attributes are computed from, the same for objects of the key store and of sessions. Spec: spec/sksd.md 6.
namespace sks::token {

/// Handles of stored objects: keyHandle x 256 + n.
inline constexpr unsigned kPartBits = 8;
inline constexpr unsigned kSecretPart = 1;  ///< private key or secret key
inline constexpr unsigned kPublicPart = 2;
inline constexpr unsigned kCertificatePart = 3;
inline constexpr unsigned kFirstAuthorityPart = 4;
inline constexpr unsigned kAttestationPart = 200;
inline constexpr std::size_t kMaxAuthorities = kAttestationPart - kFirstAuthorityPart;
inline constexpr CK_OBJECT_HANDLE kFirstSessionObject = CK_OBJECT_HANDLE{1} << 48;

constexpr CK_OBJECT_HANDLE object_of(KeyHandle key, unsigned part) {
  return CK_OBJECT_HANDLE{key.value} << kPartBits | part;
}
constexpr unsigned part_of(CK_OBJECT_HANDLE object) { return object & ((1U << kPartBits) - 1); }
/// Only for handles below kFirstSessionObject; none for those that no key has.
constexpr std::optional<KeyHandle> key_of(CK_OBJECT_HANDLE object) {
  const CK_OBJECT_HANDLE key = object >> kPartBits;
  if (key > UINT32_MAX) return std::nullopt;
  return KeyHandle{static_cast<std::uint32_t>(key)};
}

/// CKA_APPLICATION of attestations. Spec: spec/sksd.md 8.
inline constexpr std::string_view kAttestationApplication = "SKS attestation";

/// Kinds of objects that have the same attributes, as bits.
enum class Kind : std::uint16_t {
  certificate = 0x01,
  rsa_public = 0x02,
  ec_public = 0x04,  ///< with its relatives of RFC 7748 and RFC 8032
  rsa_private = 0x08,
  ec_private = 0x10,
  secret = 0x20,
  data = 0x40,
  attestation = 0x80,  ///< data too
};

/// Yes or no about an object, as bits.
namespace flag {
inline constexpr std::uint32_t kToken = 1U << 0;
inline constexpr std::uint32_t kPrivate = 1U << 1;
inline constexpr std::uint32_t kModifiable = 1U << 2;
inline constexpr std::uint32_t kCopyable = 1U << 3;
inline constexpr std::uint32_t kDestroyable = 1U << 4;
inline constexpr std::uint32_t kSensitive = 1U << 5;
inline constexpr std::uint32_t kAlwaysSensitive = 1U << 6;
inline constexpr std::uint32_t kExtractable = 1U << 7;
inline constexpr std::uint32_t kNeverExtractable = 1U << 8;
inline constexpr std::uint32_t kLocal = 1U << 9;
inline constexpr std::uint32_t kAlwaysAuthenticate = 1U << 10;
/// Bits of Usage stand above this one.
inline constexpr unsigned kUsageShift = 16;
constexpr std::uint32_t of(Usage usage) { return std::uint32_t{static_cast<std::uint16_t>(usage)} << kUsageShift; }
}  // namespace flag

constexpr std::uint16_t usages_of(std::uint32_t flags) {
  return static_cast<std::uint16_t>(flags >> flag::kUsageShift);
}

/// What is known of an object without looking into the key store.
struct Facts {
  CK_OBJECT_HANDLE handle = 0;
  Kind kind = Kind::data;
  CK_OBJECT_CLASS object_class = CKO_DATA;
  CK_KEY_TYPE key_type = 0;  ///< of keys
  CK_ULONG category = 0;     ///< of certificates: CK_CERTIFICATE_CATEGORY
  std::uint32_t flags = 0;
  std::uint32_t size = 0;  ///< bits of a modulus, bytes of a secret
  CK_MECHANISM_TYPE made_by = CK_UNAVAILABLE_INFORMATION;

  bool has(std::uint32_t bits) const { return (flags & bits) == bits; }
};

/// The rest: views that live as long as what the object was looked up in.
struct Contents {
  Bytes id;
  std::string label;
  ByteView certificate;  ///< DER: of certificates, and of keys that have one
  ByteView spki;         ///< of public and private keys, and of certificates
  ByteView subject;      ///< DER
  ByteView value;        ///< of secrets and data
  ByteView application;
  ByteView object_id;
  ByteView start_date;
  ByteView end_date;
  const std::vector<std::string>* endorsed = nullptr;  ///< of stored private and secret keys, as KeyInUse has them
  const crypto::PrivateKey* private_key = nullptr;     ///< of a session
};

CK_KEY_TYPE key_type_of(KeyKind kind);
/// CKM_..._KEY_PAIR_GEN
CK_MECHANISM_TYPE generator_of(KeyKind kind);
constexpr Kind public_kind_of(KeyKind kind) { return kind == KeyKind::rsa ? Kind::rsa_public : Kind::ec_public; }
constexpr Kind private_kind_of(KeyKind kind) { return kind == KeyKind::rsa ? Kind::rsa_private : Kind::ec_private; }

/// Bits of Usage of a private or secret key (`kind` none) that is endorsed for these algorithms; none: for all.
std::uint16_t usages_of_key(std::optional<KeyKind> kind, const std::vector<std::string>& endorsed);
/// Of the public half: what its private half answers.
std::uint16_t usages_of_public(std::uint16_t private_usages);

/// Of a secret key: what its type is for.
std::uint16_t usages_of_secret(CK_KEY_TYPE type);

/// The algorithms that a key with these usages alone may be endorsed for, ascending; empty when they are all that it
/// can have. `secret_bytes`: the length of a secret key (`kind` none).
std::vector<std::string> endorsed_for(std::optional<KeyKind> kind, std::size_t secret_bytes, std::uint16_t usages);

}  // namespace sks::token
