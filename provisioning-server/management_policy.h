#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "keygen2/messages.h"

/// What a profile asks a client about, and what it does to keys of earlier sessions.
namespace sks::issuer {

/// [[capability]]: a question to the client before anything else. Spec: keygen2.md 4.2
struct CapabilityQuery {
  std::string uri;
  bool required = false;  ///< without it the session is refused
};

/// What the answers to a profile's queries come to.
struct CapabilityCheck {
  std::string missing;  ///< URI of the first that is required and was not given; empty if there is none
  std::string answers;  ///< all of them, as text for the audit log
};
CapabilityCheck check_capabilities(const std::vector<CapabilityQuery>& queries,
                                   const std::vector<keygen2::ClientCapability>& answers);

/// What happens to a key that a lookup has found.
enum class FoundKeyAction : std::uint8_t {
  ignore,
  refuse,  ///< the session, that is
  remove,  ///< the key, when the session closes
  unlock,  ///< its PIN, when the session closes and it is locked
  update,  ///< another key takes its place when the session closes, and the profile's other keys are not made
};

/// [[lookup]]: a search for keys that this issuer has issued to the device before. The first lookup that finds a key
/// decides about it. Spec: keygen2.md 4.6, 6
struct Lookup {
  FoundKeyAction action = FoundKeyAction::ignore;
  bool same_subject = true;                     ///< keys of other subjects than the session's are ignored
  std::optional<keygen2::SearchFilter> filter;  ///< absent: every key
};

}  // namespace sks::issuer
