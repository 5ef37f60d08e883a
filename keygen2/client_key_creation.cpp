#include "keygen2/client_run.h"
#include "keygen2/enumerations.h"
#include "keygen2/pin_collection.h"

/// KeyCreationRequest: PIN collection and new keys. Spec: keygen2.md 1.5 C-4, 4.8, 4.9, 8.4, 8.5.
namespace sks::keygen2 {
namespace {

constexpr std::size_t kManyKeys = 20;  // Appendix B

std::size_t count_keys(const KeyCreationRequest& request) {
  struct Counter {
    std::size_t count = 0;
    Outcome<void> puk(const PukPolicySpecifier&) { return {}; }
    Outcome<void> pin(const PinPolicySpecifier&, const PukPolicySpecifier*) { return {}; }
    Outcome<void> key(const KeyEntrySpecifier&, const PinPolicySpecifier*) {
      ++count;
      return {};
    }
  } counter;
  SKS_CHECK(static_cast<bool>(walk(request, counter)));
  return counter.count;
}

/// Executes a KeyCreationRequest. Spec: 8.5.
struct KeyCreator {
  SecureKeyStore& store;
  UserDialog& dialog;
  ProvisioningHandle session;
  const KeyCreationRequest& request;
  const CollectedPins& pins;
  std::size_t total;
  PukPolicyHandle puk_handle = {};
  PinPolicyHandle pin_handle = {};
  std::vector<GeneratedKey> created = {};
  std::map<std::string, std::uint8_t> app_usages = {};

  Outcome<void> puk(const PukPolicySpecifier& puk) {
    SKS_LET(puk_handle,
            from_store(store.create_puk_policy(
                session, PukPolicyRequest{puk.id, puk.encrypted_puk, puk.format, puk.retry_limit, puk.mac})));
    return {};
  }

  Outcome<void> pin(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
    const PinPolicyRequest call{pin.id,
                                puk == nullptr ? PukPolicyHandle{} : puk_handle,
                                pin.user_defined(),
                                pin.user_modifiable,
                                pin.format,
                                pin.retry_limit,
                                pin.grouping,
                                pin.pattern_restrictions,
                                pin.min_length,
                                pin.max_length,
                                pin.input_method,
                                pin.mac};
    SKS_LET(pin_handle, from_store(store.create_pin_policy(session, call)));
    return {};
  }

  Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    dialog.creating_key(
        {created.size() + 1, total, key.friendly_name.empty() ? key.id : key.friendly_name, key.key_algorithm});
    const KeyEntryRequest call{key.id,
                               request.key_entry_algorithm,
                               key.server_seed,
                               key.device_pin_protection,
                               pin == nullptr ? PinPolicyHandle{} : pin_handle,
                               pin_value(key),
                               key.enable_pin_caching,
                               key.biometric_protection,
                               key.export_protection,
                               key.delete_protection,
                               key.app_usage,
                               key.friendly_name,
                               key.key_algorithm,
                               key.key_parameters,
                               key.endorsed_algorithms,
                               key.mac};
    SKS_LET(CreatedKey made, from_store(store.create_key_entry(session, call)));
    SKS_LET(crypto::PublicKey public_key, from_store(crypto::PublicKey::from_spki(made.public_key)));
    app_usages.emplace(key.id, key.app_usage);
    created.push_back(GeneratedKey{key.id, std::move(public_key), std::move(made.attestation)});
    return {};
  }

  SecureBytes pin_value(const KeyEntrySpecifier& key) const {
    if (key.encrypted_pin) return SecureBytes::copy_of(*key.encrypted_pin);
    const SecureBytes* const chosen = pins.find(key.id);
    return chosen == nullptr ? SecureBytes() : SecureBytes::copy_of(chosen->view());
  }
};

}  // namespace

Outcome<std::string> on_key_creation(ClientRun& run, const KeyCreationRequest& request) {
  SKS_TRY(run.check_ids(request.ids));
  if (run.action == kActionUnlock)
    return Failure{ErrorClass::policy, "the issuer asked to unlock keys, and now wants to create some"};
  const std::size_t count = count_keys(request);
  if (count > kManyKeys && !run.dialog.accept_many_keys(count))
    return Failure{ErrorClass::policy, "the issuer wants to create too many keys"};
  SKS_LET(const CollectedPins pins, CollectedPins::ask(request, run.dialog));

  KeyCreator creator{run.store, run.dialog, run.session, request, pins, count};
  SKS_TRY(walk(request, creator));
  run.created = std::move(creator.app_usages);
  run.key_count = count;
  run.phase = request.deferred_issuance ? ClientPhase::deferred : ClientPhase::created;
  return KeyCreationResponse{run.ids, std::move(creator.created)}.encode();
}

}  // namespace sks::keygen2
