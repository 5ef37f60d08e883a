#pragma once

#include <variant>

#include "keygen2/issuer_session.h"

/// What an issuer session remembers between two messages, and how it becomes bytes. Private to the issuer session.
/// Spec: keygen2.md 7.1.
namespace sks::keygen2 {

/// S1: waits for InvocationResponse.
struct Invoking {
  IssuancePlan plan;
};

/// S2: waits for ProvisioningInitializationResponse.
struct Initializing {
  IssuancePlan plan;
  std::string server_time;
  std::uint16_t session_key_limit = 0;
  std::optional<crypto::PrivateKey> ephemeral_key;  ///< always there
};

/// The session key and what counts its uses.
struct SessionKey {
  SecureBytes value;
  std::uint16_t mac_counter = 0;
  std::uint16_t remaining = 0;  ///< uses that sessionKeyLimit leaves
};

/// S3: waits for CredentialDiscoveryResponse.
struct Discovering {
  SessionKey session_key;
  IssuancePlan plan;
};

/// A key that the client was asked to create.
struct PendingKey {
  std::string id;
  std::string algorithm;
  Bytes parameters;
  Bytes mac;
  std::uint16_t attestation_counter = 0;
  std::uint8_t app_usage = 0;
  bool has_pin = false;  ///< a PIN policy or the device PIN
};

/// S4: waits for KeyCreationResponse.
struct CreatingKeys {
  SessionKey session_key;
  std::vector<PendingKey> keys;  ///< in message order
  TargetOperations operations;
  bool deferred = false;
};

/// S5: waits for the issuer.
struct Suspended {
  SessionKey session_key;
  std::vector<PendingKey> keys;
  std::vector<Bytes> public_keys;  ///< SPKI, of `keys`
  TargetOperations operations;
};

/// S6: waits for ProvisioningFinalizationResponse.
struct Finalizing {
  SecureBytes session_key;
  std::uint16_t attestation_counter = 0;
  Bytes close_nonce;
};

/// S8 and S9: nothing secret is left.
struct Over {};

struct IssuerState {
  IssuerPhase phase = IssuerPhase::invocation;
  SessionIds ids;
  std::string issuer_uri;
  bool privacy_enabled = false;
  bool manageable = false;  ///< there is a key management key
  std::int64_t expires = 0;
  std::vector<std::string> required_capabilities;
  std::vector<std::string> capability_queries;  ///< the required ones first
  std::vector<ClientCapability> capabilities;
  std::vector<Bytes> device_path;
  /// In the order of IssuerPhase; Over may stand for any phase.
  std::variant<Invoking, Initializing, Discovering, CreatingKeys, Suspended, Finalizing, Over> data;
};

SecureBytes encode(const IssuerState& state);
/// Fails with value unless the bytes are exactly what encode() gives.
Outcome<IssuerState> decode_issuer_state(ByteView saved);

/// A second plan like this one.
IssuancePlan copy_of(const IssuancePlan& plan);

}  // namespace sks::keygen2
