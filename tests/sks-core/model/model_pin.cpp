#include <algorithm>

#include "tests/sks-core/model/model.h"

// PINs and PUKs: sks-api.md chapter 5.
namespace sks::model {
namespace {

enum class Group { upper, lower, digit, other };

Group group_of_character(char character) {
  if (character >= 'A' && character <= 'Z') return Group::upper;
  if (character >= 'a' && character <= 'z') return Group::lower;
  if (character >= '0' && character <= '9') return Group::digit;
  return Group::other;
}

bool has(const std::string& text, Group group) {
  return std::any_of(text.begin(), text.end(), [&](char c) { return group_of_character(c) == group; });
}

// B5: one byte is no sequence.
bool is_sequence(const std::string& pin) {
  if (pin.size() < 2) return false;
  const auto step = [&](std::size_t i) { return static_cast<std::uint8_t>(pin[i] - pin[i - 1]); };
  const std::uint8_t first = step(1);
  if (first != 1 && first != 255) return false;
  for (std::size_t i = 2; i < pin.size(); ++i)
    if (step(i) != first) return false;
  return true;
}

bool has_run(const std::string& pin, std::size_t length) {
  std::size_t run = 1;
  for (std::size_t i = 1; i < pin.size(); ++i) {
    run = pin[i] == pin[i - 1] ? run + 1 : 1;
    if (run >= length) return true;
  }
  return false;
}

}  // namespace

bool has_syntax(std::uint8_t format, const std::string& text) {
  if (format >= 2) return true;
  const bool only_digits_and_upper = !has(text, Group::lower) && !has(text, Group::other);
  return format == 0 ? only_digits_and_upper && !has(text, Group::upper) : only_digits_and_upper;
}

bool obeys(const PinPolicy& policy, const std::string& pin) {
  if (pin.size() < policy.min_length || pin.size() > policy.max_length) return false;
  if (!has_syntax(policy.format, pin)) return false;
  if ((policy.patterns & 0x10) != 0) {
    if (!has(pin, Group::upper) || !has(pin, Group::digit)) return false;
    if (policy.format == 2 && (!has(pin, Group::lower) || !has(pin, Group::other))) return false;
  }
  if ((policy.patterns & 0x04) != 0 && is_sequence(pin)) return false;
  if ((policy.patterns & 0x08) != 0 && std::set<char>(pin.begin(), pin.end()).size() != pin.size()) return false;
  if ((policy.patterns & 0x01) != 0) return !has_run(pin, 2);
  if ((policy.patterns & 0x02) != 0) return !has_run(pin, 3);
  return true;
}

void State::set_errors(Handle key, std::uint16_t errors) {
  for (const Handle member : group_of(key)) keys.at(member).pin_errors = errors;
}

void State::set_pin_value(Handle key, const std::string& pin) {
  for (const Handle member : group_of(key)) keys.at(member).pin = pin;
}

// Chapter 5.7. The device PIN of the tests is 1234.
State::Refusal State::verify_pin(Handle handle, const std::string& pin) {
  const Key& key = keys.at(handle);
  if (key.device_pin) return pin == "1234" ? Refusal() : Status::authorization;
  if (key.policy == 0) return pin.empty() ? Refusal() : Status::option;
  if (key.pin_errors >= pins.at(key.policy).retry_limit) return Status::authorization;
  if (pin != key.pin) {
    set_errors(handle, static_cast<std::uint16_t>(key.pin_errors + 1));
    return Status::authorization;
  }
  set_errors(handle, 0);
  return {};
}

// Chapter 5.8.
State::Refusal State::verify_puk(Handle handle, const std::string& value, Verdict& verdict) {
  const Key& key = keys.at(handle);
  if (puk_of(key) == nullptr) return Status::option;
  PukPolicy& puk = puks.at(pins.at(key.policy).puk);
  if (puk.retry_limit > 0 && puk.errors >= puk.retry_limit) return Status::authorization;
  if (puk.retry_limit == 0) ++verdict.naps;
  if (value != puk.value) {
    if (puk.retry_limit > 0) ++puk.errors;
    return Status::authorization;
  }
  puk.errors = 0;
  return {};
}

// Chapter 5.9.
State::Refusal State::authorize(const Request& request) {
  const bool has_value = !request.authorization.empty();
  const std::uint8_t biometric = keys.at(request.key_handle).biometric;
  if (!request.biometric_auth)
    return biometric >= 2 ? Status::option : verify_pin(request.key_handle, request.authorization);
  if (biometric == 0) return Status::option;
  if (biometric == 2) return verify_pin(request.key_handle, request.authorization);
  return has_value ? Refusal(Status::option) : Refusal();
}

// Chapter 4.22, step 2.
State::Refusal State::check_protection(std::uint8_t protection, const Request& request, Verdict& verdict) {
  if (protection == 0) return request.authorization.empty() ? Refusal() : Status::option;
  if (protection == 1) return verify_pin(request.key_handle, request.authorization);
  if (protection == 2) return verify_puk(request.key_handle, request.authorization, verdict);
  return Status::not_allowed;
}

// Chapters 4.24 step 5 and 5.5.
State::Refusal State::check_changed_pin(Handle handle, const std::string& pin) const {
  const Key& key = keys.at(handle);
  const PinPolicy& policy = pins.at(key.policy);
  if (!obeys(policy, pin)) return Status::option;
  for (const auto& [other_handle, other] : keys) {
    if (other.policy != key.policy || other.pin != pin) continue;
    if (policy.grouping == 2 && (other.app_usage == 0) != (key.app_usage == 0)) return Status::option;
    if (policy.grouping == 3 && other.app_usage != key.app_usage) return Status::option;
  }
  return {};
}

void State::remove_unused_policies() {
  const auto in_closed_session = [&](Handle session) {
    return !sessions.contains(session) || !sessions.at(session).open;
  };
  std::erase_if(pins, [&](const auto& entry) {
    const auto uses = [&](const auto& key) { return key.second.policy == entry.first; };
    return in_closed_session(entry.second.session) && std::none_of(keys.begin(), keys.end(), uses);
  });
  std::erase_if(puks, [&](const auto& entry) {
    const auto uses = [&](const auto& pin) { return pin.second.puk == entry.first; };
    return in_closed_session(entry.second.session) && std::none_of(pins.begin(), pins.end(), uses);
  });
}

// Chapter 1.4.
void State::remove_key(Handle handle) {
  const Handle owner = keys.at(handle).session;
  keys.erase(handle);
  remove_unused_policies();
  const auto owned = [&](const auto& key) { return key.second.session == owner; };
  if (!sessions.at(owner).open && std::none_of(keys.begin(), keys.end(), owned)) sessions.erase(owner);
}

}  // namespace sks::model
