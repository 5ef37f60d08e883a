#include <algorithm>

#include "attestation/verifier.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_steps.h"
#include "keygen2/key_algorithm.h"
#include "keygen2/mac_data.h"

/// S4: keys are asked for, and come attested. Spec: keygen2.md 1.5 I-4, 7.6.
namespace sks::keygen2 {
namespace {

/// Fills in the MACs of a request in the order of keygen2.md 4.8 and reserves the counters of the attestations, which
/// alternate with the MACs of the keys.
struct MacAssigner {
  SessionKey& session_key;
  const KeyCreationRequest& request;
  std::vector<PendingKey> keys;

  Outcome<void> puk(PukPolicySpecifier& puk) {
    SKS_TRY(spend(session_key, cost::kPukPolicy));
    puk.mac = next_mac(session_key, method::kCreatePukPolicy, puk_policy_data(puk));
    return {};
  }
  Outcome<void> pin(PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
    SKS_TRY(spend(session_key, cost::kPinPolicy));
    pin.mac = next_mac(session_key, method::kCreatePinPolicy, pin_policy_data(pin, puk));
    return {};
  }
  Outcome<void> key(KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    SKS_TRY(spend(session_key, cost::kKey + (key.encrypted_pin ? cost::kPresetPin : 0)));
    key.mac = next_mac(session_key, method::kCreateKeyEntry, key_entry_data(key, pin, request.key_entry_algorithm));
    keys.push_back(PendingKey{key.id, key.key_algorithm, key.key_parameters, key.mac, session_key.mac_counter++,
                              key.app_usage, pin != nullptr || key.device_pin_protection});
    return {};
  }
};

Outcome<void> check_generated_keys(const std::vector<GeneratedKey>& generated, const CreatingKeys& own) {
  const auto same_id = [](const GeneratedKey& key, const PendingKey& pending) { return key.id == pending.id; };
  if (!std::ranges::equal(generated, own.keys, same_id))
    return Failure{ErrorClass::value, "the generated keys are not those asked for, in their order"};
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const KeyAlgorithm* const algorithm = find_key_algorithm(own.keys[i].algorithm);
    if (algorithm == nullptr || !key_matches(*generated[i].public_key, *algorithm, own.keys[i].parameters))
      return Failure{ErrorClass::value, "a generated key is not of the algorithm asked for"};
  }
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const Bytes data = attestation::key_attestation_data(generated[i].public_key->spki(), own.keys[i].mac);
    const auto verified = attestation::verify_device_attestation(own.session_key.value, own.keys[i].attestation_counter,
                                                                 data, generated[i].attestation);
    if (!verified) return failure(ErrorClass::crypto, verified.error());
  }
  std::vector<Bytes> public_keys;
  for (const GeneratedKey& key : generated) public_keys.push_back(key.public_key->spki());
  std::ranges::sort(public_keys);
  if (std::ranges::adjacent_find(public_keys) != public_keys.end())
    return Failure{ErrorClass::policy, "two entries have the same public key"};
  return {};
}

}  // namespace

Outcome<std::string> begin_key_creation(StepInput in, SessionKey session_key, const KeyPlan& plan, bool deferred,
                                        TargetOperations operations) {
  const SecureBytes secrets_key = encryption_key(session_key.value);
  KeyCreationRequest request = key_creation_request(
      plan, [&](ByteView plaintext) { return encrypt(secrets_key, plaintext, in.context.random); });
  request.ids = in.state.ids;
  request.deferred_issuance = deferred;
  MacAssigner assigner{session_key, request, {}};
  SKS_TRY(walk(request, assigner));
  in.state.data = CreatingKeys{std::move(session_key), std::move(assigner.keys), std::move(operations), deferred};
  in.state.phase = IssuerPhase::key_creation;
  return request.encode();
}

Outcome<std::string> on_key_creation(StepInput in, IncomingMessage& message) {
  SKS_LET(const KeyCreationResponse response, message.decode<KeyCreationResponse>());
  SKS_TRY(check_ids(response.ids, in.state.ids));
  auto& own = std::get<CreatingKeys>(in.state.data);
  SKS_TRY(check_generated_keys(response.keys, own));

  std::vector<Bytes> public_keys;
  for (const GeneratedKey& key : response.keys) public_keys.push_back(key.public_key->spki());
  if (!own.deferred)
    return begin_finalization(
        in, {std::move(own.session_key), std::move(own.keys), std::move(public_keys), std::move(own.operations)});
  in.state.data =
      Suspended{std::move(own.session_key), std::move(own.keys), std::move(public_keys), std::move(own.operations)};
  in.state.phase = IssuerPhase::suspended;
  return std::string();
}

}  // namespace sks::keygen2
