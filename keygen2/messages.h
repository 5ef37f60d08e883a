#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keygen2/jsf_signature.h"
#include "keygen2/json_reader.h"
#include "keygen2/search_filter.h"
#include "sks-core/crypto/public_key.h"

/// The messages of KeyGen2. A decoded message obeys every property rule of its table in keygen2.md chapter 4; what
/// needs the state of a session is left to ClientSession and IssuerSession.
namespace sks::keygen2 {

enum class MessageType : std::uint8_t {
  invocation_request,
  invocation_response,
  provisioning_initialization_request,
  provisioning_initialization_response,
  credential_discovery_request,
  credential_discovery_response,
  key_creation_request,
  key_creation_response,
  provisioning_finalization_request,
  provisioning_finalization_response,
};

inline constexpr std::size_t kMessageTypeCount = 10;

/// The @qualifier of a message, such as "InvocationRequest".
std::string_view to_string(MessageType type);

/// A message whose kind is known and whose properties nobody has read yet.
class IncomingMessage {
 public:
  /// Fails with json, also when context and qualifier are not those of a KeyGen2 message.
  static Outcome<IncomingMessage> parse(std::string_view text, std::size_t max_size);

  MessageType type() const { return type_; }

  /// Reads the message. T must be the struct of type().
  template <class T>
  Outcome<T> decode() {
    SKS_CHECK(type_ == T::kType);
    JsonReader in = document_.root();
    in.text("@context");
    in.text("@qualifier");
    T message;
    message.read(in);
    SKS_TRY(document_.finish());
    return message;
  }

 private:
  IncomingMessage(MessageType type, JsonDocument document) : type_(type), document_(std::move(document)) {}

  MessageType type_;
  JsonDocument document_;
};

/// What every message after the first exchange carries.
struct SessionIds {
  std::string server;
  std::string client;

  bool operator==(const SessionIds&) const = default;
};

struct InvocationRequest {
  static constexpr MessageType kType = MessageType::invocation_request;

  std::string server_session_id;
  std::uint8_t action = 0;
  bool privacy_enabled = false;
  std::vector<std::string> preferred_languages;
  std::vector<std::uint8_t> target_key_containers;  ///< positions in kKeyContainers
  std::vector<std::string> capability_queries;

  std::string encode() const;
  void read(JsonReader& in);
};

enum class CapabilityForm : std::uint8_t { supported, values, image_attributes };

struct ImageAttributes {
  std::string mime_type;
  std::int32_t width = 0;  ///< pixels
  std::int32_t height = 0;
};

struct ClientCapability {
  std::string type;
  CapabilityForm form = CapabilityForm::supported;
  bool supported = false;                ///< only for CapabilityForm::supported
  std::vector<std::string> values = {};  ///< only for CapabilityForm::values
  ImageAttributes image = {};            ///< only for CapabilityForm::image_attributes
};

struct InvocationResponse {
  static constexpr MessageType kType = MessageType::invocation_response;

  std::string server_session_id;
  std::vector<ClientCapability> capabilities;

  std::string encode() const;
  void read(JsonReader& in);
};

/// A key management key of an older generation, and what it rolls over to: the key one level up.
struct UpdatableKeyManagementKey {
  std::optional<crypto::PublicKey> public_key;  ///< always there
  Bytes authorization;                          ///< by public_key over the key one level up
  std::vector<UpdatableKeyManagementKey> older;
};

struct ProvisioningInitializationRequest {
  static constexpr MessageType kType = MessageType::provisioning_initialization_request;

  std::string server_session_id;
  std::string server_time;  ///< the string as sent
  std::string session_key_algorithm;
  std::uint16_t session_key_limit = 0;
  std::uint16_t session_life_time = 0;
  std::optional<crypto::PublicKey> server_ephemeral_key;  ///< always there
  std::optional<crypto::PublicKey> key_management_key;
  std::vector<UpdatableKeyManagementKey> updatable_keys;

  std::string encode() const;
  void read(JsonReader& in);
};

struct ProvisioningInitializationResponse {
  static constexpr MessageType kType = MessageType::provisioning_initialization_response;

  SessionIds ids;
  std::string server_time;
  std::uint32_t client_time = 0;
  int client_utc_offset = 0;                              ///< minutes; for encoding only
  std::optional<crypto::PublicKey> client_ephemeral_key;  ///< always there
  std::optional<std::vector<Bytes>> device_path;          ///< DER, device certificate first
  Bytes attestation;

  std::string encode() const;
  void read(JsonReader& in);
};

struct LookupSpecifier {
  std::string id;
  Bytes nonce;
  std::optional<SearchFilter> filter;  ///< absent: every key matches
  JsfSignature signature;
};

struct CredentialDiscoveryRequest {
  static constexpr MessageType kType = MessageType::credential_discovery_request;

  SessionIds ids;
  std::vector<LookupSpecifier> lookups;

  std::string encode() const;
  void read(JsonReader& in);
};

/// What is signed of a specifier: all of it but the signature's value, canonical. Spec: 5.5.
std::string signed_text(const LookupSpecifier& lookup);

struct MatchingCredential {
  SessionIds owner;  ///< of the session that owns the key now
  std::vector<Bytes> certificate_path;
  bool locked = false;
};

struct LookupResult {
  std::string id;
  std::vector<MatchingCredential> matches;
};

struct CredentialDiscoveryResponse {
  static constexpr MessageType kType = MessageType::credential_discovery_response;

  SessionIds ids;
  std::vector<LookupResult> results;

