#include <algorithm>
#include <array>

#include "conformance/kit/client_role.h"
#include "conformance/kit/jwk.h"
#include "keygen2/enumerations.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"

// The creation of keys, and what is done with them. Spec: keygen2.md 1.5 C-4 and C-5, 8.4 to 8.7.
namespace sks::conformance {
namespace {

std::uint16_t u16(const Node& node) { return static_cast<std::uint16_t>(node.number()); }

struct Alphabet {
  std::string_view format;
  std::string_view characters;  ///< no pattern restriction is met by a piece of it, wherever it begins
};
constexpr auto kAlphabets = std::to_array<Alphabet>({
    {"numeric", "8152903746"},
    {"alphanumeric", "B7K2M9X4Q1Z8D5F3"},
    {"string", "aB3!dE6?gH9#jK2%"},
    {"binary", "aB3!dE6?gH9#jK2%"},
});

/// A PIN that every policy of this format takes. Those with another number begin with another character.
SecureBytes choose_pin(const Node& policy, std::size_t number) {
  const std::string format = policy["format"].text();
  const auto* const alphabet = std::ranges::find(kAlphabets, format, &Alphabet::format);
  if (alphabet == kAlphabets.end()) return {};
  std::string pin;
  const std::size_t length = policy["minLength"].number();
  for (std::size_t i = 0; i < length; ++i) pin += alphabet->characters[(number + i) % alphabet->characters.size()];
  return SecureBytes::copy_of(as_bytes(pin));
}

/// Which of the PINs of a policy a key has. Spec: keygen2.md 8.4.
std::size_t pin_number(const Node& policy, const Node& key, std::size_t index) {
  const std::string grouping = policy["grouping"].optional_text();
  const std::size_t usage = key["appUsage"].enumeration(keygen2::kAppUsages);
  if (grouping == "shared") return 0;
  if (grouping == "unique") return usage;
  if (grouping == "signature+standard") return usage == keygen2::kAppUsageSignature ? 0 : 1;
  return index;
}

}  // namespace

/// Executes a KeyCreationRequest. Spec: keygen2.md 4.8 and 8.5.
class ClientRole::Creator {
 public:
  Creator(ClientRole& role, const Node& request) : role_(role), request_(request) {}

  bool run() {
    for (const Node& puk : request_["pukPolicySpecifiers"].optional_elements())
      if (!on_puk(puk)) return false;
    for (const Node& pin : request_["pinPolicySpecifiers"].optional_elements())
      if (!on_pin(pin, {})) return false;
    for (const Node& key : request_["keyEntrySpecifiers"].optional_elements())
      if (!on_key(key, nullptr, {}, 0)) return false;
    request_.findings().count();
    if (generated.empty()) request_.fail("asks for no key");
    return true;
  }

  Json generated = Json::array();

 private:
  bool on_puk(const Node& puk) {
    const auto handle = role_.store().create_puk_policy(
        role_.session_, {puk["id"].text(), puk["encryptedPuk"].base64url(),
                         puk["format"].enumeration(keygen2::kFormats), u16(puk["retryLimit"]), puk["mac"].base64url()});
    if (!handle) return role_.accept(puk, "createPukPolicy", handle.error());
    for (const Node& pin : puk["pinPolicySpecifiers"].elements())
      if (!on_pin(pin, *handle)) return false;
    return true;
  }

  bool on_pin(const Node& pin, PukPolicyHandle puk) {
    const std::vector<Node> keys = pin["keyEntrySpecifiers"].elements();
    const auto preset = [](const Node& key) { return key["encryptedPin"].exists(); };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(keys, preset));
    if (count != 0 && count != keys.size()) pin.fail("mixes preset PINs and others");
    PinPolicyRequest call;
    call.id = pin["id"].text();
    call.puk_policy = puk;
    call.user_defined = count == 0;
    call.user_modifiable = pin["userModifiable"].optional_boolean(true);
    call.format = pin["format"].enumeration(keygen2::kFormats);
    call.retry_limit = u16(pin["retryLimit"]);
    call.grouping = pin["grouping"].optional_enumeration(keygen2::kGroupings, keygen2::kGroupingNone);
    for (const Node& pattern : pin["patternRestrictions"].optional_elements())
      call.pattern_restrictions |= static_cast<std::uint8_t>(1U << pattern.enumeration(keygen2::kPatternRestrictions));
    call.min_length = u16(pin["minLength"]);
    call.max_length = u16(pin["maxLength"]);
    call.input_method = pin["inputMethod"].optional_enumeration(keygen2::kInputMethods, 0);
    call.mac = pin["mac"].base64url();
    const auto handle = role_.store().create_pin_policy(role_.session_, call);
    if (!handle) return role_.accept(pin, "createPinPolicy", handle.error());
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (!on_key(keys[i], &pin, *handle, i)) return false;
    return true;
  }

