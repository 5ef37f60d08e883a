#include <openssl/objects.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/core.h"
#include "sks-core/engine/pin_rules.h"
#include "sks-core/engine/session_crypto.h"

/// Key entries and their certificates: sks-api.md 4.9 and 4.11.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxServerSeed = 64;
constexpr std::size_t kMaxKeyParameters = 8;
constexpr std::size_t kMaxFriendlyName = 100;  // Spec: appendix E1
// Bytes of a serialised path. A frame of 1,048,576 bytes must hold the answer to getKeyAttributes, with 255 extension
// types of 1002 bytes, and less than 6 KiB of everything else. Spec: sks-byte-stream.md, detail 9.
constexpr std::size_t kMaxPath = 786'432;

Error option(std::string_view why) { return {Status::option, std::string(why)}; }

Result<const Algorithm*> check_arguments(const KeyEntryRequest& request) {
  if (request.key_entry_algorithm != kKeyEntryAlgorithm)
    return Error{Status::algorithm, "Algorithm not supported: " + request.key_entry_algorithm};
  const Algorithm* const algorithm = find_key_generation(request.key_algorithm);
  if (algorithm == nullptr) return option("Algorithm not supported: " + request.key_algorithm);
  if (request.key_parameters.empty() == algorithm->takes_parameters)
    return option("keyParameters do not fit keyAlgorithm");
  if (request.server_seed.size() > kMaxServerSeed) return option("serverSeed is too long");
  if (request.export_protection > kLastOfFour) return option("exportProtection out of range");
  if (request.delete_protection > kLastOfFour) return option("deleteProtection out of range");
  if (request.app_usage > kLastOfFour) return option("appUsage out of range");
  if (request.biometric_protection > kLastOfFour) return option("biometricProtection out of range");
  if (count_code_points(request.friendly_name) > kMaxFriendlyName) return option("friendlyName is too long");
  return algorithm;
}

bool asks_for(const KeyEntryRequest& request, Protection protection) {
  const auto value = static_cast<std::uint8_t>(protection);
  return request.delete_protection == value || request.export_protection == value;
}

// Step 10: the local PIN policy, now marked as referenced, or null.
Result<std::shared_ptr<const PinPolicy>> arrange_pin(SessionCall& call, const KeyEntryRequest& request) {
  std::shared_ptr<const PinPolicy> policy;
  if (request.device_pin_protection) {
    if (call.core.config.device_pin == nullptr) return option("there is no device PIN");
    if (request.pin_policy) return option("a key has either a device PIN or a PIN policy");
    return policy;
  }
  if (request.pin_policy) {
    SKS_LET(policy, call.core.state->find<PinPolicy>(request.pin_policy));
    if (policy == nullptr || policy->session != call.session.handle)
      return option("Unknown PIN policy " + std::to_string(request.pin_policy.value));
    if (request.enable_pin_caching && policy->input_method != kInputMethodTrustedGui)
      return option("enablePinCaching needs inputMethod trusted-gui");
    call.session.name_space[policy->id] = true;
    return policy;
  }
  if (asks_for(request, Protection::pin) || asks_for(request, Protection::puk))
    return option("deleteProtection or exportProtection needs a PIN");
  if (request.enable_pin_caching || !request.pin_value.empty()) return option("the key has no PIN");
  return policy;
}

// Steps 11 and 12.
Result<void> check_protection(const EngineConfig& config, const KeyEntryRequest& request, const PinPolicy* policy) {
  const auto biometrics = static_cast<Biometrics>(request.biometric_protection);
  if (biometrics != Biometrics::none) {
    const bool pin_protected = request.device_pin_protection || policy != nullptr;
    if (!config.biometric_support) return option("there is no biometric support");
    if (pin_protected == (biometrics == Biometrics::exclusive))
      return option("biometricProtection does not fit the PIN arrangement");
  }
  const bool has_puk = policy != nullptr && policy->puk_policy;
  if (!has_puk && asks_for(request, Protection::puk)) return option("deleteProtection or exportProtection needs a PUK");
  return {};
}

