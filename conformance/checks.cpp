#include "conformance/checks.h"

#include <array>

namespace sks::conformance {
namespace {

constexpr auto kChecks = std::to_array<Check>({
    {{"message-order", "keygen2.md", "1.2", "all messages of a legal sequence, in their order"}, check_messages},
    {{"message-schema", "keygen2.md", "4", "the structure and the values of every message"}, check_schema},
    {{"session-ids", "keygen2.md", "1.5", "the same session ids throughout"}, check_ids},
    {{"call-order", "keygen2.md", "1.4", "every call follows its message, and none failed"}, check_calls},
    {{"initialization", "keygen2.md", "4.2 to 4.5", "capabilities, times and device path are those asked for"},
     check_initialization},
    {{"session-key", "keygen2.md", "7.3", "Z, its derivation, the session key and the encryption key"},
     check_session_key},
    {{"session-attestation", "keygen2.md", "7.4", "the attestation of the session and all that it covers"},
     check_session_attestation},
    {{"lookups", "keygen2.md", "4.6, 4.7, 5.5", "nonces and signatures of lookups, and one result for each"},
     check_lookups},
    {{"counters", "keygen2.md", "7.6", "every MAC and attestation is there, under strictly ascending counters"},
     check_sequence},
    {{"creation", "keygen2.md", "7.6", "MACs of policies and keys, attestations of keys"},
     check_values<Part::creation>},
    {{"certificates", "keygen2.md", "5.4, 4.12", "certificate paths and trust anchors"}, check_certificates},
    {{"certification", "keygen2.md", "7.6", "MACs of certificates, imported keys and extensions"},
     check_values<Part::certification>},
    {{"management", "keygen2.md", "7.6", "MACs of post operations"}, check_values<Part::management>},
    {{"target-keys", "keygen2.md", "7.7", "finger prints and authorizations of target keys"}, check_targets},
    {{"key-management-keys", "keygen2.md", "7.10", "roll-over, and every signature of a key management key"},
     check_authorizations},
    {{"encryptions", "keygen2.md", "7.5", "what was encrypted decrypts to the recorded values"}, check_encryptions},
    {{"close", "keygen2.md", "7.8", "MAC and attestation of the close"}, check_values<Part::close>},
    {{"session-key-limit", "keygen2.md", "7.9", "no more operations than the session allows"}, check_session_key_limit},
});

}  // namespace

std::span<const Check> checks() { return kChecks; }

}  // namespace sks::conformance
