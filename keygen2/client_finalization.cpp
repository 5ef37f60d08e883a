#include "keygen2/client_finalization.h"

#include <algorithm>
#include <array>

#include "keygen2/certificate_path.h"
#include "keygen2/client_store.h"
#include "keygen2/enumerations.h"
#include "keygen2/mac_data.h"

namespace sks::keygen2 {
namespace {

/// A call for a key of a closed session.
struct TargetCall {
  ProvisioningHandle session;
  KeyHandle target;
  const TargetKeyReference& reference;

  TargetAuthorization authorization() const { return {target, reference.authorization, reference.mac}; }
  ActivationRequest activation() const {
    return {session, target, SecureBytes::copy_of(reference.authorization), reference.mac};
  }
};

Result<void> unlock(SecureKeyStore& store, const TargetCall& call) {
  return store.post_unlock_key(call.session, call.authorization());
}

Result<void> erase(SecureKeyStore& store, const TargetCall& call) {
  return store.post_delete_key(call.session, call.authorization());
}

// The state that will hold after the commit is not the client's matter.
Result<void> without_value(const Result<std::uint8_t>& state) {
  if (!state) return state.error();
  return {};
}

Result<void> activate(SecureKeyStore& store, const TargetCall& call) {
  return without_value(store.activate(call.activation()));
}

Result<void> deactivate(SecureKeyStore& store, const TargetCall& call) {
  return without_value(store.deactivate(call.activation()));
}

struct TargetList {
  std::vector<TargetKeyReference> ProvisioningFinalizationRequest::*targets;
  Result<void> (*run)(SecureKeyStore&, const TargetCall&);
  std::size_t RunSummary::*counter;
};

/// In the order of execution. Spec: keygen2.md 4.11, sks-extensions.md.
constexpr auto kTargetLists = std::to_array<TargetList>({
    {&ProvisioningFinalizationRequest::unlock_keys, unlock, &RunSummary::unlocked},
    {&ProvisioningFinalizationRequest::delete_keys, erase, &RunSummary::deleted},
    {&ProvisioningFinalizationRequest::activate_keys, activate, &RunSummary::activated},
    {&ProvisioningFinalizationRequest::deactivate_keys, deactivate, &RunSummary::deactivated},
});

Outcome<void> check_credential(const IssuedCredential& credential) {
  const crypto::CertificatePath path(credential.certificate_path);
  SKS_TRY(check_certificate_path(path));
  if (credential.trust_anchor && !path.certificates()->back().is_ca())
    return Failure{ErrorClass::value, "the trust anchor is not a CA certificate"};
  return {};
}

/// The keys that a request is about, found before the key store is told to do anything with them.
class Targets {
 public:
  /// Fails with policy or sks.
  static Outcome<Targets> find(SecureKeyStore& store, const ProvisioningFinalizationRequest& request) {
    TargetFinder finder(store);
    Targets targets;
    for (const IssuedCredential& credential : request.credentials) {
      if (credential.clone_key) SKS_TRY(targets.add(finder, *credential.clone_key));
      if (credential.update_key) SKS_TRY(targets.add(finder, *credential.update_key));
    }
    for (const TargetList& list : kTargetLists)
      for (const TargetKeyReference& reference : request.*list.targets) SKS_TRY(targets.add(finder, reference));
    return targets;
  }

  /// `reference` is the very object of the request.
  KeyHandle of(const TargetKeyReference& reference) const { return handles_.at(&reference); }

 private:
  Outcome<void> add(TargetFinder& finder, const TargetKeyReference& reference) {
    SKS_LET(const KeyHandle handle, finder.find(reference));
    handles_.emplace(&reference, handle);
    return {};
  }

  std::map<const TargetKeyReference*, KeyHandle> handles_;
};

/// Executes a request whose checks hold.
struct Finalizer {
  SecureKeyStore& store;
  ProvisioningHandle session;
  const Targets& targets;

