#include <array>

#include "key-user-api/dialog/pin_encoding.h"
#include "key-user-api/token/core.h"
#include "sks-core/base/pin_value.h"

/// Tokens, their PINs, and who is logged in: methods 161 to 167. Spec: spec/sksd.md 5.
namespace sks::token {
namespace {

constexpr std::uint8_t kTrustedGui = 2;  // inputMethod, sks-api.md 5.1
constexpr std::int64_t kTicketSeconds = 60;

// Bits of pinState and pukState.
constexpr std::uint8_t kWrongAttempt = 0x01;
constexpr std::uint8_t kOneAttemptLeft = 0x02;
constexpr std::uint8_t kLocked = 0x04;

Refusal cancelled() { return {CKR_FUNCTION_CANCELED, "the user has not answered"}; }
Refusal not_logged_in() { return {CKR_USER_NOT_LOGGED_IN, "not logged in"}; }

std::string text(std::string_view begin, std::string_view end) { return std::string(begin).append(end); }

/// A PIN or a PUK with the policy that stands behind it.
struct Policy {
  std::string_view name;  ///< as TrustedDialog spells it
  std::uint8_t format;
  std::uint16_t min_length;
  std::uint16_t max_length;
  std::uint16_t retry_limit;  ///< 0: any number of attempts
  std::uint16_t error_count;
  bool is_locked;

