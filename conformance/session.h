#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "conformance/mac_input.h"
#include "conformance/recording.h"

namespace sks::conformance {

/// Something that the session key protects, as one of the sources tells it.
struct Told {
  const Format* format;
  Input input;
  Input mac;  ///< or attestation
  /// What was encrypted for the key store among the values of `input`.
  std::optional<Input> encrypted = std::nullopt;
};

/// In the order of the calls, with a counter for each. Spec: keygen2.md 7.6.
std::vector<Told> told_by_calls(const Recording& recording, Findings& findings);
std::vector<Told> told_by_messages(const Recording& recording, Findings& findings);

/// What the session attestation and the session key cover, as the call of createProvisioningSession with this index and
/// the first getDeviceInfo tell it.
Values claims_of_call(const Recording& recording, std::size_t created, Findings& findings);

/// One protected value with everything that the files tell about it.
struct ProtectedValue {
  const Format* format;
  std::uint16_t counter;
  std::vector<Told> sources;  ///< the recorded operation if there is one, the call, the message
  std::optional<Input> encrypted;
};

/// A recording made ready for the checks.
struct Session {
  explicit Session(const Recording& recorded);

  const Recording& recording;
  bool complete = false;  ///< all messages that a session must have are there
  SecureBytes session_key;
  std::vector<ProtectedValue> values;
  Findings reading;  ///< about `values` themselves: unreadable, or not the same in all sources
};

// Values of the files. A message that is not there is a node that does not exist.
Node secrets(const Recording& recording, Findings& findings);
Node message(const Recording& recording, std::string_view qualifier, Findings& findings);
/// "in" and "out" of a call.
Node call_arguments(const Recording& recording, std::size_t index, Findings& findings);
Node call_result(const Recording& recording, std::size_t index, Findings& findings);
std::optional<std::size_t> find_call(const Recording& recording, std::string_view method);

/// Compares what several sources tell. The reference is the first input for which `verifies` holds together with one of
/// the MACs; every other input and MAC has to be equal to it.
using Verifies = std::function<bool(ByteView input, ByteView mac)>;
void check_sources(Findings& findings, const std::string& title, const std::vector<Told>& sources,
                   const Verifies& verifies);

/// HMAC(sessionKey || method || counter, data). Spec: keygen2.md 7.6.
bool verifies_mac(const SecureBytes& session_key, std::string_view method, std::uint16_t counter, ByteView data,
                  ByteView mac);
/// HMAC(Z, data) with Z from the issuer's ephemeral private key. Empty when the keys are unreadable. Spec: 7.3.
SecureBytes shared_secret(const Node& secrets);

}  // namespace sks::conformance