ByteWriter key_entry_data(const KeyEntryRequest& request, const PinPolicy* policy) {
  const bool issuer_set = policy != nullptr && !policy->user_defined;
  ByteWriter data;
  data.text(request.id).text(request.key_entry_algorithm).array(request.server_seed);
  data.text(policy == nullptr ? std::string_view() : std::string_view(policy->id));
  data.array(issuer_set ? request.pin_value.view() : ByteView());
  data.boolean(request.device_pin_protection).boolean(request.enable_pin_caching);
  data.u8(request.biometric_protection).u8(request.export_protection).u8(request.delete_protection);
  data.u8(request.app_usage).text(request.friendly_name).text(request.key_algorithm).array(request.key_parameters);
  for (const std::string& uri : request.endorsed_algorithms) data.text(uri);
  return data;
}

// Steps 13 to 17: the value of the local PIN, empty without PIN policy.
Result<SecureBytes> authenticate(SessionCall& call, const KeyEntryRequest& request, const PinPolicy* policy) {
  constexpr std::string_view kMethod = "createKeyEntry";
  SKS_LET(const crypto::Sha256Digest mac, next_mac(call.session, kMethod, key_entry_data(request, policy).view()));
  SecureBytes pin;
  if (policy != nullptr && policy->user_defined) pin = SecureBytes::copy_of(request.pin_value.view());
  if (policy != nullptr && !policy->user_defined) {
    SKS_LET(pin, next_decryption(call.session, request.pin_value.view()));
  }
  SKS_TRY(check_endorsed(request.endorsed_algorithms));
  SKS_TRY(compare_mac(mac, request.mac, kMethod));
  if (policy != nullptr) SKS_TRY(check_pin_value(*policy, pin.view()));
  return pin;
}

Result<PinGroupHandle> found_group(Change& change, const PinPolicy& policy, AppUsage usage, SecureBytes pin) {
  SKS_LET(PinGroup* const group, change.create<PinGroup>());
  group->policy = policy.handle;
  group->group_class = group_class(policy.grouping, usage);
  group->value = share(std::move(pin));
  return group->handle;
}

Result<KeyEntry*> create_entry(SessionCall& call, const KeyEntryRequest& request,
                               const crypto::PrivateKey& private_key) {
  SKS_LET(KeyEntry* const key, call.change.create<KeyEntry>());
  key->session = call.session.handle;
  key->id = request.id;
  key->kind = private_key.public_key().kind();
  key->public_key = private_key.public_key().spki();
  key->app_usage = static_cast<AppUsage>(request.app_usage);
  key->friendly_name = request.friendly_name;
  key->endorsed_algorithms = request.endorsed_algorithms;
  key->device_pin_protection = request.device_pin_protection;
  key->pin_policy = request.pin_policy;
  key->enable_pin_caching = request.enable_pin_caching;
  key->biometric_protection = static_cast<Biometrics>(request.biometric_protection);
  key->export_protection = static_cast<Protection>(request.export_protection);
  key->delete_protection = static_cast<Protection>(request.delete_protection);
  SKS_LET(SecureBytes pkcs8, private_key.to_pkcs8());
  call.change.set_key_material(key->handle, std::move(pkcs8));
  return key;
}

// Users of other keys go on meanwhile: an RSA key can take seconds.
Result<crypto::PrivateKey> generate(Core& core, const Algorithm& algorithm, const KeyEntryRequest& request) {
  const Unlocked others_may_work(core.locks.store);
  Result<crypto::PrivateKey> key = core.ports.keys.generate(algorithm, request.key_parameters, request.server_seed);
  if (!key) return Error{Status::crypto, std::move(key).error().detail};
  return key;
}

Result<CreatedKey> create_key_entry(SessionCall& call, const KeyEntryRequest& request) {
  SKS_LET(const Algorithm* const algorithm, check_arguments(request));
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, arrange_pin(call, request));
  SKS_TRY(check_protection(call.core.config, request, policy.get()));
  SKS_LET(SecureBytes pin, authenticate(call, request, policy.get()));
  const auto usage = static_cast<AppUsage>(request.app_usage);
  std::shared_ptr<const PinGroup> joined;
  if (policy != nullptr) {
    SKS_LET(joined, find_group(*call.core.state, *policy, usage, pin.view()));
  }
  if (request.key_parameters.size() > kMaxKeyParameters) return option("keyParameters are too long");
  SKS_TRY(register_id(call.session, request.id, true));
  SKS_LET(const crypto::PrivateKey private_key, generate(call.core, *algorithm, request));
  const Bytes public_key = private_key.public_key().spki();
  ByteWriter attested;
  attested.array(public_key).array(request.mac);
  SKS_LET(Bytes attestation, next_attestation(call.session, attested.view()));
  SKS_LET(KeyEntry* const key, create_entry(call, request, private_key));
  if (joined != nullptr) {
    key->pin_group = joined->handle;
  } else if (policy != nullptr) {
    SKS_LET(key->pin_group, found_group(call.change, *policy, usage, std::move(pin)));
  }
  return CreatedKey{key->handle, public_key, std::move(attestation)};
}

