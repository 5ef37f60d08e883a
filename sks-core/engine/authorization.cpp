#include "sks-core/engine/authorization.h"

#include <array>

namespace sks::engine {
namespace {

constexpr unsigned kPukDelaySeconds = 1;

Error authorization_failed(const KeyEntry& key) {
  return {Status::authorization, "Authorization failed for key " + std::to_string(key.handle.value)};
}

// Compares with the value of a PIN group or PUK policy, counting against `limit`.
template <class T>
Result<void> spend_attempt(StoreState& state, typename T::Handle holder, std::uint16_t limit, const KeyEntry& key,
                           ByteView candidate) {
  SKS_LET(const std::shared_ptr<const T> before, state.get<T>(holder));
  if (before->error_count >= limit) return authorization_failed(key);
  Change payment(state);
  SKS_LET(T* const paid, payment.edit<T>(holder));
  ++paid->error_count;
  SKS_TRY(payment.commit());
  if (!equal_constant_time(before->value->view(), candidate)) return authorization_failed(key);
  Change reward(state);
  SKS_LET(T* const rewarded, reward.edit<T>(holder));
  rewarded->error_count = 0;
  return reward.commit();
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
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, ports.state.get<PinPolicy>(key.pin_policy));
  return spend_attempt<PinGroup>(ports.state, key.pin_group, policy->retry_limit, key, pin);
}

Result<void> verify_puk(AuthorizationPorts ports, const KeyEntry& key, ByteView puk) {
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, ports.state.find<PinPolicy>(key.pin_policy));
  if (policy == nullptr || !policy->puk_policy)
    return Error{Status::option, "Key " + std::to_string(key.handle.value) + " has no PUK"};
  SKS_LET(const std::shared_ptr<const PukPolicy> puk_policy, ports.state.get<PukPolicy>(policy->puk_policy));
  if (puk_policy->retry_limit > 0)
    return spend_attempt<PukPolicy>(ports.state, puk_policy->handle, puk_policy->retry_limit, key, puk);
  ports.clock.sleep_seconds(kPukDelaySeconds);
  if (!equal_constant_time(puk_policy->value->view(), puk)) return authorization_failed(key);
  return {};
}

Result<void> authorize(AuthorizationPorts ports, const KeyEntry& key, const Authorization& authorization) {
  const std::size_t column = !authorization.biometric ? 0 : authorization.pin.empty() ? 1 : 2;
  switch (kCourses.at(static_cast<std::size_t>(key.biometric_protection)).at(column)) {
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
