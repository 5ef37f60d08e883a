#include "key-user-api/cli/backup_collection.h"

#include <algorithm>

#include "key-user-api/cli/commands.h"
#include "key-user-api/dialog/pin_text.h"
#include "keygen2/enumerations.h"

namespace sks::cli {
namespace {

using sealed::Backup;
using sealed::BackupKey;
using sealed::LeftBehind;

bool needs(const ListedKey& key, std::uint8_t export_protection) {
  return key.protection.export_protection == export_protection;
}

bool has(const ListedKey& key, std::uint8_t status) { return (key.protection.protection_status & status) != 0; }

/// In this order: the first row that holds is the reason.
struct Obstacle {
  LeftBehind reason;
  bool (*holds)(const ListedKey& key, ProtectedKeys protected_keys);
};
constexpr auto kObstacles = std::to_array<Obstacle>({
    {LeftBehind::non_exportable,
     [](const ListedKey& key, ProtectedKeys) { return needs(key, keygen2::kNonExportable); }},
    {LeftBehind::device_pin, [](const ListedKey& key, ProtectedKeys) { return has(key, kDevicePin); }},
    {LeftBehind::suspended, [](const ListedKey& key, ProtectedKeys) { return has(key, kSuspended); }},
    {LeftBehind::skipped,
     [](const ListedKey& key, ProtectedKeys protected_keys) {
       return protected_keys == ProtectedKeys::skip && !needs(key, keygen2::kProtectionNone);
     }},
    {LeftBehind::blocked,
     [](const ListedKey& key, ProtectedKeys) {
       return (needs(key, keygen2::kProtectionPin) && has(key, kPinBlocked)) ||
              (needs(key, keygen2::kProtectionPuk) && has(key, kPukBlocked));
     }},
});

std::optional<LeftBehind> find_obstacle(const ListedKey& key, ProtectedKeys protected_keys) {
  const auto found =
      std::ranges::find_if(kObstacles, [&](const Obstacle& row) { return row.holds(key, protected_keys); });
  if (found == kObstacles.end()) return std::nullopt;
  return found->reason;
}

/// PINs or PUKs in the order in which they are needed.
struct Supply {
  std::string_view what;
  PasswordKind (*kind_of)(const ListedKey& key);
  std::vector<SecureBytes> given;
  dialog::Terminal* terminal;
  std::size_t next = 0;

  Result<SecureBytes> take(const ListedKey& key) {
    const std::string name = std::string(what) + " of key " + std::to_string(key.handle.value) + " (" +
                             dialog::printable(key.friendly_name.empty() ? key.subject : key.friendly_name) + ")";
    if (next < given.size()) return password_from_text(given[next++].view(), kind_of(key));
    if (!given.empty()) return Error{Status::option, "one more " + std::string(what) + " is needed: the " + name};
    if (terminal == nullptr) {
      return Error{Status::user_abort, "the " + name + " is needed, and there is no terminal to ask at; " +
                                           "--skip-protected leaves such keys behind"};
    }
    const auto typed = terminal->read_secret(name + ": ");
    if (!typed || typed->empty()) return Error{Status::user_abort, "no " + std::string(what) + " was entered"};
    return password_from_text(typed->view(), kind_of(key));
  }

  Result<void> check_used() const {
    if (next == given.size()) return {};
    return Error{Status::option, "more " + std::string(what) + "s are given than the " + std::to_string(next) +
                                     " that the export of these keys takes"};
  }
};

Result<void> check_pin(SecureKeyStore& store, const ListedKey& key, const SecureBytes& pin) {
  const auto verified = store.verify_pin(key.handle, pin);
  if (!verified && verified.error().status == Status::authorization) return explain_wrong_pin(store, key.handle);
  return verified;
}

sealed::BackupPinPolicy policy_of(const KeyProtectionInfo& info) {
  sealed::BackupPinPolicy policy;
  policy.format = info.format;
  policy.retry_limit = info.retry_limit;
  policy.grouping = info.grouping;
  policy.pattern_restrictions = info.pattern_restrictions;
  policy.min_length = info.min_length;
  policy.max_length = info.max_length;
  policy.input_method = info.input_method;
  policy.user_defined = info.user_defined;
  policy.user_modifiable = info.user_modifiable;
  return policy;
}

/// What no PKCS#8 of such a key is longer than: an RSA key has nine numbers, five of them of half the length of the
/// modulus, and the others are no longer than it. All other keys are short.
std::size_t most_of_pkcs8(const crypto::PublicKey& key) {
  constexpr std::size_t kFrame = 256;
  return 5 * key.spki().size() + kFrame;
}

/// Zeros in the place of a key that has not left yet.
Result<SecureBytes> placeholder_of(const KeyAttributes& attributes) {
  if (attributes.symmetric_key_length != 0) return SecureBytes(attributes.symmetric_key_length);
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(attributes.certificate_path.front()));
  SKS_LET(const crypto::PublicKey key, certificate.public_key());
  return SecureBytes(most_of_pkcs8(key));
}

Result<BackupKey> describe_key(const BackupCandidate& candidate, SecureKeyStore& store) {
  const KeyHandle handle = candidate.key.handle;
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(handle));
  BackupKey key;
  SKS_LET(key.key, placeholder_of(attributes));
  key.symmetric = attributes.symmetric_key_length != 0;
  key.certificate_path = std::move(attributes.certificate_path);
  key.friendly_name = std::move(attributes.friendly_name);
  key.issuer_uri = candidate.key.issuer_uri;
  key.app_usage = attributes.app_usage;
  key.endorsed_algorithms = std::move(attributes.endorsed_algorithms);
  const KeyProtectionInfo& protection = candidate.key.protection;
  key.export_protection = protection.export_protection;
  key.delete_protection = protection.delete_protection;
  key.enable_pin_caching = protection.enable_pin_caching;
  key.biometric_protection = protection.biometric_protection;
  key.key_backup = protection.key_backup;
  for (const std::string& type : attributes.extension_types) {
    SKS_LET(ExtensionContent content, store.get_extension(handle, type));
    key.extensions.push_back({type, content.sub_type, std::move(content.qualifier), std::move(content.data)});
  }
  return key;
}

