#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "keygen2/failure.h"

namespace sks::issuer {

/// Why a session was not started or did not go on. Only the word travels, in the Location of a termination; the result
/// page has the sentence. Spec: keygen2.md 1.6 and 2.4.
enum class Refusal : std::uint8_t {
  ticket_unknown,
  ticket_used,
  ticket_expired,
  profile,
  session_unknown,
  session_expired,
  session_over,
  device,
  device_unknown_ca,
  device_expired,
  device_rules,
  device_profile,
  device_revoked,
  device_revocation_unknown,
  limit_device,
  limit_subject,
  limit_sessions,
  subject,
  capability,
  existing_key,
  duplicate,
  json,
  state,
  session,
  value,
  crypto,
  time,
  policy,
  other_device,
  key_missing,
  credential_state,
};

std::string_view word_of(Refusal refusal);
/// All words, in the order of Refusal.
std::vector<std::string_view> refusal_words();

Refusal refusal_of(keygen2::ErrorClass error_class);

}  // namespace sks::issuer
