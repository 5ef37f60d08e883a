#include "key-user-api/ssh_agent/identities.h"

#include <algorithm>
#include <bit>

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/ssh_agent/signatures.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/property_bag.h"

namespace sks::ssh {
namespace {

constexpr std::size_t kMaxComment = 200;

/// Values of biometricProtection, sks-api.md 5.9, that let a PIN alone do.
constexpr std::uint8_t kNoBiometrics = 0;
constexpr std::uint8_t kAlternativeBiometrics = 1;

bool is_large_enough(const crypto::PublicKey& key) {
  if (key.kind() != KeyKind::rsa) return true;
  const Bytes modulus = key.rsa_modulus();
  return (modulus.size() - 1) * 8 + static_cast<std::size_t>(std::bit_width(modulus.front())) >= kMinRsaBits;
}

bool has_extension(const KeyAttributes& attributes, std::string_view type) {
  return std::ranges::find(attributes.extension_types, type) != attributes.extension_types.end();
}

/// Empty: the key has none of its own.
Result<std::string> label_of(SecureKeyStore& store, KeyHandle key, const KeyAttributes& attributes) {
  if (!has_extension(attributes, kPkcs11ExtensionType)) return std::string();
  SKS_LET(const ExtensionContent extension, store.get_extension(key, kPkcs11ExtensionType));
  const auto properties = engine::read_property_bag(extension.data.view());
  if (!properties) return std::string();  // an issuer's extension of that name
  for (const engine::Property& property : *properties)
    if (equal(property.name, as_bytes(kPkcs11Label))) return to_string(property.value);
  return std::string();
}

Result<std::string> comment_of(SecureKeyStore& store, KeyHandle key, const KeyAttributes& attributes) {
  SKS_LET(std::string comment, label_of(store, key, attributes));
  if (comment.empty()) comment = attributes.friendly_name;
  if (comment.empty()) comment = "key " + std::to_string(key.value);
  return dialog::shorten(dialog::printable(comment), kMaxComment);
}

/// A PIN manager signs what lets further keys under its PIN: it must not sign what others hand it.
bool may_sign(const KeyAttributes& attributes, const KeyProtectionInfo& protection) {
  return !has_extension(attributes, kPinManagerType) &&
         attributes.app_usage != static_cast<std::uint8_t>(AppUsage::encryption) &&
         (protection.protection_status & kSuspended) == 0 &&
         (protection.biometric_protection == kNoBiometrics ||
          protection.biometric_protection == kAlternativeBiometrics);
}

/// None: SSH cannot use it.
std::optional<crypto::PublicKey> public_key_of(const KeyAttributes& attributes) {
  if (attributes.symmetric_key_length != 0 || attributes.certificate_path.empty()) return std::nullopt;
  const auto certificate = crypto::Certificate::from_der(attributes.certificate_path.front());
  if (!certificate) return std::nullopt;
  auto key = certificate->public_key();
  if (!key || key_type_of(*key) == nullptr || !is_large_enough(*key)) return std::nullopt;
  return std::move(*key);
}

}  // namespace

bool permits(const StoredIdentity& identity, std::string_view algorithm) {
  return identity.endorsed_algorithms.empty() ||
         std::ranges::find(identity.endorsed_algorithms, algorithm) != identity.endorsed_algorithms.end();
}

Result<std::optional<StoredIdentity>> identity_of(SecureKeyStore& store, KeyHandle key) {
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(key));
  const std::optional<crypto::PublicKey> public_key = public_key_of(attributes);
  if (!public_key) return std::optional<StoredIdentity>();
  SKS_LET(const KeyProtectionInfo protection, store.get_key_protection_info(key));
  if (!may_sign(attributes, protection)) return std::optional<StoredIdentity>();
  SKS_LET(std::string comment, comment_of(store, key, attributes));
  StoredIdentity identity{key, *encode_public_key(*public_key), std::move(comment),
                          std::move(attributes.endorsed_algorithms)};
  const std::string_view type = key_type_of(*public_key)->name;
  const bool has_scheme = std::ranges::any_of(
      schemes(), [&](const Scheme& scheme) { return scheme.key_type == type && permits(identity, scheme.algorithm); });
  if (!has_scheme) return std::optional<StoredIdentity>();
  return std::optional(std::move(identity));
}

Result<std::vector<StoredIdentity>> stored_identities(SecureKeyStore& store, std::size_t limit) {
  std::vector<StoredIdentity> identities;
  for (KeyHandle previous; identities.size() < limit;) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (!next) break;
    previous = next->handle;
    auto identity = identity_of(store, next->handle);
    if (!identity && identity.error().status == Status::no_key) continue;  // deleted meanwhile
    if (!identity) return std::move(identity).error();
    if (*identity) identities.push_back(std::move(**identity));
  }
  return identities;
}

}  // namespace sks::ssh