  static SecureBytes pin_value(const Node& key, const Node* policy, std::size_t index) {
    if (policy == nullptr) return {};
    if (key["encryptedPin"].exists()) return SecureBytes::copy_of(key["encryptedPin"].base64url());
    return choose_pin(*policy, pin_number(*policy, key, index));
  }

  bool on_key(const Node& key, const Node* policy, PinPolicyHandle pin, std::size_t index) {
    KeyEntryRequest call;
    call.id = key["id"].text();
    call.key_entry_algorithm = request_["keyEntryAlgorithm"].text();
    call.server_seed = key["serverSeed"].optional_base64url();
    call.device_pin_protection = key["devicePinProtection"].optional_boolean(false);
    call.pin_policy = pin;
    call.pin_value = pin_value(key, policy, index);
    call.enable_pin_caching = key["enablePinCaching"].optional_boolean(false);
    call.biometric_protection = key["biometricProtection"].optional_enumeration(keygen2::kBiometricProtections, 0);
    call.export_protection =
        key["exportProtection"].optional_enumeration(keygen2::kExportProtections, keygen2::kNonExportable);
    call.delete_protection = key["deleteProtection"].optional_enumeration(keygen2::kDeleteProtections, 0);
    call.app_usage = key["appUsage"].enumeration(keygen2::kAppUsages);
    call.friendly_name = key["friendlyName"].optional_text();
    call.key_algorithm = key["keyAlgorithm"].text();
    call.key_parameters = key["keyParameters"].optional_base64url();
    for (const Node& endorsed : key["endorsedAlgorithms"].optional_elements())
      call.endorsed_algorithms.push_back(endorsed.text());
    call.mac = key["mac"].base64url();
    const auto made = role_.store().create_key_entry(role_.session_, call);
    if (!made) return role_.accept(key, "createKeyEntry", made.error());
    const auto public_key = crypto::PublicKey::from_spki(made->public_key);
    SKS_CHECK(static_cast<bool>(public_key));
    role_.created_[call.id] = made->public_key;
    generated.push_back(
        {{"id", call.id}, {"publicKey", to_jwk(*public_key)}, {"attestation", to_base64url(made->attestation)}});
    return true;
  }

  ClientRole& role_;
  const Node& request_;
};

bool ClientRole::answer_creation(const Node& request, Json& response) {
  if (action_ == "unlock") request.fail("creates keys in a session that is to unlock some");
  device_.keys().use_exponent(otherwise_.value("exponent", std::uint8_t{0}));
  Creator creator(*this, request);
  if (!creator.run()) return false;
  response["generatedKeys"] = std::move(creator.generated);
  return true;
}

/// The certificate is for the key that was made, unless another one is imported.
void ClientRole::check_certificate(const Node& credential, const std::vector<Bytes>& path) {
  const Node at = credential["certificatePath"];
  at.findings().count();
  const auto parsed = crypto::parse_path(path);
  if (!parsed) return at.fail("is no certificate path: " + parsed.error().detail);
  const auto key = parsed->front().public_key();
  const auto created = created_.find(credential["id"].text());
  const bool imported = credential["importPrivateKey"].exists();
  if (!imported && created != created_.end() && (!key || key->spki() != created->second))
    at.fail("does not certify the key that was made");
  if (credential["trustAnchor"].optional_boolean(false) &&
      (!parsed->back().is_ca() || !parsed->back().is_issued_by(parsed->back())))
    credential["trustAnchor"].fail("is true, but the last certificate is no self-signed one of a CA");
}

bool ClientRole::import_keys(const Node& credential, KeyHandle key) {
  if (const Node imported = credential["importSymmetricKey"]; imported.exists())
    return accept(imported, "importSymmetricKey",
                  store().import_symmetric_key(key, imported["encryptedKey"].base64url(), imported["mac"].base64url()));
  if (const Node imported = credential["importPrivateKey"]; imported.exists())
    return accept(imported, "importPrivateKey",
                  store().import_private_key(key, imported["encryptedKey"].base64url(), imported["mac"].base64url()));
  return true;
}

