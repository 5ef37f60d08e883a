#include "key-user-api/cli/key_admin.h"

#include <nlohmann/json.hpp>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/pin_value.h"

namespace sks::cli {
namespace {

std::string name_of(const ListedKey& key) { return "key " + std::to_string(key.handle.value); }

pin::Rules rules_of(const KeyProtectionInfo& info) {
  return {static_cast<pin::Format>(info.format), info.min_length, info.max_length, info.pattern_restrictions};
}

Result<SecureBytes> type_new_pin(const ListedKey& key, dialog::Terminal* terminal) {
  if (terminal == nullptr)
    return Error{Status::user_abort, "the new PIN is needed, and there is no terminal to ask at"};
  const auto first = terminal->read_secret("New PIN: ");
  if (!first || first->empty()) return Error{Status::user_abort, "no new PIN was entered"};
  const auto second = terminal->read_secret("Once more: ");
  if (!second || !equal_constant_time(first->view(), second->view()))
    return Error{Status::user_abort, "the two entries of the new PIN differ"};
  return dialog::new_pin_from_text(first->view(), key.protection.format);
}

/// Checked before the key store sees it, so that a PIN which it would refuse costs no try of the old one.
Result<SecureBytes> take_new_pin(const ListedKey& key, const std::vector<SecureBytes>& given,
                                 dialog::Terminal* terminal) {
  if (given.size() > 1) return Error{Status::option, "more than one new PIN is given"};
  SKS_LET(SecureBytes pin, given.empty() ? type_new_pin(key, terminal)
                                         : dialog::new_pin_from_text(given[0].view(), key.protection.format));
  const auto broken = pin::find_broken_rule(rules_of(key.protection), pin.view());
  if (broken) return Error{Status::option, "as a new PIN it will not do: " + std::string(pin::to_string(*broken))};
  return pin;
}

Result<ListedKey> find_key_with_pin(SecureKeyStore& store, const std::string& handle) {
  SKS_LET(ListedKey key, find_key(store, handle));
  if ((key.protection.protection_status & kPinProtected) == 0)
    return Error{Status::not_allowed, name_of(key) + " has no PIN of its own"};
  return key;
}

Result<void> check_modifiable(const ListedKey& key) {
  if (key.protection.user_modifiable) return {};
  return Error{Status::not_allowed, "the issuer does not let the PIN of " + name_of(key) + " be changed"};
}

Result<void> tell_pin(const ListedKey& key, const char* done, Format format, SecureKeyStore& store, std::ostream& out) {
  if (format == Format::text) {
    out << "The PIN of " << name_of(key) << " is " << done << ".\n";
    return {};
  }
  SKS_LET(const KeyProtectionInfo info, store.get_key_protection_info(key.handle));
  out << nlohmann::ordered_json{{"handle", key.handle.value},
                                {"pin", done},
                                {"retryLimit", info.retry_limit},
                                {"errorCount", info.pin_error_count},
                                {"blocked", (info.protection_status & kPinBlocked) != 0}}
             .dump(2)
      << "\n";
  return {};
}

void tell_activation(const ListedKey& key, std::uint8_t state, Format format, std::ostream& out) {
  const bool by_issuer = (state & kSuspendedByIssuer) != 0;
  const bool by_user = (state & kSuspendedByUser) != 0;
  if (format == Format::json) {
    auto by = nlohmann::ordered_json::array();
    if (by_user) by.push_back("user");
    if (by_issuer) by.push_back("issuer");
    out << nlohmann::ordered_json{{"handle", key.handle.value}, {"suspended", state != 0}, {"suspendedBy", by}}.dump(2)
        << "\n";
    return;
  }
  const char* const how = by_user ? " is suspended" : by_issuer ? " is still suspended, by its issuer" : " can be used";
  out << name_of(key).replace(0, 1, "K") << how << ".\n";
}

}  // namespace

Result<void> run_pin_change(PinChangeOptions options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                            std::ostream& out) {
  SKS_LET(const ListedKey key, find_key_with_pin(store, options.key));
  SKS_TRY(check_modifiable(key));
  if (key.locked())
    return Error{Status::authorization, "the PIN is blocked: too many wrong tries (see 'sks pin unblock')"};
  SKS_LET(const SecureBytes pin, take_password(options.pins, pin_of(key), terminal));
  SKS_LET(const SecureBytes new_pin, take_new_pin(key, options.new_pins, terminal));
  const auto changed = store.change_pin(key.handle, pin, new_pin);
  if (!changed && changed.error().status == Status::authorization) return explain_wrong_pin(store, key.handle);
  if (!changed) return changed.error();
  return tell_pin(key, "changed", format, store, out);
}

Result<void> run_pin_unblock(PinUnblockOptions options, Format format, SecureKeyStore& store,
                             dialog::Terminal* terminal, std::ostream& out) {
  SKS_LET(const ListedKey key, find_key_with_pin(store, options.key));
  if ((key.protection.protection_status & kPukProtected) == 0)
    return Error{Status::not_allowed, name_of(key) + " has no PUK: only its issuer can unblock the PIN"};
  const bool sets_pin = options.new_pin || !options.new_pins.empty();
  if (sets_pin) SKS_TRY(check_modifiable(key));
  SKS_LET(const SecureBytes puk, take_password(options.puks, puk_of(key), terminal));
  SecureBytes new_pin;
  if (sets_pin) {
    SKS_LET(new_pin, take_new_pin(key, options.new_pins, terminal));
  }
  const auto done = sets_pin ? store.set_pin(key.handle, puk, new_pin) : store.unlock_key(key.handle, puk);
  if (!done && done.error().status == Status::authorization) return explain_wrong_puk(store, key.handle);
  if (!done) return done.error();
  return tell_pin(key, sets_pin ? "set" : "unblocked", format, store, out);
}

Result<void> run_activation(Activation what, ActivationOptions options, Format format, SecureKeyStore& store,
                            dialog::Terminal* terminal, std::ostream& out) {
  SKS_LET(const ListedKey key, find_key(store, options.key));
  ActivationRequest request;
  request.target = key.handle;
  if ((key.protection.protection_status & kPinProtected) != 0) {
    SKS_LET(request.authorization, take_password(options.pins, pin_of(key), terminal));
  }
  const auto state = what == Activation::suspend ? store.deactivate(request) : store.activate(request);
  if (!state && state.error().status == Status::authorization) return explain_wrong_pin(store, key.handle);
  if (!state) return state.error();
  tell_activation(key, *state, format, out);
  return {};
}

}  // namespace sks::cli
