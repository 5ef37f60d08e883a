#include "provisioning-server/refusal.h"

#include <algorithm>
#include <array>

namespace sks::issuer {
namespace {

struct Row {
  Refusal refusal;
  std::string_view word;
};

constexpr auto kRefusals = std::to_array<Row>({
    {Refusal::ticket_unknown, "ticket-unknown"},
    {Refusal::ticket_used, "ticket-used"},
    {Refusal::ticket_expired, "ticket-expired"},
    {Refusal::profile, "profile"},
    {Refusal::session_unknown, "session-unknown"},
    {Refusal::session_expired, "session-expired"},
    {Refusal::session_over, "session-over"},
    {Refusal::device, "device"},
    {Refusal::device_unknown_ca, "device-unknown-ca"},
    {Refusal::device_expired, "device-expired"},
    {Refusal::device_rules, "device-rules"},
    {Refusal::device_profile, "device-profile"},
    {Refusal::device_revoked, "device-revoked"},
    {Refusal::device_revocation_unknown, "device-revocation-unknown"},
    {Refusal::limit_device, "limit-device"},
    {Refusal::limit_subject, "limit-subject"},
    {Refusal::limit_sessions, "limit-sessions"},
    {Refusal::subject, "subject"},
    {Refusal::capability, "capability"},
    {Refusal::existing_key, "existing-key"},
    {Refusal::duplicate, "duplicate"},
    {Refusal::json, "json"},
    {Refusal::state, "state"},
    {Refusal::session, "session"},
    {Refusal::value, "value"},
    {Refusal::crypto, "crypto"},
    {Refusal::time, "time"},
    {Refusal::policy, "policy"},
    {Refusal::other_device, "other-device"},
    {Refusal::key_missing, "key-missing"},
    {Refusal::credential_state, "credential-state"},
});
static_assert(std::ranges::is_sorted(kRefusals, {}, &Row::refusal), "kRefusals is indexed by Refusal");

}  // namespace

std::string_view word_of(Refusal refusal) { return kRefusals.at(static_cast<std::size_t>(refusal)).word; }

std::vector<std::string_view> refusal_words() {
  std::vector<std::string_view> words;
  for (const Row& row : kRefusals) words.push_back(row.word);
  return words;
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
