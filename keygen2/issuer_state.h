#pragma once

#include <variant>

#include "keygen2/issuer_session.h"
#include "keygen2/messages.h"

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
  SecureBytes ephemeral_key;  ///< PKCS#8
};

/// A key that the client was asked to create.
struct PendingKey {
  std::string id;
  std::string algorithm;
  Bytes parameters;
  Bytes mac;
  std::uint16_t attestation_counter = 0;
};

/// S4: waits for KeyCreationResponse.
struct CreatingKeys {
  SecureBytes session_key;
  std::uint16_t mac_counter = 0;
  std::vector<PendingKey> keys;  ///< in message order
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
  std::vector<std::string> capability_queries;
  std::vector<Bytes> device_path;
  std::variant<Invoking, Initializing, CreatingKeys, Finalizing, Over> data;
};

SecureBytes encode(const IssuerState& state);
/// Fails with value unless the bytes are exactly what encode() gives.
Outcome<IssuerState> decode_issuer_state(ByteView saved);

/// A second plan like this one.
IssuancePlan copy_of(const IssuancePlan& plan);

}  // namespace sks::keygen2
