#include "conformance/record_scenarios.h"

#include "conformance/key_use.h"
#include "keygen2/enumerations.h"
#include "sks-core/crypto/x509.h"

namespace sks::conformance {
namespace {

constexpr const char* kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
constexpr const char* kP384 = "https://webpki.github.io/sks/algorithm#ec.nist.p384";
constexpr const char* kRsa2048 = "https://webpki.github.io/sks/algorithm#rsa2048";
constexpr const char* kEd25519 = "https://webpki.github.io/sks/algorithm#ed25519";
constexpr const char* kEcdsaSha256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
constexpr std::string_view kMessage = "Success or not?";
constexpr std::string_view kPuk = "0123456789";
constexpr std::string_view kPresetPin = "312589";
constexpr std::string_view kWrongPin = "999999";
constexpr const char* kHmacSha256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
constexpr const char* kExtension = "https://issuer.example.com/extension";
constexpr const char* kSecretExtension = "https://issuer.example.com/secret";
constexpr const char* kBag = "https://issuer.example.com/properties";
constexpr const char* kLogotype = "https://webpki.github.io/keygen2/logotype#card";
constexpr const char* kWritable = "writable";
constexpr std::string_view kRollOverLabel = "RollOverAuthorization";
constexpr std::uint8_t kSignature = 0;
constexpr std::uint8_t kAuthentication = 1;

using keygen2::IssuancePlan;
using keygen2::KeySpec;
using keygen2::PinPolicySpec;
using keygen2::PukPolicySpec;

SecureBytes secret(std::string_view text) { return SecureBytes::copy_of(as_bytes(text)); }

KeySpec key(const char* algorithm, std::uint8_t app_usage = kAuthentication) {
  KeySpec spec;
  spec.key_algorithm = algorithm;
  spec.app_usage = app_usage;
  return spec;
}

IssuancePlan empty_plan(const RecordContext& context) {
  IssuancePlan plan;
  plan.issuer_uri = context.issuer_uri;
  return plan;
}

IssuancePlan plain_key(const RecordContext& context) {
  IssuancePlan plan = empty_plan(context);
  plan.keys.push_back(key(kP256));
  return plan;
}

IssuancePlan anonymous(const RecordContext& context) {
  IssuancePlan plan = plain_key(context);
  plan.privacy_enabled = true;
  return plan;
}

IssuancePlan under_pin(const RecordContext& context) {
  IssuancePlan plan = empty_plan(context);
  PinPolicySpec pin;
  pin.keys.push_back(key(kP256));
  plan.pin_policies.push_back(std::move(pin));
  return plan;
}

IssuancePlan under_puk(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  PukPolicySpec puk;
  puk.puk = secret(kPuk);
  puk.pin_policies = std::move(plan.pin_policies);
  plan.pin_policies.clear();
  plan.puk_policies.push_back(std::move(puk));
  return plan;
}

IssuancePlan with_preset_pin(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  plan.pin_policies.front().keys.front().preset_pin = secret(kPresetPin);
  return plan;
}

IssuancePlan under_device_pin(const RecordContext& context) {
  IssuancePlan plan = plain_key(context);
  plan.keys.front().device_pin_protection = true;
  return plan;
}

IssuancePlan several_keys(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  PinPolicySpec& pin = plan.pin_policies.front();
  pin.grouping = 1;
  pin.keys.front().friendly_name = "Login";
  pin.keys.front().endorsed_algorithms = {kEcdsaSha256};
  pin.keys.push_back(key(kRsa2048, kSignature));
  plan.keys.push_back(key(kP384));
  plan.keys.push_back(key(kEd25519));
  return plan;
}

IssuancePlan manageable(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  plan.key_management_key = context.key_management_key.public_key().spki();
  return plan;
}

/// Keys of earlier sessions are looked for, and the session can manage what it takes over.
IssuancePlan managing(const RecordContext& context) {
  IssuancePlan plan = empty_plan(context);
  plan.key_management_key = context.key_management_key.public_key().spki();
  plan.lookups.push_back({plan.key_management_key, std::nullopt});
  plan.reserve.target_operations = 1;
  return plan;
}

IssuancePlan replacing(const RecordContext& context) {
  IssuancePlan plan = managing(context);
  plan.keys.push_back(key(kP256));
  return plan;
}

IssuancePlan shareable(const RecordContext& context) {
  IssuancePlan plan = manageable(context);
  plan.pin_policies.front().grouping = keygen2::kGroupingShared;
  return plan;
}

/// The key management key of the first session gives way to the next one.
IssuancePlan rolling_over(const RecordContext& context) {
  IssuancePlan plan = managing(context);
  plan.key_management_key = context.next_key_management_key.public_key().spki();
  plan.lookups.front().key_management_key = plan.key_management_key;
  const Bytes covered = concat({as_bytes(kRollOverLabel), plan.key_management_key});
  auto authorization = context.key_management_key.sign(covered);
  if (authorization)
    plan.roll_overs.push_back({context.key_management_key.public_key().spki(), std::move(authorization).value(), {}});
  return plan;
}

IssuancePlan deferred(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  plan.deferred_issuance = true;
  return plan;
}

IssuancePlan for_symmetric_key(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  plan.pin_policies.front().keys.front().endorsed_algorithms = {kHmacSha256};
  plan.reserve.imported_keys = 1;
  return plan;
}

IssuancePlan for_private_key(const RecordContext& context) {
  IssuancePlan plan = under_pin(context);
  plan.reserve.imported_keys = 1;
  return plan;
}

IssuancePlan for_extensions(const RecordContext& context) {
  IssuancePlan plan = plain_key(context);
  plan.reserve.extensions = 3;
  plan.reserve.encrypted_extensions = 1;
  return plan;
}

/// Keys of three kinds that may leave the device, under a PIN and a PUK.
IssuancePlan for_every_use(const RecordContext& context) {
  IssuancePlan plan = under_puk(context);
  PinPolicySpec& pin = plan.puk_policies.front().pin_policies.front();
  pin.grouping = keygen2::kGroupingShared;
  pin.keys.push_back(key(kRsa2048));
  pin.keys.push_back(key(kEd25519));
  for (KeySpec& spec : pin.keys) {
    spec.export_protection = keygen2::kProtectionPin;
    spec.delete_protection = keygen2::kProtectionPin;
  }
  return plan;
}

keygen2::Management unlock_all(const RecordContext& context) {
  keygen2::Management management;
  management.operations.unlock = context.issued;
  return management;
}
keygen2::Management delete_all(const RecordContext& context) {
  keygen2::Management management;
  management.operations.remove = context.issued;
  return management;
}
/// The key that was rolled over is under the next key management key now.
keygen2::Management unlock_rolled_over(const RecordContext& context) {
  keygen2::Management management = unlock_all(context);
  for (keygen2::TargetKey& target : management.operations.unlock)
    target.key_management_key = context.next_key_management_key.public_key().spki();
  return management;
}

void update_first(const RecordContext& context, keygen2::CredentialSpec& credential) {
  credential.update = context.issued.front();
}
void clone_first(const RecordContext& context, keygen2::CredentialSpec& credential) {
  credential.clone = context.issued.front();
}
void import_symmetric(const RecordContext&, keygen2::CredentialSpec& credential) {
  credential.symmetric_key = secret("0123456789abcdef0123456789abcdef");
}
void import_private(const RecordContext&, keygen2::CredentialSpec& credential) {
  const auto key = crypto::PrivateKey::generate(*find_algorithm(kP256));
  auto pkcs8 = key ? key->to_pkcs8() : Result<SecureBytes>(key.error());
  if (pkcs8) credential.private_key = std::move(pkcs8).value();
}
void add_extensions(const RecordContext&, keygen2::CredentialSpec& credential) {
  credential.extensions.push_back({0, kExtension, "", secret("in the clear"), {}});
  credential.extensions.push_back({keygen2::kEncryptedExtension, kSecretExtension, "", secret("encrypted"), {}});
  credential.extensions.push_back(
      {keygen2::kPropertyBag, kBag, "", {}, {{"fixed", "234", false}, {kWritable, "before", true}}});
  credential.extensions.push_back({keygen2::kLogotype, kLogotype, "image/svg+xml", secret("<svg/>"), {}});
}

void sign(SecureKeyStore& store, KeyHandle key, std::string_view pin) {
  const Authorization authorization{secret(pin), false};
  (void)store.sign_data(key, kEcdsaSha256, {}, authorization, as_bytes(kMessage));
  (void)store.get_key_protection_info(key);
}

void use_with_pin(SecureKeyStore& store, KeyHandle key) { sign(store, key, kUserPin); }
void mistype_and_use(SecureKeyStore& store, KeyHandle key) {
  sign(store, key, kWrongPin);
  sign(store, key, kUserPin);
}
void use_with_preset_pin(SecureKeyStore& store, KeyHandle key) { sign(store, key, kPresetPin); }
void lock(SecureKeyStore& store, KeyHandle key) {
  for (int i = 0; i < 3; ++i) sign(store, key, kWrongPin);
}
void authenticate(SecureKeyStore& store, KeyHandle key) {
  (void)store.perform_hmac(key, kHmacSha256, {}, {secret(kUserPin), false}, as_bytes(kMessage));
}
void read_extensions(SecureKeyStore& store, KeyHandle key) {
  for (const char* const type : {kExtension, kSecretExtension, kBag, kLogotype}) (void)store.get_extension(key, type);
  (void)store.set_property(key, kBag, kWritable, "after");
  (void)store.set_property(key, kBag, "fixed", "after");
  (void)store.get_extension(key, kBag);
}
/// What is done with keys of a kind.
struct Use {
  enum class Method : std::uint8_t { sign_data, sign_hashed_data, decrypt, agree };
  KeyKind kind;
  Method method;
  const char* algorithm;
};
constexpr auto kUses = std::to_array<Use>({
    {KeyKind::ec, Use::Method::sign_data, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"},
    {KeyKind::ec, Use::Method::sign_hashed_data, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"},
    {KeyKind::ec, Use::Method::sign_hashed_data, "https://webpki.github.io/sks/algorithm#ecdsa.none"},
    {KeyKind::ec, Use::Method::agree, "https://webpki.github.io/sks/algorithm#ecdh.raw"},
    {KeyKind::rsa, Use::Method::sign_data, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"},
    {KeyKind::rsa, Use::Method::sign_hashed_data, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"},
    {KeyKind::rsa, Use::Method::sign_hashed_data, "https://webpki.github.io/sks/algorithm#rsa.pkcs1.none"},
    {KeyKind::rsa, Use::Method::decrypt, "https://webpki.github.io/sks/algorithm#rsa.es.pkcs1_5"},
    {KeyKind::rsa, Use::Method::decrypt, "https://webpki.github.io/sks/algorithm#rsa.oaep.sha1"},
    {KeyKind::rsa, Use::Method::decrypt, "https://webpki.github.io/sks/algorithm#rsa.oaep.sha256"},
    {KeyKind::ed25519, Use::Method::sign_data, kEd25519},
    {KeyKind::ed25519, Use::Method::sign_hashed_data, kEd25519},
});

void use(SecureKeyStore& store, KeyHandle key, const crypto::PublicKey& certified, const Use& use) {
  const Authorization authorization{secret(kUserPin), false};
  const crypto::Sha256Digest hash = crypto::sha256(as_bytes(kMessage));
  if (use.method == Use::Method::sign_data)
    (void)store.sign_data(key, use.algorithm, {}, authorization, as_bytes(kMessage));
  if (use.method == Use::Method::sign_hashed_data)
    (void)store.sign_hashed_data(key, use.algorithm, {}, authorization, hash);
  if (use.method == Use::Method::decrypt)
    if (const auto data = encrypt_for(certified, {*find_algorithm(use.algorithm)}, as_bytes(kMessage)))
      (void)store.asymmetric_key_decrypt(key, use.algorithm, {}, authorization, *data);
  if (use.method == Use::Method::agree)
    if (const auto peer = crypto::PrivateKey::generate(*find_algorithm(kP256)))
      (void)store.key_agreement(key, use.algorithm, {}, authorization, peer->public_key().spki());
}

void use_in_every_way(SecureKeyStore& store, KeyHandle key) {
  const auto attributes = store.get_key_attributes(key);
  if (!attributes) return;
  const auto certificate = crypto::Certificate::from_der(attributes->certificate_path.front());
  const auto certified = certificate ? certificate->public_key() : Result<crypto::PublicKey>(certificate.error());
  if (!certified) return;
  (void)store.verify_pin(key, secret(kUserPin));
  (void)store.verify_pin(key, secret(kWrongPin));
  for (const Use& row : kUses)
    if (row.kind == certified->kind()) use(store, key, *certified, row);
  (void)store.export_key(key, secret(kUserPin));
  (void)store.get_key_protection_info(key);
  (void)store.change_pin(key, secret(kUserPin), secret(kPresetPin));
  (void)store.verify_pin(key, secret(kUserPin));
  (void)store.set_pin(key, secret(kPuk), secret(kUserPin));
  (void)store.verify_pin(key, secret(kUserPin));
  if (certified->kind() == KeyKind::ed25519) (void)store.delete_key(key, secret(kUserPin));
}

void use_freely(SecureKeyStore& store, KeyHandle key) { sign(store, key, ""); }
void lock_and_unlock(SecureKeyStore& store, KeyHandle key) {
  for (int i = 0; i < 3; ++i) sign(store, key, kWrongPin);
  sign(store, key, kUserPin);
  (void)store.unlock_key(key, secret(kPuk));
  sign(store, key, kUserPin);
}

}  // namespace

std::span<const RecordScenario> scenarios() {
  static const std::vector<RecordScenario> all{
      {"enrol", "one key without PIN", {{plain_key, nullptr, nullptr, use_freely}}},
      {"enrol-anonymously",
       "one key, and the device does not tell who it is",
       {{anonymous, nullptr, nullptr, use_freely}}},
      {"enrol-pin", "one key under a PIN, which is mistyped once", {{under_pin, nullptr, nullptr, mistype_and_use}}},
      {"enrol-puk",
       "a PIN that gets locked, and the PUK that unlocks it",
       {{under_puk, nullptr, nullptr, lock_and_unlock}}},
      {"enrol-preset-pin", "a PIN that the issuer has set", {{with_preset_pin, nullptr, nullptr, use_with_preset_pin}}},
      {"enrol-device-pin", "one key under the PIN of the device", {{under_device_pin}}},
      {"enrol-several",
       "keys of four kinds, two of them under one PIN",
       {{several_keys, nullptr, nullptr, use_with_pin}}},
      {"every-use",
       "keys of three kinds, used, exported and deleted, and changes of their PIN",
       {{for_every_use, nullptr, nullptr, use_in_every_way}}},
      {"deferred",
       "the issuer takes its time between keys and certificates",
       {{deferred, nullptr, nullptr, use_with_pin}}},
      {"import-symmetric",
       "a symmetric key of the issuer",
       {{for_symmetric_key, import_symmetric, nullptr, authenticate}}},
      {"import-private", "a private key of the issuer", {{for_private_key, import_private, nullptr, use_with_pin}}},
      {"extensions", "objects of all four kinds", {{for_extensions, add_extensions, nullptr, read_extensions}}},
      {"unlock",
       "a locked key, and the session that unlocks it",
       {{manageable, nullptr, nullptr, lock}, {managing, nullptr, unlock_all}}},
      {"delete", "a key, and the session that deletes it", {{manageable}, {managing, nullptr, delete_all}}},
      {"update",
       "a key, and another one that takes its place",
       {{manageable, nullptr, nullptr, use_with_pin}, {replacing, update_first, nullptr, use_with_pin}}},
      {"clone",
       "a key, and another one that shares its PIN",
       {{shareable, nullptr, nullptr, use_with_pin}, {replacing, clone_first, nullptr, use_with_pin}}},
      {"roll-over",
       "a key management key that replaces another one, and manages its keys",
       {{manageable, nullptr, nullptr, lock}, {rolling_over, nullptr, unlock_rolled_over}}},
      {"enrol-twice",
       "a session with a key management key, and another one on the same device",
       {{manageable, nullptr, nullptr, use_with_pin}, {plain_key}}},
  };
  return all;
}

}  // namespace sks::conformance