// What a certificate says about its key. None: a type this SKS does not know.
struct CertifiedKey {
  std::optional<KeyKind> kind;
  Bytes spki;
};

// The types of which a malformed key is refused. Spec: appendix C3.
constexpr std::array kKnownTypes{NID_rsaEncryption, NID_X9_62_id_ecPublicKey, NID_ED25519, NID_ED448, NID_X25519,
                                 NID_X448};

// Step 7 tests RSA and EC keys; a key of an unknown type is nobody's business until close.
Result<CertifiedKey> check_certified_key(const crypto::Certificate& certificate) {
  ASN1_OBJECT* type = nullptr;
  const bool has_type = X509_PUBKEY_get0_param(&type, nullptr, nullptr, nullptr,
                                               X509_get_X509_PUBKEY(certificate.openssl_without_key())) == 1;
  const int nid = has_type ? OBJ_obj2nid(type) : NID_undef;
  Result<crypto::PublicKey> key = certificate.public_key();
  if (key) {
    if (key->kind() == KeyKind::rsa || key->kind() == KeyKind::ec) SKS_TRY(check_supported(*key, "certificate"));
    return CertifiedKey{key->kind(), key->spki()};
  }
  if (std::ranges::find(kKnownTypes, nid) != kKnownTypes.end()) return std::move(key).error();
  return CertifiedKey{};
}

Result<void> check_sizes(const std::vector<Bytes>& path, std::size_t longest_certificate) {
  std::size_t size = 0;
  for (const Bytes& certificate : path) {
    if (certificate.size() > longest_certificate) return option("a certificate is too long");
    size += sizeof(std::uint16_t) + certificate.size();
  }
  if (size > kMaxPath) return option("the certificate path is too long");
  return {};
}

Result<void> set_path(SessionCall& call, const KeyEntry& key, const std::vector<Bytes>& path, ByteView mac) {
  constexpr std::string_view kMethod = "setCertificatePath";
  // After a first path the entry's public key is that of its certificate.
  const bool certified = !key.certificate_public_key.empty();
  ByteWriter data;
  data.array(certified ? key.certificate_public_key : key.public_key).text(key.id);
  for (const Bytes& certificate : path) data.array(certificate);
  SKS_LET(const crypto::Sha256Digest expected, next_mac(call.session, kMethod, data.view()));
  SKS_TRY(check_sizes(path, call.core.config.crypto_data_size));
  SKS_TRY(compare_mac(expected, mac, kMethod));
  if (path.empty()) return Error{Status::internal, "the certificate path is empty"};
  std::optional<crypto::Certificate> end_entity;
  for (const Bytes& der : path) {
    SKS_LET(crypto::Certificate certificate, crypto::Certificate::from_der(der));
    if (!end_entity) end_entity.emplace(std::move(certificate));
  }
  SKS_LET(CertifiedKey certified_key, check_certified_key(*end_entity));
  if (key.has_certificate()) return option("the key has a certificate path already");
  SKS_LET(KeyEntry* const entry, call.change.edit<KeyEntry>(key.handle));
  entry->certificate_path = path;
  entry->certificate_kind = certified_key.kind;
  entry->certificate_public_key = std::move(certified_key.spki);
  return {};
}

}  // namespace
}  // namespace engine

Result<CreatedKey> Engine::create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) {
  SKS_TRY(
      engine::check_decodable({request.server_seed, request.pin_value.view(), request.key_parameters, request.mac},
                              {request.id, request.key_entry_algorithm, request.friendly_name, request.key_algorithm}));
  SKS_TRY(engine::check_decodable(request.endorsed_algorithms));
  return impl_->core.in_open_session(
      session, [&](engine::SessionCall& call) { return engine::create_key_entry(call, request); });
}

Result<void> Engine::set_certificate_path(KeyHandle handle, const std::vector<Bytes>& path, ByteView mac) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({mac}, {}));
  SKS_TRY(engine::check_decodable(path));
  return core.in_session_of(handle, [&](engine::SessionCall& call, const engine::KeyEntry& key) {
    return engine::set_path(call, key, path, mac);
  });
}

}  // namespace sks