namespace {

/// Spec: keygen2.md 8.7.
Bytes property_bag(const Node& properties) {
  ByteWriter out;
  for (const Node& property : properties.elements())
    out.text(property["name"].text())
        .boolean(property["writable"].optional_boolean(false))
        .text(property["value"].text());
  return out.take();
}

}  // namespace

bool ClientRole::add_extensions(const Node& credential, KeyHandle key) {
  constexpr auto kKinds =
      std::to_array<const char*>({"extensions", "encryptedExtensions", "propertyBags", "logotypes"});
  for (std::size_t kind = 0; kind < kKinds.size(); ++kind)
    for (const Node& extension : credential[kKinds.at(kind)].optional_elements()) {
      const Node properties = extension["properties"];
      const Bytes data = properties.exists() ? property_bag(properties) : extension["extensionData"].base64url();
      const auto added =
          store().add_extension(key, {extension["type"].text(), static_cast<std::uint8_t>(kind),
                                      extension["mimeType"].optional_text(), data, extension["mac"].base64url()});
      if (!accept(extension, "addExtension", added)) return false;
    }
  return true;
}

/// Spec: keygen2.md 8.6.
std::optional<KeyHandle> ClientRole::find_target(const Node& target) {
  const Bytes finger_print = target["fingerPrint"].base64url();
  KeyHandle key;
  for (auto next = store().enumerate_keys(key); next && *next; next = store().enumerate_keys(key)) {
    key = (*next)->handle;
    const auto attributes = store().get_key_attributes(key);
    if (attributes && equal(crypto::sha256(attributes->certificate_path.front()), finger_print)) return key;
  }
  target.fail("names a key that is not there");
  return std::nullopt;
}

bool ClientRole::finish_credential(const Node& credential) {
  const auto key = store().get_key_handle(session_, credential["id"].text());
  if (!key) return accept(credential, "getKeyHandle", key.error());
  std::vector<Bytes> path;
  for (const Node& certificate : credential["certificatePath"].elements()) path.push_back(certificate.base64url());
  check_certificate(credential, path);
  if (!accept(credential, "setCertificatePath",
              store().set_certificate_path(*key, path, credential["mac"].base64url())))
    return false;
  if (!import_keys(credential, *key) || !add_extensions(credential, *key)) return false;
  for (const char* const name : {"cloneKeyProtection", "updateKey"}) {
    const Node target = credential[name];
    if (!target.exists()) continue;
    const auto handle = find_target(target);
    if (!handle) return false;
    const TargetAuthorization call{*handle, target["authorization"].base64url(), target["mac"].base64url()};
    const bool update = std::string_view(name) == "updateKey";
    if (!accept(target, name,
                update ? store().post_update_key(*key, call) : store().post_clone_key_protection(*key, call)))
      return false;
  }
  return true;
}

bool ClientRole::run_post_operations(const Node& request) {
  struct Operation {
    const char* member;
    Result<void> (SecureKeyStore::*call)(ProvisioningHandle session, const TargetAuthorization& target);
  };
  constexpr auto kOperations = std::to_array<Operation>({
      {"unlockKeys", &SecureKeyStore::post_unlock_key},
      {"deleteKeys", &SecureKeyStore::post_delete_key},
  });
  for (const Operation& operation : kOperations)
    for (const Node& target : request[operation.member].optional_elements()) {
      const auto handle = find_target(target);
      if (!handle) return false;
      const TargetAuthorization call{*handle, target["authorization"].base64url(), target["mac"].base64url()};
      if (!accept(target, operation.member, (store().*operation.call)(session_, call))) return false;
    }
  return true;
}

bool ClientRole::answer_finalization(const Node& request, Json& response) {
  const std::vector<Node> credentials = request["issuedCredentials"].optional_elements();
  request.findings().count();
  if (credentials.size() != created_.size()) request["issuedCredentials"].fail("are not those of the created keys");
  for (const Node& credential : credentials)
    if (!finish_credential(credential)) return false;
  if (!run_post_operations(request)) return false;
  const Node close = request["sessionCloseData"];
  const auto attestation =
      store().close_provisioning_session(session_, close["nonce"].base64url(), close["mac"].base64url());
  if (!attestation) return accept(close, "closeProvisioningSession", attestation.error());
  response["attestation"] = to_base64url(*attestation);
  return true;
}

}  // namespace sks::conformance
