#include "key-user-api/pkcs11/slot.h"

#include <algorithm>
#include <cstdio>

#include "key-user-api/dialog/pin_encoding.h"
#include "key-user-api/pkcs11/mechanisms.h"

namespace sks::p11 {
namespace {

constexpr std::string_view kManufacturer = "OpenSKS";
constexpr std::string_view kModel = "SKS";
constexpr std::string_view kNoPinLabel = "OpenSKS keys without PIN";
constexpr std::size_t kLabelSize = sizeof(CK_TOKEN_INFO::label);

/// The host of the issuer, reduced to what needs no quoting in a PKCS#11 URI.
std::string issuer_name(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  if (scheme != std::string_view::npos) uri.remove_prefix(scheme + 3);
  std::string name(uri.substr(0, uri.find_first_of("/:?#")));
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  std::ranges::replace_if(
      name, [&](char c) { return !plain(c); }, '_');
  return name.empty() ? "issuer" : name;
}

/// Issuer and group number: two groups of one issuer keep distinct labels, however long its name is.
std::string label_of(std::optional<PinGroupHandle> group, const std::vector<UserKey>& keys) {
  if (!group) return std::string(kNoPinLabel);
  const std::string number = std::string("-").append(std::to_string(group->value));
  return issuer_name(keys.front().issuer_uri).substr(0, kLabelSize - number.size()).append(number);
}

std::string serial_of(std::optional<PinGroupHandle> group, std::string_view device) {
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", group ? group->value : 0U);
  return std::string(device).append(digits.data());
}

CK_FLAGS pin_flags(const PinState& pin) {
  CK_FLAGS flags = 0;
  if (pin.error_count > 0) flags |= CKF_USER_PIN_COUNT_LOW;
  if (pin.locked) return flags | CKF_USER_PIN_LOCKED;
  if (pin.retry_limit == pin.error_count + 1) flags |= CKF_USER_PIN_FINAL_TRY;
  return flags;
}

}  // namespace

Token::Token(std::optional<PinGroupHandle> group, std::vector<UserKey> keys, std::string_view device,
             CK_OBJECT_HANDLE first_object)
    : group_(group),
      keys_(std::move(keys)),
      objects_(keys_, group.has_value(), first_object),
      label_(label_of(group, keys_)),
      serial_(serial_of(group, device)) {}

CK_SLOT_INFO Token::slot_info() const {
  CK_SLOT_INFO info{};
  fill_text(info.slotDescription, label_);
  fill_text(info.manufacturerID, kManufacturer);
  info.flags = CKF_TOKEN_PRESENT;
  return info;
}

Answer<CK_TOKEN_INFO> Token::token_info(UserApi& api, CK_ULONG sessions, CK_ULONG rw_sessions) const {
  CK_TOKEN_INFO info{};
  fill_text(info.label, label_);
  fill_text(info.manufacturerID, kManufacturer);
  fill_text(info.model, kModel);
  fill_text(info.serialNumber, serial_);
  fill_text(info.utcTime, "");
  info.flags = CKF_RNG | CKF_TOKEN_INITIALIZED;
  info.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulSessionCount = sessions;
  info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulRwSessionCount = rw_sessions;
  info.ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
  if (!needs_login()) return info;
  SKS_LET(const PinState pin, answer(api.pin_state(keys_.front().handle)));
  info.flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | pin_flags(pin);
  info.ulMinPinLen = dialog::typed_length(pin.min_length, pin.format);
  info.ulMaxPinLen = dialog::typed_length(pin.max_length, pin.format);
  return info;
}

std::vector<CK_MECHANISM_TYPE> Token::mechanisms() const {
  std::vector<CK_MECHANISM_TYPE> types;
  for (const Mechanism& mechanism : all_mechanisms())
    if (std::ranges::any_of(keys_, [&](const UserKey& key) { return is_permitted(mechanism, key); }))
      types.push_back(mechanism.type);
  return types;
}

Answer<void> Token::login(UserApi& api, const SecureBytes& typed) {
  if (!needs_login()) return Rv{CKR_USER_PIN_NOT_INITIALIZED};
  if (logged_in_) return Rv{CKR_USER_ALREADY_LOGGED_IN};
  // No policy allows an empty PIN; an empty input field must not cost an attempt.
  if (typed.empty()) return Rv{CKR_PIN_INCORRECT};
  const KeyHandle key = keys_.front().handle;
  SKS_LET(const PinState policy, answer(api.pin_state(key)));
  Result<SecureBytes> decoded = dialog::pin_from_text(typed.view(), policy.format);
  // Such a text is the PIN of no key, so it costs no attempt either. C_Login has no other code for it: CKR_PIN_INVALID
  // is about new PINs, and applications that get CKR_PIN_INCORRECT ask their user again.
  if (!decoded) return Rv{CKR_PIN_INCORRECT};
  SecureBytes pin = std::move(decoded).value();
  if (pin.size() > kMaxPin) return Rv{CKR_PIN_LEN_RANGE};
  const Result<void> verified = api.verify_pin(key, pin);
  if (!verified && verified.error().status != Status::authorization) return Rv{to_ckrv(verified.error().status)};
  if (!verified) {
    SKS_LET(const PinState state, answer(api.pin_state(key)));
    return Rv{state.locked ? CKR_PIN_LOCKED : CKR_PIN_INCORRECT};
  }
  pin_ = std::move(pin);
  logged_in_ = true;
  return {};
}

void Token::logout() {
  pin_ = SecureBytes();
  logged_in_ = false;
}

Answer<std::vector<std::unique_ptr<Token>>> load_tokens(UserApi& api) {
  SKS_LET(std::vector<UserKey> keys, answer(api.keys()));
  SKS_LET(const std::string device, answer(api.device_id()));
  std::map<std::uint32_t, std::vector<UserKey>> groups;
  std::vector<UserKey> without_pin;
  for (UserKey& key : keys) (key.pin_group ? groups[key.pin_group->value] : without_pin).push_back(std::move(key));

  std::vector<std::unique_ptr<Token>> tokens;
  CK_OBJECT_HANDLE next_object = 1;
  const auto add = [&](std::optional<PinGroupHandle> group, std::vector<UserKey> members) {
    tokens.push_back(std::make_unique<Token>(group, std::move(members), device, next_object));
    next_object = tokens.back()->objects().end_handle();
  };
  for (auto& group : groups) add(PinGroupHandle{group.first}, std::move(group.second));
  if (!without_pin.empty() || tokens.empty()) add(std::nullopt, std::move(without_pin));
  return tokens;
}

}  // namespace sks::p11