Result<sealed::BackupLeftKey> describe_left(const BackupCandidate& candidate, SecureKeyStore& store) {
  SKS_LET(KeyAttributes attributes, store.get_key_attributes(candidate.key.handle));
  return sealed::BackupLeftKey{*candidate.left_behind, std::move(attributes.friendly_name), candidate.key.issuer_uri,
                               std::move(attributes.certificate_path)};
}

}  // namespace

Result<std::vector<BackupCandidate>> find_candidates(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                                                     ProtectedKeys protected_keys) {
  SKS_LET(std::vector<ListedKey> keys, list_keys(store));
  std::vector<BackupCandidate> candidates;
  for (ListedKey& key : keys) {
    BackupCandidate candidate{std::move(key), std::nullopt, std::nullopt};
    SKS_LET(candidate.pin_group, pin_group_of(candidate.key.handle));
    candidate.left_behind = find_obstacle(candidate.key, protected_keys);
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

Result<ExportPasswords> ExportPasswords::collect(const std::vector<BackupCandidate>& candidates,
                                                 std::vector<SecureBytes> pins, std::vector<SecureBytes> puks,
                                                 SecureKeyStore& store, dialog::Terminal* terminal) {
  ExportPasswords result;
  Supply pin_supply{"PIN", pin_of, std::move(pins), terminal};
  Supply puk_supply{"PUK", puk_of, std::move(puks), terminal};
  std::vector<const ListedKey*> to_check;
  for (const BackupCandidate& candidate : candidates) {
    const ListedKey& key = candidate.key;
    if (candidate.left_behind || needs(key, keygen2::kProtectionNone)) continue;
    SKS_CHECK(candidate.pin_group.has_value());  // sks-api.md 4.9 step 10C
    const Slot slot{*candidate.pin_group, key.protection.export_protection};
    if (result.passwords_.contains(slot)) continue;
    const bool is_pin = needs(key, keygen2::kProtectionPin);
    SKS_LET(SecureBytes password, is_pin ? pin_supply.take(key) : puk_supply.take(key));
    result.passwords_.emplace(slot, std::move(password));
    if (is_pin) to_check.push_back(&key);
  }
  SKS_TRY(pin_supply.check_used());
  SKS_TRY(puk_supply.check_used());
  for (const BackupCandidate& candidate : candidates)
    if (std::ranges::find(to_check, &candidate.key) != to_check.end())
      SKS_TRY(check_pin(store, candidate.key, result.of(candidate)));
  return result;
}

const SecureBytes& ExportPasswords::of(const BackupCandidate& candidate) const {
  if (!candidate.pin_group) return none_;
  const auto found = passwords_.find({*candidate.pin_group, candidate.key.protection.export_protection});
  return found == passwords_.end() ? none_ : found->second;
}

Result<BackupPlan> plan_backup(const std::vector<BackupCandidate>& candidates, SecureKeyStore& store,
                               std::int64_t now) {
  BackupPlan plan;
  Backup& backup = plan.backup;
  SKS_LET(const DeviceInfo device, store.get_device_info());
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(device.certificate_path.front()));
  backup.label = certificate.subject();
  backup.time = static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0));

  std::vector<const BackupCandidate*> order;
  for (const BackupCandidate& candidate : candidates) order.push_back(&candidate);
  std::stable_partition(order.begin(), order.end(), [](const BackupCandidate* candidate) {
    return needs(candidate->key, keygen2::kProtectionPuk);
  });

  std::map<PinGroupHandle, std::size_t> pins;
  for (const BackupCandidate* const candidate : order) {
    if (candidate->left_behind) {
      SKS_LET(sealed::BackupLeftKey left, describe_left(*candidate, store));
      backup.left_behind.push_back(std::move(left));
      continue;
    }
    SKS_LET(BackupKey key, describe_key(*candidate, store));
    if (candidate->pin_group) {
      const auto [pin, is_new] = pins.try_emplace(*candidate->pin_group, backup.pins.size() + 1);
      if (is_new) backup.pins.push_back(policy_of(candidate->key.protection));
      key.pin = pin->second;
    }
    backup.keys.push_back(std::move(key));
    plan.sources.push_back(candidate);
  }
  return plan;
}

Result<Backup> export_keys(BackupPlan plan, const ExportPasswords& passwords, SecureKeyStore& store) {
  for (std::size_t i = 0; i < plan.sources.size(); ++i) {
    const BackupCandidate& candidate = *plan.sources[i];
    const KeyHandle handle = candidate.key.handle;
    auto exported = store.export_key(handle, passwords.of(candidate));
    if (!exported && exported.error().status == Status::authorization)
      return needs(candidate.key, keygen2::kProtectionPuk) ? explain_wrong_puk(store, handle)
                                                           : explain_wrong_pin(store, handle);
    if (!exported) return exported.error();
    plan.backup.keys[i].key = std::move(*exported);
  }
  return std::move(plan.backup);
}

}  // namespace sks::cli
