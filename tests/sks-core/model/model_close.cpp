#include <algorithm>

#include "tests/sks-core/model/model.h"

// Post-provisioning and close: sks-api.md 4.3, 4.15, 4.16 and chapter 7, sks-extensions.md.
namespace sks::model {
namespace {

constexpr std::uint8_t kSuspendedByUser = 0x01;
constexpr std::uint8_t kSuspendedByIssuer = 0x02;

bool switches_activation(const PostOperation& operation) {
  return operation.method == Method::activate || operation.method == Method::deactivate;
}

// Chapter 7.2; suspension conflicts with deletion alone (sks-extensions.md, rule 2).
bool conflict(Method a, Method b) {
  if (a == Method::post_delete || b == Method::post_delete) return true;
  return a == b && (a == Method::post_unlock || a == Method::post_update);
}

// Chapter 6.6, at close.
bool endorsed_fit(const Key& key) {
  return std::ranges::all_of(key.endorsed, [&](int row) {
    const UserAlgorithm& algorithm = kUserAlgorithms.at(static_cast<std::size_t>(row));
    const bool is_symmetric = algorithm.kind == Kind::cipher || algorithm.kind == Kind::hmac;
    if (!key.symmetric && algorithm.kind == Kind::none_at_all) return true;
    if (!key.symmetric) return !is_symmetric && algorithm.is_rsa == (key.certificate->pair == kRsaPair);
    if (algorithm.kind == Kind::none_at_all) return true;
    const std::size_t size = key.symmetric->size();
    const bool fits = algorithm.key_length == 0 ? size == 16 || size == 24 || size == 32 : size == algorithm.key_length;
    return is_symmetric && (algorithm.kind == Kind::hmac || fits);
  });
}

void switch_bit(const PostOperation& operation, std::uint8_t& suspended) {
  const unsigned others = suspended & ~unsigned{kSuspendedByIssuer};
  suspended = static_cast<std::uint8_t>(others | (operation.method == Method::deactivate ? kSuspendedByIssuer : 0U));
}

}  // namespace

// The look-up targetKey of chapter 4.
State::Refusal State::target_key(Handle handle) const {
  const auto key = keys.find(handle);
  if (key == keys.end()) return Status::no_key;
  const Session& owner = sessions.at(key->second.session);
  return owner.open || owner.kmk == 0 ? Refusal(Status::option) : Refusal();
}

// 4.15 steps 4 to 7.
State::Refusal State::authorize_target(const Request& request, Session& session) const {
  const Session& owner = sessions.at(keys.at(request.target_handle).session);
  if (!take_op(session)) return Status::option;
  ++session.counter;
  if (session.privacy != owner.privacy) return Status::option;
  if (request.wrong_mac) return Status::mac;
  if (!take_op(session)) return Status::option;
  if (request.signer == 0) return Status::crypto;
  return request.signer == owner.kmk ? Refusal() : Status::option;
}

State::Refusal State::record(Session& session, const PostOperation& operation) const {
  for (const PostOperation& other : session.post_operations) {
    if (operation.new_key != 0 && other.new_key == operation.new_key) return Status::option;
    if (other.target == operation.target && conflict(other.method, operation.method)) return Status::option;
  }
  session.post_operations.push_back(operation);
  return {};
}

State::Refusal State::post_on_target(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  if (const Refusal refusal = target_key(request.target_handle)) return refusal;
  const Key& target = keys.at(request.target_handle);
  if (request.method == Method::post_unlock && target.policy == 0) return Status::option;
  if (const Refusal refusal = authorize_target(request, session)) return refusal;
  return record(session, {request.method, request.target_handle, target.identity, 0});
}

State::Refusal State::post_with_new_key(const Request& request, Verdict&) {
  const Key* const key = open_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  Session& session = sessions.at(key->session);
  if (const Refusal refusal = target_key(request.target_handle)) return refusal;
  const Key& target = keys.at(request.target_handle);
  if (key->has_pin()) return Status::option;
  const bool fits = request.method == Method::post_update ? key->app_usage == target.app_usage
                                                          : target.policy == 0 || pins.at(target.policy).grouping == 1;
  if (!fits || !key->certificate) return Status::option;
  if (const Refusal refusal = authorize_target(request, session)) return refusal;
  return record(session, {request.method, request.target_handle, target.identity, request.key_handle});
}

State::Refusal State::activate_or_deactivate(const Request& request, Verdict& verdict) {
  return request.session_handle == 0 ? activate_locally(request, verdict) : activate_by_issuer(request, verdict);
}

State::Refusal State::activate_locally(const Request& request, Verdict& verdict) {
  if (std_key(request.target_handle) == nullptr) return Status::no_key;
  if (request.wrong_mac) return Status::option;  // a MAC where none belongs
  if (const Refusal refusal = verify_pin(request.target_handle, request.authorization)) return refusal;
  Key& key = keys.at(request.target_handle);
  const unsigned others = key.suspended & ~unsigned{kSuspendedByUser};
  key.suspended = static_cast<std::uint8_t>(others | (request.method == Method::deactivate ? kSuspendedByUser : 0U));
  verdict.activation = key.suspended;
  return {};
}

State::Refusal State::activate_by_issuer(const Request& request, Verdict& verdict) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  const auto own = keys.find(request.target_handle);
  if (own != keys.end() && own->second.session == request.session_handle) {
    if (!own->second.certificate || !take_op(session)) return Status::option;
    ++session.counter;
    if (request.wrong_mac) return Status::mac;
    if (request.signer != 0) return Status::option;  // an authorization where none belongs
  } else {
    if (const Refusal refusal = target_key(request.target_handle)) return refusal;
    if (const Refusal refusal = authorize_target(request, session)) return refusal;
  }
  const PostOperation operation{request.method, request.target_handle, keys.at(request.target_handle).identity, 0};
  if (const Refusal refusal = record(session, operation)) return refusal;
  verdict.activation = activation_after(session, request.target_handle);
  return {};
}

