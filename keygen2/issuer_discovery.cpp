#include <algorithm>

#include "keygen2/certificate_path.h"
#include "keygen2/enumerations.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_steps.h"
#include "keygen2/jsf_signature.h"
#include "sks-core/base/byte_writer.h"

/// S3: keys of earlier sessions. Spec: keygen2.md 1.5 I-3, 5.5.
namespace sks::keygen2 {
namespace {

std::string lookup_id(std::size_t index) { return "Lookup." + std::to_string(index + 1); }

Outcome<LookupSpecifier> signed_lookup(StepInput in, const LookupSpec& spec, std::string id, const Bytes& nonce) {
  Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(spec.key_management_key);
  if (!key) return failure(ErrorClass::crypto, key.error());
  LookupSpecifier lookup;
  lookup.id = std::move(id);
  lookup.nonce = nonce;
  lookup.filter = spec.filter;
  const std::optional<std::string> algorithm = jsf_algorithm(*key);
  if (!algorithm) return Failure{ErrorClass::value, "the key management key of a lookup is no RSA or P-256 key"};
  lookup.signature.algorithm = *algorithm;
  lookup.signature.public_key = std::move(key).value();
  Result<Bytes> value = in.decisions.sign(spec.key_management_key, as_bytes(signed_text(lookup)));
  if (!value) return failure(ErrorClass::policy, value.error());
  lookup.signature.value = std::move(value).value();
  return lookup;
}

/// The answers are those to the lookups, in whatever order; puts them into the order of the lookups.
Outcome<std::vector<FoundKey>> found_keys(CredentialDiscoveryResponse& response, std::size_t lookups) {
  if (response.results.size() != lookups) return Failure{ErrorClass::value, "not every lookup has one answer"};
  std::vector<FoundKey> found;
  for (std::size_t i = 0; i < lookups; ++i) {
    const auto result = std::ranges::find(response.results, lookup_id(i), &LookupResult::id);
    if (result == response.results.end()) return Failure{ErrorClass::value, "a lookup has no answer"};
    for (MatchingCredential& match : result->matches) found.push_back(FoundKey{i, std::move(match)});
  }
  return found;
}

Outcome<void> check_capabilities(const KeyPlan& plan, const std::vector<ClientCapability>& capabilities) {
  for (const std::string& needed : required_capabilities(plan)) {
    const auto answer = std::ranges::find(capabilities, needed, &ClientCapability::type);
    if (answer == capabilities.end() || !answer->supported)
      return Failure{ErrorClass::policy, "the client was not asked for, or does not support " + needed};
  }
  return {};
}

}  // namespace

Outcome<std::string> begin_discovery(StepInput in, SessionKey session_key, IssuancePlan plan) {
  const crypto::Sha256Digest nonce =
      crypto::sha256(ByteWriter().text(in.state.ids.client).text(in.state.ids.server).take());
  CredentialDiscoveryRequest request;
  request.ids = in.state.ids;
  for (std::size_t i = 0; i < plan.lookups.size(); ++i) {
    SKS_LET(LookupSpecifier lookup, signed_lookup(in, plan.lookups[i], lookup_id(i), to_bytes(nonce)));
    request.lookups.push_back(std::move(lookup));
  }
  in.state.data = Discovering{std::move(session_key), std::move(plan)};
  in.state.phase = IssuerPhase::discovery;
  return request.encode();
}

Outcome<std::string> on_discovery(StepInput in, IncomingMessage& message) {
  SKS_LET(CredentialDiscoveryResponse response, message.decode<CredentialDiscoveryResponse>());
  SKS_TRY(check_ids(response.ids, in.state.ids));
  auto& own = std::get<Discovering>(in.state.data);
  SKS_LET(const std::vector<FoundKey> found, found_keys(response, own.plan.lookups.size()));
  for (const FoundKey& key : found) SKS_TRY(check_certificate_path(key.credential.certificate_path));
  for (const FoundKey& key : found) {
    if (const auto known = in.decisions.recognize(key); !known) return failure(ErrorClass::policy, known.error());
  }
  Result<Management> decided = in.decisions.manage(found);
  if (!decided) return failure(ErrorClass::policy, decided.error());

  SessionKey session_key = std::move(own.session_key);
  const bool deferred = own.plan.deferred_issuance;
  const std::uint8_t action = own.plan.action;
  KeyPlan keys = decided->keys ? std::move(*decided->keys) : static_cast<KeyPlan&&>(own.plan);
  if (key_count(keys) == 0)
    return begin_finalization(in, {std::move(session_key), {}, {}, std::move(decided->operations)});
  if (action == kActionUnlock) return Failure{ErrorClass::value, "a session for unlocking creates no keys"};
  SKS_TRY(check_key_plan(keys));
  SKS_TRY(check_capabilities(keys, in.state.capabilities));
  return begin_key_creation(in, std::move(session_key), keys, deferred, std::move(decided->operations));
}

}  // namespace sks::keygen2