  std::string encode() const;
  void read(JsonReader& in);
};

struct KeyEntrySpecifier {
  std::string id;
  std::optional<Bytes> encrypted_pin;  ///< only under a PIN policy
  bool enable_pin_caching = false;
  bool device_pin_protection = false;  ///< only outside a PIN policy
  std::uint8_t app_usage = 0;
  std::string key_algorithm;
  Bytes key_parameters;
  std::vector<std::string> endorsed_algorithms;
  Bytes server_seed;
  std::uint8_t biometric_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint8_t export_protection = 3;
  std::string friendly_name;
  Bytes mac;
};

struct PinPolicySpecifier {
  std::string id;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint16_t retry_limit = 0;
  std::uint8_t format = 0;
  bool user_modifiable = true;
  std::uint8_t grouping = 0;
  std::uint8_t input_method = 0;
  std::uint8_t pattern_restrictions = 0;
  Bytes mac;
  std::vector<KeyEntrySpecifier> keys;

  /// The user chooses the PINs: no key carries one.
  bool user_defined() const { return keys.empty() || !keys.front().encrypted_pin; }
};

struct PukPolicySpecifier {
  std::string id;
  Bytes encrypted_puk;
  std::uint16_t retry_limit = 0;
  std::uint8_t format = 0;
  Bytes mac;
  std::vector<PinPolicySpecifier> pin_policies;
};

struct KeyCreationRequest {
  static constexpr MessageType kType = MessageType::key_creation_request;

  SessionIds ids;
  std::string key_entry_algorithm;
  bool deferred_issuance = false;
  std::vector<PukPolicySpecifier> puk_policies;
  std::vector<PinPolicySpecifier> pin_policies;  ///< without PUK
  std::vector<KeyEntrySpecifier> keys;           ///< without PIN policy

  std::string encode() const;
  void read(JsonReader& in);
};

/// Visits all objects of a request in the order of generation and execution, keygen2.md 4.8, until one fails:
/// `visitor.puk(PukPolicySpecifier&)`, `visitor.pin(PinPolicySpecifier&, puk or null)`,
/// `visitor.key(KeyEntrySpecifier&, pin or null)`. Each returns Outcome<void>.
template <class Request, class Visitor>
Outcome<void> walk(Request& request, Visitor&& visitor) {
  const auto visit_pin_policies = [&visitor](auto& pin_policies, auto* puk) -> Outcome<void> {
    for (auto& pin : pin_policies) {
      SKS_TRY(visitor.pin(pin, puk));
      for (auto& key : pin.keys) SKS_TRY(visitor.key(key, &pin));
    }
    return {};
  };
  for (auto& puk : request.puk_policies) {
    SKS_TRY(visitor.puk(puk));
    SKS_TRY(visit_pin_policies(puk.pin_policies, &puk));
  }
  const PukPolicySpecifier* const no_puk = nullptr;
  SKS_TRY(visit_pin_policies(request.pin_policies, no_puk));
  const PinPolicySpecifier* const no_pin = nullptr;
  for (auto& key : request.keys) SKS_TRY(visitor.key(key, no_pin));
  return {};
}

struct GeneratedKey {
  std::string id;
  std::optional<crypto::PublicKey> public_key;  ///< always there
  Bytes attestation;
};

struct KeyCreationResponse {
  static constexpr MessageType kType = MessageType::key_creation_response;

  SessionIds ids;
  std::vector<GeneratedKey> keys;

  std::string encode() const;
  void read(JsonReader& in);
};

struct ImportedKey {
  Bytes encrypted_key;
  Bytes mac;
};

struct Property {
  std::string name;
  std::string value;
  bool writable = false;
};

/// An object of one of the four kinds of 4.12.
struct Extension {
  std::uint8_t sub_type = 0;  ///< position in kExtensionKinds
  std::string type;           ///< URI
  std::string mime_type;      ///< of a logotype; its qualifier in the key store, which is empty for the other kinds
  Bytes data;                 ///< extensionData; of a property bag it follows from its properties (8.7)
  std::vector<Property> properties;  ///< of a property bag
  Bytes mac;
};

struct TargetKeyReference {
  Bytes finger_print;
  SessionIds owner;  ///< the session that owns the target now
  Bytes authorization;
  Bytes mac;
};

/// Members in the order of execution.
struct IssuedCredential {
  std::string id;
  std::vector<Bytes> certificate_path;  ///< DER, end entity first
  Bytes mac;
  bool trust_anchor = false;
  std::optional<ImportedKey> symmetric_key;  ///< excludes private_key
  std::optional<ImportedKey> private_key;
  std::vector<Extension> extensions;            ///< in the order of kExtensionKinds
  std::optional<TargetKeyReference> clone_key;  ///< excludes update_key
  std::optional<TargetKeyReference> update_key;
  std::optional<Bytes> deactivated_mac;  ///< sks-extensions.md
};

struct ProvisioningFinalizationRequest {
  static constexpr MessageType kType = MessageType::provisioning_finalization_request;

  SessionIds ids;
  std::vector<IssuedCredential> credentials;
  std::vector<TargetKeyReference> unlock_keys;
  std::vector<TargetKeyReference> delete_keys;
  std::vector<TargetKeyReference> activate_keys;    ///< sks-extensions.md
  std::vector<TargetKeyReference> deactivate_keys;  ///< sks-extensions.md
  Bytes close_nonce;
  Bytes close_mac;

  /// Whether it has members that only a client with kKeySuspension may get.
  bool uses_key_suspension() const;

  std::string encode() const;
  void read(JsonReader& in);
};

struct ProvisioningFinalizationResponse {
  static constexpr MessageType kType = MessageType::provisioning_finalization_response;

  SessionIds ids;
  Bytes attestation;

  std::string encode() const;
  void read(JsonReader& in);
};

}  // namespace sks::keygen2
