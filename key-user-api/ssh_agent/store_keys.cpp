#include "key-user-api/ssh_agent/store_keys.h"

#include "key-user-api/dialog/pin_encoding.h"
#include "key-user-api/ssh_agent/consent.h"
#include "sks-core/base/pin_value.h"
#include "sks-core/crypto/hash.h"

namespace sks::ssh {
namespace {

/// For answers that cost no try.
constexpr int kMaxQuestions = 10;

bool is_locked(const KeyProtectionInfo& info) { return (info.protection_status & kPinBlocked) != 0; }

unsigned tries_left(const KeyProtectionInfo& info) {
  return info.pin_error_count >= info.retry_limit ? 0U : unsigned{info.retry_limit} - info.pin_error_count;
}

/// The device PIN has no counter that a key knows of.
bool has_counter(const KeyProtectionInfo& info) { return info.retry_limit != 0; }

std::string describe_tries(const KeyProtectionInfo& info) {
  if (!has_counter(info)) return "";
  const unsigned left = tries_left(info);
  return left == 1 ? "One try is left." : std::to_string(left) + " tries are left.";
}

std::string wrong_pin(const KeyProtectionInfo& info) {
  const std::string tries = describe_tries(info);
  return tries.empty() ? "The PIN is wrong." : "The PIN is wrong. " + tries;
}

Error locked() { return {Status::authorization, "the PIN of the key is locked"}; }

/// The bytes for the key store; a text that cannot be the PIN is told about and costs no try.
Result<SecureBytes> to_pin(const SecureBytes& typed, std::uint8_t format) {
  SKS_LET(SecureBytes pin, dialog::pin_from_text(typed.view(), format));
  if (pin.size() > pin::kMaxLength) return Error{Status::option, "The PIN is too long."};
  return pin;
}

}  // namespace

struct StoreKeys::Task {
  const Requester& requester;
  const StoredIdentity& identity;
  const Scheme& scheme;
  ByteView data;
  std::optional<PinGroupHandle> remembered_as;  ///< none: the PIN is asked for each time
};

StoreKeys::StoreKeys(StorePorts ports, std::chrono::seconds pin_lifetime)
    : ports_(std::move(ports)), memory_(ports_.clock, pin_lifetime) {}

Result<std::vector<Identity>> StoreKeys::identities() {
  SKS_LET(std::vector<StoredIdentity> stored, stored_identities(ports_.store, kMaxIdentities));
  std::vector<Identity> identities;
  std::map<Bytes, KeyHandle> handles;
  for (StoredIdentity& identity : stored) {
    // The same key may be there twice, under two certificates.
    if (handles.emplace(identity.key_blob, identity.handle).second)
      identities.push_back({std::move(identity.key_blob), std::move(identity.comment), identity.handle});
  }
  const std::lock_guard guard(handles_mutex_);
  handles_ = std::move(handles);
  return identities;
}

Result<StoredIdentity> StoreKeys::look_up(ByteView key_blob) {
  std::optional<KeyHandle> handle;
  {
    const std::lock_guard guard(handles_mutex_);
    const auto found = handles_.find(to_bytes(key_blob));
    if (found != handles_.end()) handle = found->second;
  }
  if (handle) {
    auto identity = identity_of(ports_.store, *handle);
    if (identity && *identity && equal((*identity)->key_blob, key_blob)) return std::move(**identity);
  }
  SKS_LET(std::vector<StoredIdentity> stored, stored_identities(ports_.store, kMaxIdentities));
  for (StoredIdentity& identity : stored)
    if (equal(identity.key_blob, key_blob)) return std::move(identity);
  return Error{Status::no_key, "no key of the key store that may sign for SSH"};
}

Result<Identity> StoreKeys::find(ByteView key_blob) {
  SKS_LET(StoredIdentity identity, look_up(key_blob));
  return Identity{std::move(identity.key_blob), std::move(identity.comment), identity.handle};
}

Result<Bytes> StoreKeys::sign(const Requester& requester, ByteView key_blob, const Scheme& scheme, ByteView data) {
  SKS_LET(const StoredIdentity identity, look_up(key_blob));
  if (!permits(identity, scheme.algorithm)) return Error{Status::algorithm, "the key may not sign in this way"};
  SKS_LET(const KeyProtectionInfo info, ports_.store.get_key_protection_info(identity.handle));
  Task task{requester, identity, scheme, data, std::nullopt};
  if ((info.protection_status & (kPinProtected | kDevicePin)) == 0) return execute(task, SecureBytes());
  if (info.enable_pin_caching && !requester.forwarded) {
    SKS_LET(task.remembered_as, ports_.pin_group_of(identity.handle));
  }
  return execute_with_pin(task);
}

Result<Bytes> StoreKeys::execute(const Task& task, const SecureBytes& pin) {
  const Authorization authorization{SecureBytes::copy_of(pin.view()), false};
  const KeyHandle key = task.identity.handle;
  // What is hashed here may be longer than what the key store takes.
  auto signature = task.scheme.hash == HashId::none
                       ? ports_.store.sign_data(key, task.scheme.algorithm, {}, authorization, task.data)
                       : ports_.store.sign_hashed_data(key, task.scheme.algorithm, {}, authorization,
                                                       crypto::digest(task.scheme.hash, task.data));
  if (!signature) return std::move(signature).error();
  return encode_signature(task.scheme, *signature);
}

Result<Bytes> StoreKeys::execute_with_pin(const Task& task) {
  SKS_LET(std::optional<Bytes> signature, try_remembered(task));
  if (signature) return std::move(*signature);
  const std::lock_guard guard(question_);
  SKS_LET(signature, try_remembered(task));  // it may have been asked for meanwhile
  if (signature) return std::move(*signature);
  return ask_and_execute(task);
}

/// None: no PIN is remembered, or it has been changed. The last try is not spent on that, and no more than one: those
/// who would use it at the same time take turns.
Result<std::optional<Bytes>> StoreKeys::try_remembered(const Task& task) {
  std::optional<Bytes> none;
  if (!task.remembered_as) return none;
  const std::lock_guard guard(trying_);
  const std::optional<SecureBytes> pin = memory_.find(*task.remembered_as);
  if (!pin) return none;
  SKS_LET(const KeyProtectionInfo info, ports_.store.get_key_protection_info(task.identity.handle));
  if (is_locked(info) || (has_counter(info) && tries_left(info) <= 1)) {
    memory_.forget(*task.remembered_as);
    return none;
  }
  auto signature = execute(task, *pin);
  if (signature) return std::optional(std::move(*signature));
  if (signature.error().status != Status::authorization) return std::move(signature).error();
  memory_.forget(*task.remembered_as);
  return none;
}

Result<Bytes> StoreKeys::ask_and_execute(const Task& task) {
  std::string problem;
  for (int i = 0; i < kMaxQuestions; ++i) {
    const PinMemory::Era era = memory_.era();
    SKS_LET(const KeyProtectionInfo info, ports_.store.get_key_protection_info(task.identity.handle));
    if (is_locked(info)) return locked();
    if (problem.empty() && info.pin_error_count > 0) problem = describe_tries(info);
    const std::optional<SecureBytes> typed =
        ports_.dialog.ask(question_about(task.requester, task.identity.comment, "PIN", problem));
    if (!typed || typed->empty()) return Error{Status::user_abort, "nobody has given the PIN"};
    const Result<SecureBytes> pin = to_pin(*typed, info.format);
    if (!pin) {
      problem = pin.error().detail;
      continue;
    }
    auto signature = execute(task, *pin);
    if (signature && task.remembered_as) memory_.remember(*task.remembered_as, *pin, era);
    if (signature || signature.error().status != Status::authorization) return signature;
    SKS_LET(const KeyProtectionInfo after, ports_.store.get_key_protection_info(task.identity.handle));
    problem = wrong_pin(after);
  }
  return Error{Status::authorization, "the PIN of the key is wrong"};
}

}  // namespace sks::ssh