// The state that will hold after the commit. An update makes two keys one, with the state of the target.
std::uint8_t State::activation_after(const Session& session, Handle key) const {
  Handle target = key;
  Handle new_key = key;
  for (const PostOperation& operation : session.post_operations)
    if (operation.method == Method::post_update && (operation.target == key || operation.new_key == key)) {
      target = operation.target;
      new_key = operation.new_key;
    }
  const auto found = keys.find(target);
  std::uint8_t suspended = found == keys.end() ? std::uint8_t{0} : found->second.suspended;
  for (const PostOperation& operation : session.post_operations)
    if (switches_activation(operation) && (operation.target == target || operation.target == new_key))
      switch_bit(operation, suspended);
  return suspended;
}

// 4.3 step 5.
State::Refusal State::check_keys(Handle handle) const {
  std::set<Handle> vanishing;
  for (const PostOperation& operation : sessions.at(handle).post_operations)
    if (operation.method == Method::post_update || operation.method == Method::post_delete)
      vanishing.insert(operation.target);
  for (const auto& [key_handle, key] : keys) {
    if (key.session != handle) continue;
    if (!key.certificate || key.certificate->pair != key.private_pair) return Status::option;
    for (const auto& [other_handle, other] : keys)
      if (other_handle != key_handle && !vanishing.contains(other_handle) && other.certificate == key.certificate)
        return Status::option;
    if (!endorsed_fit(key)) return Status::option;
  }
  return {};
}

State::Refusal State::close_session(const Request& request, Verdict&) {
  if (open_session(request.session_handle) == nullptr) return Status::no_session;
  Session& session = sessions.at(request.session_handle);
  if (request.length < 1 || request.length > 32) return Status::option;
  if (!take_op(session)) return Status::option;
  if (request.wrong_mac) return Status::mac;
  if (!take_op(session)) return Status::option;
  for (const auto& [id, referenced] : session.ids)
    if (!referenced) return Status::option;
  if (const Refusal refusal = check_keys(request.session_handle)) return refusal;
  for (const PostOperation& operation : session.post_operations) {
    const auto target = keys.find(operation.target);
    if (target != keys.end() && target->second.session == request.session_handle) continue;
    if (const Refusal refusal = target_key(operation.target)) return refusal;
    if (target->second.identity != operation.target_identity) return Status::no_key;  // B7
  }
  perform(session, request.session_handle);
  return {};
}

// Chapters 7.5 and 7.6. Suspension comes after all other operations and follows a key to its new handle.
void State::perform(Session& session, Handle session_handle) {
  const std::vector<PostOperation> operations = session.post_operations;
  std::set<Handle> owners;
  for (const PostOperation& operation : operations) owners.insert(keys.at(operation.target).session);
  owners.erase(session_handle);
  std::map<Handle, Handle> moved;
  for (const PostOperation& operation : operations) {
    if (operation.method == Method::post_delete) keys.erase(operation.target);
    if (operation.method == Method::post_unlock) {
      const Key& target = keys.at(operation.target);
      set_errors(operation.target, 0);
      if (puk_of(target) != nullptr) puks.at(pins.at(target.policy).puk).errors = 0;
    }
    if (operation.new_key == 0) continue;
    Key heir = keys.at(operation.new_key);
    const Key& target = keys.at(operation.target);
    heir.policy = target.policy;
    heir.pin = target.pin;
    heir.pin_errors = target.pin_errors;
    heir.device_pin = target.device_pin;
    if (operation.method == Method::post_clone) {
      keys[operation.new_key] = heir;
    } else {
      heir.suspended = target.suspended;
      keys[operation.target] = heir;
      keys.erase(operation.new_key);
      moved[operation.new_key] = operation.target;
    }
  }
  for (const PostOperation& operation : operations) {
    if (!switches_activation(operation)) continue;
    const auto found = moved.find(operation.target);
    switch_bit(operation, keys.at(found == moved.end() ? operation.target : found->second).suspended);
  }
  for (const Handle old : owners) absorb(session_handle, old);
  const auto owned = [&](const auto& key) { return key.second.session == session_handle; };
  session.open = false;
  session.ids.clear();
  session.post_operations.clear();
  remove_unused_policies();
  if (std::none_of(keys.begin(), keys.end(), owned)) sessions.erase(session_handle);
}

void State::absorb(Handle into, Handle old) {
  for (auto& [handle, key] : keys)
    if (key.session == old) key.session = into;
  for (auto& [handle, policy] : pins)
    if (policy.session == old) policy.session = into;
  for (auto& [handle, policy] : puks)
    if (policy.session == old) policy.session = into;
  sessions.erase(old);
}

}  // namespace sks::model