  std::uint8_t state() const {
    if (is_locked) return kLocked | kWrongAttempt;
    const unsigned wrong = error_count > 0 ? kWrongAttempt : 0U;
    const unsigned last = retry_limit == error_count + 1 ? kOneAttemptLeft : 0U;
    return static_cast<std::uint8_t>(wrong | last);
  }
};

Policy pin_policy(const KeyProtectionInfo& info) {
  return {"PIN",
          info.format,
          info.min_length,
          info.max_length,
          info.retry_limit,
          info.pin_error_count,
          (info.protection_status & kPinBlocked) != 0};
}

Policy puk_policy(const KeyProtectionInfo& info) {
  return {"PUK",
          info.puk_format,
          1,
          pin::kMaxLength,
          info.puk_retry_limit,
          info.puk_error_count,
          (info.protection_status & kPukBlocked) != 0};
}

bool has_puk(const KeyProtectionInfo& info) { return (info.protection_status & kPukProtected) != 0; }

/// A token with a PIN, as the methods of this chapter need it.
struct PinToken {
  TokenIdentity identity;
  KeyProtectionInfo info;
  Policy policy_of(LoggedIn who) const { return who == LoggedIn::so ? puk_policy(info) : pin_policy(info); }
  bool is_protected() const { return info.input_method == kTrustedGui; }
};

Outcome<PinToken> find_pin_token(Core& core, std::uint32_t slot) {
  SKS_LET(TokenIdentity identity, core.token(slot));
  if (slot == 0) return Refusal{CKR_USER_PIN_NOT_INITIALIZED, "these keys have no PIN"};
  const auto info = core.ports.store.get_key_protection_info(identity.any_key);
  if (!info) return refusal_of(info.error());
  return PinToken{std::move(identity), *info};
}

/// Where a PIN comes from: the application, or with `ask` a dialog.
Outcome<void> check_source(const PinToken& token, bool ask, bool has_pin) {
  if (ask && has_pin) return Refusal{CKR_ARGUMENTS_BAD, "a PIN is given, and a dialog is wanted"};
  if (!ask && token.is_protected())
    return Refusal{CKR_FUNCTION_REJECTED, "the PIN of this token is for trusted dialogs only"};
  return {};
}

Outcome<SecureBytes> decode(const Policy& policy, ByteView typed) {
  Result<SecureBytes> decoded = dialog::pin_from_text(typed, policy.format);
  // Such a text is the PIN of no key, so it costs no attempt.
  if (!decoded) return Refusal{CKR_PIN_INCORRECT, decoded.error().detail};
  if (decoded->size() < policy.min_length || decoded->size() > policy.max_length)
    return Refusal{CKR_PIN_LEN_RANGE, text("no such ", policy.name).append(" has this length")};
  return std::move(decoded).value();
}

Outcome<SecureBytes> decode_new(const KeyProtectionInfo& info, ByteView typed) {
  Result<SecureBytes> decoded = dialog::new_pin_from_text(typed, info.format);
  if (!decoded) return Refusal{CKR_PIN_INVALID, decoded.error().detail};
  const pin::Rules rules{static_cast<pin::Format>(info.format), info.min_length, info.max_length,
                         info.pattern_restrictions};
  const std::optional<pin::BrokenRule> broken = pin::find_broken_rule(rules, decoded->view());
  if (!broken) return std::move(decoded).value();
  const bool is_length = *broken == pin::BrokenRule::too_short || *broken == pin::BrokenRule::too_long;
  return Refusal{is_length ? CKR_PIN_LEN_RANGE : CKR_PIN_INVALID, std::string(pin::to_string(*broken))};
}

Outcome<SecureBytes> ask_user(Core& core, const Call& call, const PinToken& token, std::string_view what,
                              std::string problem) {
  std::optional<SecureBytes> answer =
      core.ports.dialog.ask({call.program, token.identity.names.label, std::string(what), std::move(problem)});
  if (!answer) return cancelled();
  return std::move(*answer);
}

/// CKR_PIN_LOCKED or CKR_PIN_INCORRECT.
Refusal wrong(Core& core, const PinToken& token, LoggedIn who) {
  const auto info = core.ports.store.get_key_protection_info(token.identity.any_key);
  if (!info) return refusal_of(info.error());
  const Policy policy = PinToken{token.identity, *info}.policy_of(who);
  if (policy.is_locked) return {CKR_PIN_LOCKED, text("the ", policy.name).append(" is locked")};
  std::string sentence = text("wrong ", policy.name);
  if (policy.retry_limit > 0)
    sentence.append(", attempts left: ").append(std::to_string(policy.retry_limit - policy.error_count));
  return {CKR_PIN_INCORRECT, std::move(sentence)};
}

// A key that is suspended does not say anything about its PIN; others of its group do.
Result<void> verify_pin(Core& core, std::uint32_t slot, const SecureBytes& pin) {
  Result<void> verified = Error{Status::no_key, "the token is gone"};
  for (const KeyHandle key : core.keys.keys_of(slot)) {
    verified = core.ports.store.verify_pin(key, pin);
    if (verified || verified.error().status != Status::not_allowed) return verified;
  }
  return verified;
}

Outcome<void> verify(Core& core, const PinToken& token, LoggedIn who, const SecureBytes& pin) {
  const Result<void> verified = who == LoggedIn::so ? core.ports.store.unlock_key(token.identity.any_key, pin)
                                                    : verify_pin(core, token.identity.slot, pin);
  if (verified) return {};
  if (verified.error().status == Status::authorization) return wrong(core, token, who);
  return refusal_of(verified.error());
}

bool may_try_again(const Refusal& refusal) {
  return refusal.code == CKR_PIN_INCORRECT || refusal.code == CKR_PIN_LEN_RANGE;
}

/// The right PIN or PUK. A dialog asks until it is right, locked, or the user has enough.
Outcome<SecureBytes> get_verified(Core& core, const Call& call, const PinToken& token, LoggedIn who, bool ask,
                                  ByteView given) {
  const Policy policy = token.policy_of(who);
  const auto check = [&](ByteView typed) -> Outcome<SecureBytes> {
    SKS_LET(SecureBytes pin, decode(policy, typed));
    SKS_TRY(verify(core, token, who, pin));
    return pin;
  };
  if (!ask) return check(given);
  if (policy.is_locked) return wrong(core, token, who);
  std::string problem;
  while (true) {
    SKS_LET(const SecureBytes typed, ask_user(core, call, token, policy.name, std::move(problem)));
    Outcome<SecureBytes> checked = check(typed.view());
    if (checked || !may_try_again(checked.error())) return checked;
    problem = std::move(checked).error().sentence;
  }
}

/// A new PIN. A dialog asks until the policy takes it, or the user has enough.
Outcome<SecureBytes> get_new(Core& core, const Call& call, const PinToken& token, bool ask, ByteView given) {
  if (!ask) return decode_new(token.info, given);
  std::string problem;
  while (true) {
    SKS_LET(const SecureBytes typed, ask_user(core, call, token, "new PIN", std::move(problem)));
    Outcome<SecureBytes> decoded = decode_new(token.info, typed.view());
    if (decoded) return decoded;
    problem = std::move(decoded).error().sentence;
  }
}

Outcome<void> list_tokens(Core& core, Call& call) {
  SKS_TRY(check_decoded(call.in));
  struct Row {
    TokenIdentity identity;
    KeyProtectionInfo info;
  };
  std::vector<Row> rows;
  for (TokenIdentity& identity : core.keys.tokens()) {
    KeyProtectionInfo info;
    if (identity.slot != 0) {
      const auto found = core.ports.store.get_key_protection_info(identity.any_key);
      if (!found && found.error().status == Status::no_key) continue;  // it goes right now
      if (!found) return refusal_of(found.error());
      info = *found;
    }
    rows.push_back({std::move(identity), info});
  }
  call.out.count(rows.size());
  for (const Row& row : rows) {
    const std::uint32_t slot = row.identity.slot;
    const bool has_pin = slot != 0;
    call.out.u32(slot);
    call.out.array(as_bytes(row.identity.names.label));
    call.out.array(as_bytes(row.identity.names.serial));
    call.out.array(as_bytes(row.identity.names.issuer));
    call.out.u8(has_pin ? 1 : 0);
    call.out.u8(has_puk(row.info) ? 1 : 0);
    call.out.u8(row.info.format);
    call.out.u16(row.info.min_length);
    call.out.u16(row.info.max_length);
    call.out.u8(has_pin ? pin_policy(row.info).state() : 0);
    call.out.u8(has_puk(row.info) ? puk_policy(row.info).state() : 0);
    call.out.u8(has_pin && row.info.input_method == kTrustedGui ? 1 : 0);
    call.out.u8(has_pin && row.info.user_modifiable ? 1 : 0);
    call.out.u8(static_cast<std::uint8_t>(call.application.logged_in(slot)));
  }
  return {};
}

Outcome<void> list_mechanisms(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_TRY(core.token(slot));
  call.out.count(all_mechanisms().size());
  for (const MechanismInfo& mechanism : all_mechanisms()) {
    call.out.u64(mechanism.type);
    call.out.u64(mechanism.min_key_size);
    call.out.u64(mechanism.max_key_size);
    call.out.u64(mechanism.flags);
  }
  return {};
}

Outcome<void> login(Core& core, Call& call) {
  constexpr std::uint8_t kSo = 0;
  constexpr std::uint8_t kUser = 1;
  const std::uint32_t slot = call.in.u32();
  const std::uint8_t user = call.in.u8();
  const bool ask = call.in.boolean();
  const ByteView given = call.in.array();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_LET(const PinToken token, find_pin_token(core, slot));
  if (user != kSo && user != kUser) return Refusal{CKR_USER_TYPE_INVALID, "there is no such user"};
  const LoggedIn who = user == kSo ? LoggedIn::so : LoggedIn::user;
  SKS_TRY(call.application.check_nobody(slot, who));
  if (who == LoggedIn::so && !has_puk(token.info)) return Refusal{CKR_USER_TYPE_INVALID, "this token has no PUK"};
  SKS_TRY(check_source(token, ask, !given.empty()));
  SKS_LET(SecureBytes pin, get_verified(core, call, token, who, ask, given));
  return call.application.log_in(slot, who, std::move(pin));
}

Outcome<void> login_for_operation(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const CK_OBJECT_HANDLE object = call.in.u64();
  const bool ask = call.in.boolean();
  const ByteView given = call.in.array();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = object;
  SKS_LET(const auto key, core.find_key(call.application, slot, object));
  if (!key->always_authenticate)
    return Refusal{CKR_OPERATION_NOT_INITIALIZED, "this key does not ask for the PIN each time"};
  SKS_LET(const PinToken token, find_pin_token(core, slot));
  SKS_TRY(check_source(token, ask, !given.empty()));
  SKS_LET(SecureBytes pin, get_verified(core, call, token, LoggedIn::user, ask, given));
  call.out.u32(call.application.add_ticket(object, slot, std::move(pin), core.ports.clock.now() + kTicketSeconds));
  return {};
}

Outcome<void> logout(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_TRY(core.token(slot));
  if (!call.application.log_out(slot)) return not_logged_in();
  return {};
}

Outcome<void> check_modifiable(const PinToken& token) {
  if (token.info.user_modifiable) return {};
  return Refusal{CKR_FUNCTION_REJECTED, "the issuer of this token lets nobody change its PIN"};
}

/// What a changePin or setPin that was refused means.
Refusal refused_change(Core& core, const PinToken& token, LoggedIn who, const Error& error) {
  if (error.status == Status::authorization) return wrong(core, token, who);
  if (error.status == Status::option) return {CKR_PIN_INVALID, error.detail};
  return refusal_of(error);
}

Outcome<void> change_pin(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const bool ask = call.in.boolean();
  const ByteView old = call.in.array();
  const ByteView fresh = call.in.array();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_LET(const PinToken token, find_pin_token(core, slot));
  if (call.application.logged_in(slot) == LoggedIn::so)
    return Refusal{CKR_FUNCTION_REJECTED, "nobody can change a PUK"};
  SKS_TRY(check_modifiable(token));
  SKS_TRY(check_source(token, ask, !old.empty() || !fresh.empty()));
  const Policy policy = token.policy_of(LoggedIn::user);
  Outcome<SecureBytes> pin = ask ? get_verified(core, call, token, LoggedIn::user, ask, old) : decode(policy, old);
  if (!pin) return std::move(pin).error();
  SKS_LET(SecureBytes new_pin, get_new(core, call, token, ask, fresh));
  const Result<void> changed = core.ports.store.change_pin(token.identity.any_key, *pin, new_pin);
  if (!changed) return refused_change(core, token, LoggedIn::user, changed.error());
  call.application.replace_pin(slot, std::move(new_pin));
  core.end_other_logins(call.application, slot);
  return {};
}

Outcome<void> init_pin(Core& core, Call& call) {
  const std::uint32_t slot = call.in.u32();
  const bool ask = call.in.boolean();
  const ByteView fresh = call.in.array();
  SKS_TRY(check_decoded(call.in));
  call.record.subject = slot;
  SKS_LET(const PinToken token, find_pin_token(core, slot));
  const std::optional<SecureBytes> puk = call.application.pin_of(slot, LoggedIn::so);
  if (!puk) return not_logged_in();
  SKS_TRY(check_modifiable(token));
  SKS_TRY(check_source(token, ask, !fresh.empty()));
  SKS_LET(const SecureBytes new_pin, get_new(core, call, token, ask, fresh));
  const Result<void> set = core.ports.store.set_pin(token.identity.any_key, *puk, new_pin);
  if (!set) return refused_change(core, token, LoggedIn::so, set.error());
  core.end_other_logins(call.application, slot);
  return {};
}

constexpr auto kMethods = std::to_array<TokenMethod>({
    {161, "listTokens", false, list_tokens},
    {162, "listMechanisms", false, list_mechanisms},
    {163, "login", true, login},
    {164, "loginForOperation", true, login_for_operation},
    {165, "logout", true, logout},
    {166, "changePin", true, change_pin},
    {167, "initPin", true, init_pin},
});

}  // namespace

std::span<const TokenMethod> pin_methods() { return kMethods; }

}  // namespace sks::token
