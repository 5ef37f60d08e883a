#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/post_operations.h"
#include "sks-core/engine/session_crypto.h"

/// Suspending keys: activate and deactivate of sks-extensions.md.
///
/// What the extension leaves to analogy:
/// - A call by the issuer runs through the steps of postUnlockKey, and counts like it: the MAC and the target key
///   reference are an operation each. For a key of the session itself there is no reference, so one operation; the
///   certificate path is asked for before the MAC (4.16 step 5), the empty authorization where 4.15 verifies one.
/// - A call by the user follows verifyPin of chapter 5.7, as all methods without biometric argument do. So a key under
///   the device PIN wants the device PIN.
namespace sks {
namespace engine {

namespace {

struct Switch {
  std::string_view method;
  PostAction action;
  std::uint8_t by_user;  ///< the user's bit, as it will be
};

constexpr Switch kActivate{"activate", PostAction::activate, 0};
constexpr Switch kDeactivate{"deactivate", PostAction::deactivate, kSuspendedByUser};

Result<std::uint8_t> switch_by_user(Core& core, const Switch& to, const ActivationRequest& request) {
  SKS_LET(const std::shared_ptr<const KeyEntry> key, core.std_key(request.target));
  if (!request.mac.empty()) return Error{Status::option, "a call by the user has no MAC"};
  SKS_TRY(verify_pin(core.authorization(), *key, request.authorization.view()));
  const unsigned others = key->activation_state & ~unsigned{kSuspendedByUser};
  const auto state = static_cast<std::uint8_t>(others | to.by_user);
  if (state == key->activation_state) return state;
  Change change(*core.state);
  SKS_LET(KeyEntry* const entry, change.edit<KeyEntry>(request.target));
  entry->activation_state = state;
  change.forbid_return();
  SKS_TRY(change.commit());
  return state;
}

Result<void> record_for_own_key(SessionCall& call, const Switch& to, const ActivationRequest& request,
                                const KeyEntry& key) {
  if (!key.has_certificate()) return Error{Status::option, "Certificate path missing: " + key.id};
  const ByteView authorization = request.authorization.view();
  ByteWriter data;
  data.array(key.certificate_path.front()).array(authorization);
  SKS_TRY(check_mac(call.session, to.method, data.view(), request.mac));
  if (!authorization.empty()) return Error{Status::option, "a key of the session itself takes no authorization"};
  return record_operation(call.session, to.action, key);
}

Result<void> record_for_target(SessionCall& call, const Switch& to, const ActivationRequest& request) {
  SKS_LET(const Target target, find_target(call.core, request.target));
  const ByteView authorization = request.authorization.view();
  ByteWriter data;
  data.array(authorization);
  SKS_TRY(authenticate(call, target, {to.method, data.view(), request.mac, authorization}));
  return record_operation(call.session, to.action, *target.key);
}

Result<std::uint8_t> switch_by_issuer(SessionCall& call, const Switch& to, const ActivationRequest& request) {
  const StoreState& state = *call.core.state;
  SKS_LET(const std::shared_ptr<const KeyEntry> key, state.find<KeyEntry>(request.target));
  const bool is_own = key != nullptr && key->session == call.session.handle;
  SKS_TRY(is_own ? record_for_own_key(call, to, request, *key) : record_for_target(call, to, request));
  return activation_state_after(state, call.session, request.target);
}

Result<std::uint8_t> switch_key(Core& core, const Switch& to, const ActivationRequest& request) {
  SKS_TRY(check_decodable({request.authorization.view(), request.mac}, {}));
  if (!request.session) {
    const std::lock_guard lock(core.locks.store);
    return switch_by_user(core, to, request);
  }
  return core.in_open_session(request.session, [&](SessionCall& call) { return switch_by_issuer(call, to, request); });
}

}  // namespace
}  // namespace engine

Result<std::uint8_t> Engine::activate(const ActivationRequest& request) {
  return engine::switch_key(impl_->core, engine::kActivate, request);
}

Result<std::uint8_t> Engine::deactivate(const ActivationRequest& request) {
  return engine::switch_key(impl_->core, engine::kDeactivate, request);
}

}  // namespace sks
