#pragma once

#include <span>

#include "conformance/session.h"

namespace sks::conformance {

/// One thing that is checked about a recorded session.
struct Check {
  Topic topic;
  void (*run)(const Session& session, Findings& findings);
};

/// In the order of the protocol.
std::span<const Check> checks();

// order.cpp
void check_messages(const Session& session, Findings& findings);
void check_schema(const Session& session, Findings& findings);
void check_ids(const Session& session, Findings& findings);
void check_calls(const Session& session, Findings& findings);

// initialization.cpp
void check_initialization(const Session& session, Findings& findings);
void check_session_key(const Session& session, Findings& findings);
void check_session_attestation(const Session& session, Findings& findings);

// protected_values.cpp
void check_sequence(const Session& session, Findings& findings);
template <Part part>
void check_values(const Session& session, Findings& findings);
void check_session_key_limit(const Session& session, Findings& findings);
void check_encryptions(const Session& session, Findings& findings);

// certificates.cpp
void check_certificates(const Session& session, Findings& findings);

// management.cpp
void check_lookups(const Session& session, Findings& findings);
void check_targets(const Session& session, Findings& findings);
void check_authorizations(const Session& session, Findings& findings);

}  // namespace sks::conformance
