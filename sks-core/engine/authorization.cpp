#include "sks-core/engine/authorization.h"

#include <array>

namespace sks::engine {
namespace {

constexpr unsigned kPukDelaySeconds = 1;
constexpr std::size_t kMaxPrepaid = 64;

Error authorization_failed(const KeyEntry& key) {
  return {Status::authorization, "Authorization failed for key " + std::to_string(key.handle.value)};
}

// Counts an attempt durably.
template <class T>
Result<void> pay(StoreState& state, typename T::Handle holder) {
  Change payment(state);
  SKS_LET(T* const paid, payment.edit<T>(holder));
  ++paid->error_count;
  payment.forbid_return();
  return payment.commit();
}

template <class T>
Result<void> set_error_count(StoreState& state, typename T::Handle holder, std::uint16_t count) {
  Change change(state);
  SKS_LET(T* const changed, change.edit<T>(holder));
  changed->error_count = count;
  return change.commit();
}

// A value that is not compared any more. A commit that was reported to have failed may have cleared the errors in the
// storage all the same: they must be there again before anybody is told.
Error locked(AuthorizationPorts ports, const KeyEntry& key) {
  if (Result<void> restored = ports.state.catch_up(); !restored) return std::move(restored).error();
  return authorization_failed(key);
}

Result<void> spend_pin_attempt(AuthorizationPorts ports, const KeyEntry& key, ByteView pin) {
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, ports.state.get<PinPolicy>(key.pin_policy));
  SKS_LET(const std::shared_ptr<const PinGroup> group, ports.state.get<PinGroup>(key.pin_group));
  const std::uint16_t errors = ports.prepaid.error_count(*group);
  if (errors >= policy->retry_limit) return locked(ports, key);
  const bool paid = errors < group->error_count;
  // A commit that was reported to have failed may have taken the payment out of the storage all the same.
  SKS_TRY(paid ? ports.state.catch_up() : pay<PinGroup>(ports.state, group->handle));
  ports.prepaid.erase(group->handle);
  if (!equal_constant_time(group->value->view(), pin)) return authorization_failed(key);
  const std::uint16_t stays_paid = ports.prepaid.payment(*policy);
  if (errors + 1 != stays_paid) SKS_TRY(set_error_count<PinGroup>(ports.state, group->handle, stays_paid));
  if (stays_paid == 0) return {};
  ports.prepaid.insert(group->handle);
  return ports.prepaid.give_back_some(ports.state);
}

Result<void> spend_puk_attempt(AuthorizationPorts ports, const KeyEntry& key, const PukPolicy& policy, ByteView puk) {
  if (policy.error_count >= policy.retry_limit) return locked(ports, key);
  SKS_TRY(pay<PukPolicy>(ports.state, policy.handle));
  if (!equal_constant_time(policy.value->view(), puk)) return authorization_failed(key);
  return set_error_count<PukPolicy>(ports.state, policy.handle, 0);
}

Result<void> compare_delayed_puk(AuthorizationPorts ports, const KeyEntry& key, PukPolicyHandle handle, ByteView puk) {
  {
    const Unlocked others_may_work(ports.locks.store);
    const std::lock_guard turn(ports.locks.puk_delay);
    ports.clock.sleep_seconds(kPukDelaySeconds);
  }
  const KeyEntry::Row* const row = ports.state.find_row<KeyEntry>(key.handle);
  if (row == nullptr || *row != key.row())
    return Error{Status::no_key, "Unknown key " + std::to_string(key.handle.value)};
  SKS_LET(const std::shared_ptr<const PukPolicy> policy, ports.state.get<PukPolicy>(handle));
  if (!equal_constant_time(policy->value->view(), puk)) return authorization_failed(key);
  return {};
}

enum class Course : std::uint8_t { check_pin, accept, refuse };

// Chapter 5.9. Columns: no biometricAuth; biometricAuth without PIN; biometricAuth with PIN.
constexpr std::array<std::array<Course, 3>, 4> kCourses{{
    /* none */ {Course::check_pin, Course::refuse, Course::refuse},
    /* alternative */ {Course::check_pin, Course::accept, Course::refuse},
    /* combined */ {Course::refuse, Course::check_pin, Course::check_pin},
    /* exclusive */ {Course::refuse, Course::accept, Course::refuse},
}};

}  // namespace

std::uint16_t PrepaidAttempts::error_count(const PinGroup& group) const {
  const bool paid = contains(group.handle) && group.error_count > 0;
  return static_cast<std::uint16_t>(group.error_count - (paid ? 1 : 0));
}

void PrepaidAttempts::give_back(StoreState& state) {
  if (groups_.empty()) return;
  Change change(state);
  for (const PinGroupHandle handle : groups_) {
    if (state.find_row<PinGroup>(handle) == nullptr) continue;
    const Result<PinGroup*> group = change.edit<PinGroup>(handle);
    if (group) group.value()->error_count = error_count(*group.value());
  }
  groups_.clear();
  static_cast<void>(change.commit());  // else the attempts stay paid
}

Result<void> PrepaidAttempts::give_back_some(StoreState& state) {
  while (groups_.size() > kMaxPrepaid) {
    const PinGroupHandle handle = *groups_.begin();
    if (state.find_row<PinGroup>(handle) != nullptr) {
      SKS_LET(const std::shared_ptr<const PinGroup> group, state.get<PinGroup>(handle));
      SKS_TRY(set_error_count<PinGroup>(state, handle, error_count(*group)));
    }
    groups_.erase(handle);
  }
  return {};
}

Result<void> verify_pin(AuthorizationPorts ports, const KeyEntry& key, ByteView pin) {
  if (key.device_pin_protection) {
    const bool right = !pin.empty() && ports.device_pin != nullptr && ports.device_pin->verify(pin);
    if (!right) return authorization_failed(key);
    return {};
  }
  if (!key.pin_policy) {
    if (!pin.empty())
      return Error{Status::option, "Key " + std::to_string(key.handle.value) + " takes no authorization"};
    return {};
  }
  return spend_pin_attempt(ports, key, pin);
}

Result<void> verify_puk(AuthorizationPorts ports, const KeyEntry& key, ByteView puk) {
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, ports.state.find<PinPolicy>(key.pin_policy));
  if (policy == nullptr || !policy->puk_policy)
    return Error{Status::option, "Key " + std::to_string(key.handle.value) + " has no PUK"};
  SKS_LET(const std::shared_ptr<const PukPolicy> puk_policy, ports.state.get<PukPolicy>(policy->puk_policy));
  if (puk_policy->retry_limit > 0) return spend_puk_attempt(ports, key, *puk_policy, puk);
  return compare_delayed_puk(ports, key, puk_policy->handle, puk);
}

Result<void> authorize(AuthorizationPorts ports, const KeyEntry& key, const Authorization& authorization) {
  const std::size_t column = !authorization.biometric ? 0 : authorization.pin.empty() ? 1 : 2;
  const Course course = kCourses.at(static_cast<std::size_t>(key.biometric_protection)).at(column);
  switch (authorization.biometric && !ports.biometric_support ? Course::refuse : course) {
    case Course::check_pin:
      return verify_pin(ports, key, authorization.pin.view());
    case Course::accept:
      return {};
    case Course::refuse:
      return Error{Status::option, "biometricAuth does not fit key " + std::to_string(key.handle.value)};
  }
  SKS_CHECK(false);
}

}  // namespace sks::engine
