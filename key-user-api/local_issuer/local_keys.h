#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sks-core/base/clock.h"
#include "sks-core/base/pin_value.h"
#include "sks-core/engine/secure_key_store.h"

/// Keys that the owner of a key store makes or brings. They take the path of enrolled keys through the local issuer, so
/// that attestations and policies hold for them too. Spec: spec/local-keys.md.
namespace sks {

/// The property bag of local keys: "id" (hexadecimal), "label" and "certificates" (those that have taken the place of
/// the key's own), which setProperty may change.
inline constexpr std::string_view kPkcs11ExtensionType = "urn:sks:ext:pkcs11";
inline constexpr std::string_view kPkcs11Id = "id";
inline constexpr std::string_view kPkcs11Label = "label";
inline constexpr std::string_view kPkcs11Certificates = "certificates";

/// The value of "certificates" for a path, end entity first. The store takes one of kMaxCertificatesText characters.
std::string write_certificates(const std::vector<Bytes>& path);
inline constexpr char kCertificateSeparator = '.';
inline constexpr std::size_t kMaxCertificatesText = 60000;

/// The empty extension of the key that lets further keys under a PIN.
inline constexpr std::string_view kPinManagerType = "urn:sks:ext:pin-manager";

/// Values of exportProtection and deleteProtection, sks-api.md 5.1.
enum class Protection : std::uint8_t { none, pin, puk, forbidden };

/// Values of appUsage, sks-api.md 5.1.
enum class AppUsage : std::uint8_t { signature, authentication, encryption, universal };

struct LocalKeySpec {
  std::string label;  ///< at most 100 characters
  AppUsage app_usage = AppUsage::universal;
  std::vector<std::string> endorsed_algorithms = {};  ///< in any order; empty: all that fit
  Protection export_protection = Protection::forbidden;
  Protection delete_protection = Protection::none;
  Bytes pkcs11_id = {};  ///< empty: the one that PKCS#11 gives a key by itself
};

/// A key pair that the key store makes. `algorithm`: URI of a key generation algorithm.
struct GeneratedKey {
  std::string algorithm;
  Bytes parameters = {};  ///< RSA exponent, for ".exp" algorithms
};
/// A private key that comes from outside.
struct BroughtKey {
  SecureBytes pkcs8;
  std::vector<Bytes> certificate_path = {};  ///< DER, end entity first; empty: the local issuer certifies the key
};
struct BroughtSymmetricKey {
  SecureBytes value;
};

struct LocalKeyRequest {
  std::variant<GeneratedKey, BroughtKey, BroughtSymmetricKey> source;
  LocalKeySpec spec;
};

struct NewPuk {
  SecureBytes value;
  pin::Format format = pin::Format::string;
  std::uint16_t retry_limit = 3;
};
/// A PIN that the keys of one call share, and its policy.
struct NewPin {
  SecureBytes value;
  pin::Format format = pin::Format::string;
  std::uint16_t min_length = 4;  ///< bytes
  std::uint16_t max_length = pin::kMaxLength;
  std::uint16_t retry_limit = 3;
  std::uint8_t pattern_restrictions = 0;
  std::optional<NewPuk> puk = std::nullopt;
};

/// The key that lets further keys under its PIN. Stays what it is until that key is deleted.
struct PinManager {
  KeyHandle key;
  Bytes certificate;  ///< end entity, DER
  Bytes public_key;   ///< SPKI
};
/// Puts the keys of one call under a PIN that is there.
struct SharedPin {
  PinManager manager;
  SecureBytes pin;
};

/// std::monostate: no PIN.
using LocalPin = std::variant<std::monostate, NewPin, SharedPin>;

struct LocalKey {
  KeyHandle handle;
  Bytes certificate;  ///< end entity, DER
};

/// Makes or imports the keys in one provisioning session: all of them or none. They come back in their order.
///
/// Before anything happens in the store it fails with option (the label, a symmetric key without 1 to 128 bytes, a
/// certificate of another key, protections that a shared PIN cannot give), crypto (a private key or certificate that
/// does not decode) or not_available (a kind of key that the store does not make). Then with authorization (a shared
/// PIN is wrong or locked) or as the methods of the key store, and with crypto also when the keys are there and the
/// attestation that closes the session is wrong, which only a key store does that lies.
///
/// Putting a key under a shared PIN takes a time that grows with the number of keys under it: sks-api.md 7.6 has all of
/// them change their session.
Result<std::vector<LocalKey>> provision_local_keys(SecureKeyStore& store, const std::vector<LocalKeyRequest>& requests,
                                                   const LocalPin& pin, const Clock& clock = system_clock());

/// One key. Fails as provision_local_keys().
Result<LocalKey> create_key(SecureKeyStore& store, GeneratedKey key, LocalKeySpec spec, const LocalPin& pin = {},
                            const Clock& clock = system_clock());
Result<LocalKey> import_key(SecureKeyStore& store, BroughtKey key, LocalKeySpec spec, const LocalPin& pin = {},
                            const Clock& clock = system_clock());
Result<LocalKey> import_symmetric_key(SecureKeyStore& store, BroughtSymmetricKey key, LocalKeySpec spec,
                                      const LocalPin& pin = {}, const Clock& clock = system_clock());

/// The manager of the PIN of `key`. Looks at every key and session up to it: worth keeping for more than one call.
/// Fails with no_key, or option when no further key can get that PIN: there is none, an issuer manages it, or its
/// manager was deleted.
Result<PinManager> find_pin_manager(SecureKeyStore& store, KeyHandle key);

/// Fails with not_available unless the store makes keys like this one, and so can hold it.
Result<void> check_storable(SecureKeyStore& store, ByteView public_key_spki);

}  // namespace sks
