#include <algorithm>

#include "tests/sks-core/model/model.h"

// What users do with keys of closed sessions: sks-api.md 4.21 to 4.32, sks-extensions.md.
namespace sks::model {
namespace {

constexpr std::uint8_t kExported = 0x02;

Kind kind_for(Method method) {
  switch (method) {
    case Method::key_agreement:
      return Kind::agreement;
    case Method::decrypt:
      return Kind::decryption;
    case Method::hmac:
      return Kind::hmac;
    case Method::cipher:
      return Kind::cipher;
    default:
      return Kind::signature;
  }
}

bool limits_data(Method method) { return method != Method::decrypt && method != Method::key_agreement; }

// Chapter 6.4.
std::optional<Status> check_algorithm(const Key& key, int row, Method method) {
  const UserAlgorithm& algorithm = kUserAlgorithms.at(static_cast<std::size_t>(row));
  if (algorithm.kind != kind_for(method)) return Status::algorithm;
  const bool is_symmetric = algorithm.kind == Kind::hmac || algorithm.kind == Kind::cipher;
  if (is_symmetric != key.symmetric.has_value()) return Status::algorithm;
  if (algorithm.kind == Kind::cipher) {
    const std::size_t size = key.symmetric->size();
    const bool fits = algorithm.key_length == 0 ? size == 16 || size == 24 || size == 32 : size == algorithm.key_length;
    if (!fits) return Status::option;
  }
  if (!is_symmetric && algorithm.is_rsa != (key.certificate->pair == kRsaPair)) return Status::algorithm;
  const bool is_endorsed = key.endorsed.empty() || std::ranges::count(key.endorsed, row) > 0;
  return is_endorsed ? std::optional<Status>() : Status::algorithm;
}

// Chapters 4.28 to 4.32, as far as the calls of these tests go: the peer of a key agreement has a P-256 key, a cipher
// text is made up, whole blocks are encrypted.
std::optional<Status> check_operation(const Request& request, const Key& key) {
  if (request.method == Method::sign_hashed_data && request.length != 32) return Status::option;
  if (request.has_parameters) return Status::option;
  if (request.method == Method::decrypt) return Status::crypto;
  if (request.method == Method::key_agreement && key.private_pair == kP384Pair) return Status::crypto;
  if (request.method == Method::cipher &&
      kUserAlgorithms.at(static_cast<std::size_t>(request.algorithm)).key_length == 0)
    return request.length % 16 == 0 ? std::optional<Status>() : Status::option;
  return {};
}

}  // namespace

State::Refusal State::use_key(const Request& request, Verdict&) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (key->suspended != 0) return Status::not_allowed;
  if (const Refusal refusal = authorize(request)) return refusal;
  if (limits_data(request.method) && request.length > 16384) return Status::option;
  if (const Refusal refusal = check_algorithm(*key, request.algorithm, request.method)) return refusal;
  return check_operation(request, *key);
}

State::Refusal State::verify_pin_only(const Request& request, Verdict&) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (key->suspended != 0 || key->policy == 0) return Status::not_allowed;
  return verify_pin(request.key_handle, request.authorization);
}

State::Refusal State::set_property(const Request& request, Verdict&) {
  if (std_key(request.key_handle) == nullptr) return Status::no_key;
  Key& key = keys.at(request.key_handle);
  const auto extension = key.extensions.find(request.type);
  if (extension == key.extensions.end() || extension->second.sub_type != 2) return Status::option;
  std::vector<Property>& properties = extension->second.properties;
  const auto property = std::ranges::find(properties, request.name, &Property::name);
  if (property == properties.end()) return Status::option;
  if (!property->writable) return Status::not_allowed;
  property->value = request.value;
  return {};
}

State::Refusal State::delete_key(const Request& request, Verdict& verdict) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (const Refusal refusal = check_protection(key->delete_protection, request, verdict)) return refusal;
  remove_key(request.key_handle);
  return {};
}

State::Refusal State::export_key(const Request& request, Verdict& verdict) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (key->suspended != 0) return Status::not_allowed;
  if (const Refusal refusal = check_protection(key->export_protection, request, verdict)) return refusal;
  keys.at(request.key_handle).backup |= kExported;
  return {};
}

State::Refusal State::unlock_key(const Request& request, Verdict& verdict) {
  if (std_key(request.key_handle) == nullptr) return Status::no_key;
  if (const Refusal refusal = verify_puk(request.key_handle, request.authorization, verdict)) return refusal;
  set_errors(request.key_handle, 0);
  return {};
}

State::Refusal State::change_pin(const Request& request, Verdict&) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (const Refusal refusal = verify_pin(request.key_handle, request.authorization)) return refusal;
  if (key->policy == 0) return Status::option;
  if (!pins.at(key->policy).user_modifiable) return Status::not_allowed;
  if (const Refusal refusal = check_changed_pin(request.key_handle, request.value)) return refusal;
  set_pin_value(request.key_handle, request.value);
  return {};
}

State::Refusal State::set_pin(const Request& request, Verdict& verdict) {
  const Key* const key = std_key(request.key_handle);
  if (key == nullptr) return Status::no_key;
  if (const Refusal refusal = verify_puk(request.key_handle, request.authorization, verdict)) return refusal;
  if (!pins.at(key->policy).user_modifiable) return Status::not_allowed;
  if (const Refusal refusal = check_changed_pin(request.key_handle, request.value)) return refusal;
  set_pin_value(request.key_handle, request.value);
  set_errors(request.key_handle, 0);
  return {};
}

}  // namespace sks::model
