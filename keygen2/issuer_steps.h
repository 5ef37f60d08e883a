#pragma once

#include "keygen2/issuer_session.h"
#include "keygen2/issuer_state.h"

/// The steps of an issuer session, one per response; dispatched by issuer_session.cpp. Each handles a response and
/// gives the next request, and leaves the data and the phase of what it waits for then. Spec: keygen2.md 1.3, 1.5.
namespace sks::keygen2 {

/// Everything a step may use.
struct StepInput {
  IssuerState& state;
  IssuerDecisions& decisions;
  const IssuerContext& context;
};

Outcome<std::string> on_invocation(StepInput in, IncomingMessage& message);
Outcome<std::string> on_initialization(StepInput in, IncomingMessage& message);
Outcome<std::string> on_discovery(StepInput in, IncomingMessage& message);
Outcome<std::string> on_key_creation(StepInput in, IncomingMessage& message);
Outcome<std::string> on_finalization(StepInput in, IncomingMessage& message);

/// Continuations that several steps end with.
Outcome<std::string> begin_discovery(StepInput in, SessionKey session_key, IssuancePlan plan);
Outcome<std::string> begin_key_creation(StepInput in, SessionKey session_key, const KeyPlan& plan, bool deferred,
                                        TargetOperations operations);
/// What the finalization is about. `keys` and `public_keys` (SPKI) belong together.
struct Finalization {
  SessionKey session_key;
  std::vector<PendingKey> keys;
  std::vector<Bytes> public_keys;
  TargetOperations operations;
};
Outcome<std::string> begin_finalization(StepInput in, Finalization finalization);

Outcome<void> check_ids(const SessionIds& received, const SessionIds& own);

/// Uses of the session key against the limit that the client was told. Fails with value. Spec: keygen2.md 7.9.
Outcome<void> spend(SessionKey& key, std::size_t uses);

/// The MAC with the next counter.
Bytes next_mac(SessionKey& key, std::string_view method, ByteView data);

/// What the key management key of a target signs is bound to: the device certificate, or "Anonymous".
Bytes device_id_of(const IssuerState& state);

}  // namespace sks::keygen2