  /// Top to bottom of the table of 4.12.
  Outcome<void> deliver(const IssuedCredential& credential) const {
    SKS_LET(const KeyHandle key, from_store(store.get_key_handle(session, credential.id)));
    SKS_TRY(from_store(store.set_certificate_path(key, credential.certificate_path, credential.mac)));
    if (const auto& imported = credential.symmetric_key)
      SKS_TRY(from_store(store.import_symmetric_key(key, imported->encrypted_key, imported->mac)));
    if (const auto& imported = credential.private_key)
      SKS_TRY(from_store(store.import_private_key(key, imported->encrypted_key, imported->mac)));
    for (const Extension& extension : credential.extensions)
      SKS_TRY(from_store(store.add_extension(key, {extension.type, extension.sub_type, extension.mime_type,
                                                   extension_content(extension), extension.mac})));
    if (const auto& target = credential.clone_key)
      SKS_TRY(from_store(store.post_clone_key_protection(key, authorization(*target))));
    if (const auto& target = credential.update_key)
      SKS_TRY(from_store(store.post_update_key(key, authorization(*target))));
    if (const auto& mac = credential.deactivated_mac)
      SKS_TRY(from_store(store.deactivate({session, key, SecureBytes(), *mac})));
    return {};
  }

  Outcome<void> manage(const TargetList& list, const TargetKeyReference& reference) const {
    return from_store(list.run(store, {session, targets.of(reference), reference}));
  }

  TargetAuthorization authorization(const TargetKeyReference& reference) const {
    return {targets.of(reference), reference.authorization, reference.mac};
  }
};

/// Whether the keys created and the credentials issued are the same set. Spec: keygen2.md 4.11.
bool covers(const std::vector<IssuedCredential>& credentials, const std::map<std::string, std::uint8_t>& created) {
  std::vector<std::string> issued;
  for (const IssuedCredential& credential : credentials) issued.push_back(credential.id);
  std::ranges::sort(issued);
  return std::ranges::equal(issued, created, {}, {}, &std::pair<const std::string, std::uint8_t>::first);
}

/// What the user should know of the credentials: that somebody else has the key as well, and what is left undone.
/// Spec: 9.6.
void alert_user(const ClientRun& run, const ProvisioningFinalizationRequest& request) {
  for (const IssuedCredential& credential : request.credentials) {
    // Encryption keys are kept by issuers for the sake of old messages. In a resumed run the usage is not known.
    const auto created = run.created.find(credential.id);
    const bool for_encryption = created != run.created.end() && created->second == kAppUsageEncryption;
    if (credential.private_key && !for_encryption)
      run.dialog.alert("The issuer made the private key of " + credential.id +
                       " itself, and can sign or log in with it as you can.");
    if (credential.trust_anchor)
      run.dialog.alert("The issuer offers the root certificate of " + credential.id +
                       " as a trust anchor; it is kept beside the key and trusted by nothing.");
  }
}

}  // namespace

RunSummary summarize(const ProvisioningFinalizationRequest& request) {
  RunSummary summary;
  summary.created = request.credentials.size();
  for (const IssuedCredential& credential : request.credentials) {
    if (credential.update_key) ++summary.updated;
    if (credential.clone_key) ++summary.cloned;
    if (credential.deactivated_mac) ++summary.deactivated;
  }
  for (const TargetList& list : kTargetLists) summary.*list.counter += (request.*list.targets).size();
  return summary;
}

Outcome<std::string> finalize(ClientRun& run, const ProvisioningFinalizationRequest& request) {
  for (const IssuedCredential& credential : request.credentials) SKS_TRY(check_credential(credential));
  SKS_LET(const Targets targets, Targets::find(run.store, request));

  alert_user(run, request);

  const Finalizer finalizer{run.store, run.session, targets};
  for (const IssuedCredential& credential : request.credentials) SKS_TRY(finalizer.deliver(credential));
  for (const TargetList& list : kTargetLists)
    for (const TargetKeyReference& reference : request.*list.targets) SKS_TRY(finalizer.manage(list, reference));
  SKS_LET(Bytes attestation,
          from_store(run.store.close_provisioning_session(run.session, request.close_nonce, request.close_mac)));
  run.session = {};
  run.committed = true;
  run.key_count = request.credentials.size();
  run.summary = summarize(request);
  run.phase = ClientPhase::finished;
  return ProvisioningFinalizationResponse{run.ids, std::move(attestation)}.encode();
}

Outcome<std::string> on_finalization(ClientRun& run, const ProvisioningFinalizationRequest& request) {
  if (request.uses_key_suspension() && !run.announced_key_suspension)
    return Failure{ErrorClass::json, "unknown property: key suspension was not announced in this session"};
  SKS_TRY(run.check_ids(request.ids));
  if (!covers(request.credentials, run.created))
    return Failure{ErrorClass::value, "the issued credentials are not those of the created keys"};
  return finalize(run, request);
}

}  // namespace sks::keygen2
