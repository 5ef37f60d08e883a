#include "provisioning-server/refusal.h"

#include <algorithm>
#include <array>

namespace sks::issuer {
namespace {

struct Row {
  Refusal refusal;
  std::string_view word;
  std::string_view sentence;
};

constexpr auto kRefusals = std::to_array<Row>({
    {Refusal::ticket_unknown, "ticket-unknown", "This link is not one of ours. Ask for a new one."},
    {Refusal::ticket_used, "ticket-used", "This link has been used already. Ask for a new one."},
    {Refusal::ticket_expired, "ticket-expired", "This link has expired. Ask for a new one."},
    {Refusal::profile, "profile", "What this link promised cannot be issued at the moment."},
    {Refusal::session_unknown, "session-unknown", "The request does not belong to a session of this issuer."},
    {Refusal::session_expired, "session-expired", "The session took too long and was ended."},
    {Refusal::session_over, "session-over", "The session had ended before."},
    {Refusal::device, "device", "This device is not one that the issuer accepts."},
    {Refusal::capability, "capability", "This device lacks something that is needed here."},
    {Refusal::existing_key, "existing-key", "This device already holds a key that stands against a new one."},
    {Refusal::duplicate, "duplicate", "The session or a key in it has been seen here before."},
    {Refusal::json, "json", "A message was not well-formed."},
    {Refusal::state, "state", "A message came out of order."},
    {Refusal::session, "session", "A message belongs to another session."},
    {Refusal::value, "value", "A message held a value that is not allowed."},
    {Refusal::crypto, "crypto", "A signature, attestation, key or certificate did not verify."},
    {Refusal::time, "time", "The clock of the device is too far off."},
    {Refusal::policy, "policy", "The issuer's policy does not allow this."},
    {Refusal::other_device, "other-device", "This link is for another device."},
    {Refusal::key_missing, "key-missing", "This device does not hold the key that the link is for."},
    {Refusal::credential_state, "credential-state", "The certificate of the key does not allow this any more."},
});
static_assert(std::ranges::is_sorted(kRefusals, {}, &Row::refusal), "kRefusals is indexed by Refusal");

}  // namespace

std::string_view word_of(Refusal refusal) { return kRefusals.at(static_cast<std::size_t>(refusal)).word; }
std::string_view sentence_of(Refusal refusal) { return kRefusals.at(static_cast<std::size_t>(refusal)).sentence; }

std::string_view sentence_for_word(std::string_view word) {
  const auto* const row = std::ranges::find(kRefusals, word, &Row::word);
  return row == kRefusals.end() ? "The issuer ended the session." : row->sentence;
}

Refusal refusal_of(keygen2::ErrorClass error_class) {
  using keygen2::ErrorClass;
  switch (error_class) {
    case ErrorClass::json:
      return Refusal::json;
    case ErrorClass::state:
      return Refusal::state;
    case ErrorClass::session:
      return Refusal::session;
    case ErrorClass::value:
      return Refusal::value;
    case ErrorClass::crypto:
      return Refusal::crypto;
    case ErrorClass::time:
      return Refusal::time;
    case ErrorClass::http:
    case ErrorClass::policy:
    case ErrorClass::sks:
    case ErrorClass::user:
      return Refusal::policy;
  }
  return Refusal::policy;
}

}  // namespace sks::issuer
