#include "key-user-api/local_issuer/restore.h"

#include <algorithm>
#include <set>

#include "key-user-api/local_issuer/local_issuer.h"
#include "keygen2/enumerations.h"
#include "keygen2/pin_collection.h"

namespace sks {
namespace {

using keygen2::KeyEntrySpecifier;
using keygen2::PinPolicySpecifier;
using sealed::Backup;
using sealed::BackupExtension;
using sealed::BackupKey;

/// What createKeyEntry makes before the imported key takes its place: the quickest there is.
constexpr std::string_view kPlaceholderAlgorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

constexpr std::size_t kMaxCommonName = 64;  // of RFC 5280, in characters

/// Uses of the session key, sks-api.md 3.7: two each for the creation and the import of a key, one for its path.
constexpr std::size_t kOperationsPerKey = 5;
constexpr std::size_t kOperationsPerExtension = 2;
constexpr std::size_t kOperationsOfClose = 2;

/// The plan of a restore as an issuer writes it, and which key of the backup each entry stands for.
struct Plan {
  keygen2::KeyCreationRequest request;
  std::map<std::string, const BackupKey*> keys;  ///< by the id of the entry
};

/// A restored key has no PUK: its PIN takes the place.
std::uint8_t without_puk(std::uint8_t protection) {
  return protection == keygen2::kProtectionPuk ? keygen2::kProtectionPin : protection;
}

PinPolicySpecifier policy_of(const sealed::BackupPinPolicy& pin, std::size_t number) {
  PinPolicySpecifier policy;
  policy.id = "PIN." + std::to_string(number);
  policy.min_length = pin.min_length;
  policy.max_length = pin.max_length;
  policy.retry_limit = pin.retry_limit;
  policy.format = pin.format;
  policy.user_modifiable = pin.user_modifiable;
  policy.grouping = pin.grouping;
  policy.input_method = pin.input_method;
  policy.pattern_restrictions = pin.pattern_restrictions;
  return policy;
}

KeyEntrySpecifier entry_of(const BackupKey& key, std::size_t number) {
  KeyEntrySpecifier entry;
  entry.id = "Key." + std::to_string(number);
  entry.enable_pin_caching = key.enable_pin_caching;
  entry.app_usage = key.app_usage;
  entry.key_algorithm = kPlaceholderAlgorithm;
  entry.endorsed_algorithms = key.endorsed_algorithms;
  entry.biometric_protection = key.biometric_protection;
  entry.delete_protection = without_puk(key.delete_protection);
  entry.export_protection = without_puk(key.export_protection);
  entry.friendly_name = key.friendly_name;
  return entry;
}

Plan make_plan(const Backup& backup, const std::vector<bool>& present) {
  Plan plan;
  std::map<std::size_t, PinPolicySpecifier> policies;
  for (std::size_t i = 0; i < backup.keys.size(); ++i) {
    const BackupKey& key = backup.keys[i];
    if (present[i]) continue;
    KeyEntrySpecifier entry = entry_of(key, i + 1);
    plan.keys[entry.id] = &key;
    if (key.pin == 0) {
      plan.request.keys.push_back(std::move(entry));
      continue;
    }
    const auto policy = policies.try_emplace(key.pin, policy_of(backup.pins[key.pin - 1], key.pin)).first;
    policy->second.keys.push_back(std::move(entry));
  }
  for (auto& [number, policy] : policies) plan.request.pin_policies.push_back(std::move(policy));
  return plan;
}

std::size_t operations_of(const Plan& plan) {
  std::size_t count = plan.request.pin_policies.size() + kOperationsOfClose;
  for (const auto& [id, key] : plan.keys)
    count += kOperationsPerKey + kOperationsPerExtension * (key->extensions.size() + 1);
  return count;
}

Result<void> check_operations(const Plan& plan) {
  if (operations_of(plan) <= LocalIssuer::kOperations) return {};
  return Error{Status::option, "the backup has more keys than one provisioning session can bring"};
}

const BackupExtension* former_certificate(const BackupKey& key) {
  const auto found = std::ranges::find(key.extensions, kFormerCertificateType, &BackupExtension::type);
  return found == key.extensions.end() ? nullptr : &*found;
}

/// The certificate that find_present_keys() compares, for a key of the store.
Result<Bytes> lasting_certificate(SecureKeyStore& store, KeyHandle key) {
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key));
  if (attributes.certificate_path.empty())
    return Error{Status::internal, "key " + std::to_string(key.value) + " of the key store is damaged"};
  if (std::ranges::find(attributes.extension_types, kFormerCertificateType) == attributes.extension_types.end())
    return attributes.certificate_path.front();
  SKS_LET(const sks::ExtensionContent former, store.get_extension(key, kFormerCertificateType));
  return to_bytes(former.data.view());
}

