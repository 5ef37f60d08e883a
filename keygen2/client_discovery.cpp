#include <algorithm>
#include <set>

#include "keygen2/client_run.h"
#include "keygen2/client_store.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/hash.h"

/// CredentialDiscoveryRequest. Spec: keygen2.md 1.5 C-3, 4.6, chapter 6.
namespace sks::keygen2 {
namespace {

/// A specifier that obeys all rules.
struct Lookup {
  std::string id;
  Bytes key_management_key;              // SPKI
  std::optional<FilterMatcher> matcher;  // none: every key matches
};

/// A key that may match, with what results and filters need to know of it.
struct Candidate {
  Bytes key_management_key;  // SPKI
  MatchingCredential credential;
  std::optional<std::uint8_t> grouping;
  std::uint8_t app_usage;
};

/// Spec: 4.6.
crypto::Sha256Digest expected_nonce(const SessionIds& ids) {
  return crypto::sha256(ByteWriter().text(ids.client).text(ids.server).view());
}

/// Spec: 1.5 C-3.
Outcome<std::vector<Lookup>> check_lookups(const CredentialDiscoveryRequest& request) {
  const crypto::Sha256Digest nonce = expected_nonce(request.ids);
  std::vector<Lookup> lookups;
  for (const LookupSpecifier& specifier : request.lookups) {
    if (!equal(specifier.nonce, nonce))
      return Failure{ErrorClass::value, "the nonce of a lookup is not that of this session"};
    SKS_TRY(verify_jsf(specifier.signature));
    Lookup lookup{specifier.id, specifier.signature.public_key->spki(), std::nullopt};
    if (specifier.filter) {
      SKS_LET(lookup.matcher, FilterMatcher::compile(*specifier.filter));
    }
    lookups.push_back(std::move(lookup));
  }
  return lookups;
}

Outcome<Candidate> read_candidate(SecureKeyStore& store, const SessionInfo& owner, KeyHandle key) {
  SKS_LET(KeyAttributes attributes, from_store(store.get_key_attributes(key)));
  SKS_LET(const KeyProtectionInfo protection, from_store(store.get_key_protection_info(key)));
  Candidate candidate{owner.key_management_key,
                      {{owner.server_session_id, owner.client_session_id},
                       std::move(attributes.certificate_path),
                       (protection.protection_status & kPinBlocked) != 0},
                      std::nullopt,
                      attributes.app_usage};
  // Not set for a key under the device PIN, which has no grouping.
  if ((protection.protection_status & kPinProtected) != 0) candidate.grouping = protection.grouping;
  return candidate;
}

/// The keys of all sessions that one of the lookups selects, in the order of sessions and keys. Each is read once,
/// however many lookups there are.
Outcome<std::vector<Candidate>> read_candidates(const ClientRun& run, const std::vector<Lookup>& lookups) {
  std::set<Bytes> wanted;
  for (const Lookup& lookup : lookups) wanted.insert(lookup.key_management_key);
  SKS_LET(std::vector<SessionInfo> sessions, list_sessions(run.store, SessionState::closed));
  std::erase_if(sessions, [&](const SessionInfo& session) {
    return !wanted.contains(session.key_management_key) || session.privacy_enabled != run.privacy_enabled;
  });
  std::vector<Candidate> candidates;
  if (sessions.empty()) return candidates;
  SKS_LET(KeysBySession keys, list_keys(run.store));
  for (const SessionInfo& session : sessions) {
    for (const KeyHandle key : keys[session.handle]) {
      SKS_LET(Candidate candidate, read_candidate(run.store, session, key));
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

/// About what a match takes up in the response; base64url makes four of three bytes.
std::size_t message_size(const MatchingCredential& match) {
  std::size_t size = 200;
  for (const Bytes& certificate : match.certificate_path) size += certificate.size() / 3 * 4;
  return size;
}

Outcome<LookupResult> look_up(const Lookup& lookup, const std::vector<Candidate>& candidates, MatchBudget& budget) {
  LookupResult result{lookup.id, {}};
  for (const Candidate& candidate : candidates) {
    if (candidate.key_management_key != lookup.key_management_key) continue;
    if (lookup.matcher) {
      SKS_LET(const bool matches,
              lookup.matcher->matches({candidate.credential.certificate_path, candidate.grouping, candidate.app_usage},
                                      budget));
      if (!matches) continue;
    }
    result.matches.push_back(candidate.credential);
  }
  return result;
}

}  // namespace

Outcome<std::string> on_discovery(ClientRun& run, const CredentialDiscoveryRequest& request) {
  SKS_TRY(run.check_ids(request.ids));
  SKS_LET(const std::vector<Lookup> lookups, check_lookups(request));
  SKS_LET(const std::vector<Candidate> candidates, read_candidates(run, lookups));
  CredentialDiscoveryResponse response{run.ids, {}};
  MatchBudget budget;
  std::size_t size = 0;
  for (const Lookup& lookup : lookups) {
    SKS_LET(LookupResult result, look_up(lookup, candidates, budget));
    for (const MatchingCredential& match : result.matches) size += message_size(match);
    if (size > kMaxMessageToIssuer)
      return Failure{ErrorClass::policy, "the lookups match more keys than a message to the issuer holds"};
    response.results.push_back(std::move(result));
  }
  run.phase = ClientPhase::discovered;
  return response.encode();
}

}  // namespace sks::keygen2
