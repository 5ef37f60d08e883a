#pragma once

#include <cstdint>
#include <string_view>

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
std::string_view sentence_of(Refusal refusal);
/// The sentence for a word out of a query; a general one for words that are not ours.
std::string_view sentence_for_word(std::string_view word);

Refusal refusal_of(keygen2::ErrorClass error_class);

}  // namespace sks::issuer