/// A common name that X.509 takes.
std::string common_name_of(const BackupKey& key) {
  return key.friendly_name.empty() || key.friendly_name.size() > kMaxCommonName ? "Symmetric key" : key.friendly_name;
}

/// Fills the plan's entries in, one after the other.
struct Restorer {
  LocalIssuer& issuer;
  const Plan& plan;
  const keygen2::CollectedPins& pins;
  std::int64_t now;
  PinPolicyHandle policy{};

  keygen2::Outcome<void> puk(const keygen2::PukPolicySpecifier&) { return {}; }

  keygen2::Outcome<void> pin(const PinPolicySpecifier& pin, const keygen2::PukPolicySpecifier*) {
    auto made = issuer.create_pin_policy(pin, {});
    if (!made) return failure(keygen2::ErrorClass::sks, made.error());
    policy = *made;
    return {};
  }

  keygen2::Outcome<void> key(const KeyEntrySpecifier& entry, const PinPolicySpecifier* pin) {
    const Result<void> made = restore(entry, pin);
    if (!made) return failure(keygen2::ErrorClass::sks, made.error());
    return {};
  }

  Result<void> restore(const KeyEntrySpecifier& entry, const PinPolicySpecifier* pin) {
    const BackupKey& key = *plan.keys.at(entry.id);
    LocalIssuer::PinChoice choice;
    if (pin != nullptr) choice = {pin, policy, pins.find(entry.id)};
    SKS_LET(const CreatedKey created, issuer.create_key(entry, choice));
    SKS_TRY(key.symmetric ? restore_symmetric(key, created, entry.id) : restore_private(key, created, entry.id));
    for (const BackupExtension& extension : key.extensions)
      SKS_TRY(issuer.add_extension(created.handle,
                                   {extension.type, extension.sub_type, extension.qualifier, extension.data.view()}));
    return {};
  }

  Result<void> restore_private(const BackupKey& key, const CreatedKey& created, const std::string& id) {
    SKS_TRY(issuer.set_certificate_path(created, id, key.certificate_path));
    return issuer.import_private_key(created.handle, key.key);
  }

  /// The former certificate is for the key pair beside the symmetric key, which no SKS ever gives away.
  Result<void> restore_symmetric(const BackupKey& key, const CreatedKey& created, const std::string& id) {
    SKS_LET(Bytes certificate, certify_locally(created.public_key, common_name_of(key), now));
    SKS_TRY(issuer.set_certificate_path(created, id, {std::move(certificate)}));
    SKS_TRY(issuer.import_symmetric_key(created.handle, key.key));
    if (former_certificate(key) != nullptr) return {};
    return issuer.add_extension(created.handle, {kFormerCertificateType, 0, "", key.certificate_path.front()});
  }
};

}  // namespace

ByteView lasting_certificate(const BackupKey& key) {
  const BackupExtension* const former = former_certificate(key);
  return former == nullptr ? ByteView(key.certificate_path.front()) : former->data.view();
}

Result<std::vector<bool>> find_present_keys(const Backup& backup, SecureKeyStore& store) {
  std::set<Bytes> in_store;
  KeyHandle previous;
  while (true) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (!next) break;
    previous = next->handle;
    SKS_LET(Bytes certificate, lasting_certificate(store, next->handle));
    in_store.insert(std::move(certificate));
  }
  std::vector<bool> present;
  for (const BackupKey& key : backup.keys) present.push_back(in_store.contains(to_bytes(lasting_certificate(key))));
  return present;
}

Result<void> check_restorable(const Backup& backup) {
  return check_operations(make_plan(backup, std::vector<bool>(backup.keys.size(), false)));
}

Result<void> restore_keys(const Backup& backup, const std::vector<bool>& present, SecureKeyStore& store,
                          keygen2::UserDialog& dialog, const Clock& clock) {
  SKS_CHECK(present.size() == backup.keys.size());
  SKS_TRY(sealed::check_backup(backup));
  const Plan plan = make_plan(backup, present);
  if (plan.keys.empty()) return {};
  SKS_TRY(check_operations(plan));
  const auto pins = keygen2::CollectedPins::ask(plan.request, dialog);
  if (!pins) return Error{Status::user_abort, pins.error().detail};

  SKS_LET(LocalIssuer issuer, LocalIssuer::open(store, clock));
  Restorer restorer{issuer, plan, *pins, clock.now()};
  if (const auto restored = walk(plan.request, restorer); !restored)
    return Error{restored.error().status, restored.error().detail};
  return issuer.close();
}

}  // namespace sks
