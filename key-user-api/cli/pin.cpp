#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/pin_value.h"

namespace sks::cli {

PasswordKind pin_of(const ListedKey& key) {
  const KeyProtectionInfo& info = key.protection;
  // Nobody tells how long the PIN of the device is.
  if ((info.protection_status & kPinProtected) == 0) return {"PIN", info.format, 1, pin::kMaxLength};
  return {"PIN", info.format, info.min_length, info.max_length};
}

PasswordKind puk_of(const ListedKey& key) { return {"PUK", key.protection.puk_format, 1, pin::kMaxLength}; }

Result<SecureBytes> password_from_text(ByteView text, const PasswordKind& kind) {
  SKS_LET(SecureBytes password, dialog::pin_from_text(text, kind.format));
  if (password.size() >= kind.min_length && password.size() <= kind.max_length) return password;
  return Error{Status::option, "the " + std::string(kind.name) + " has " + std::to_string(kind.min_length) + " to " +
                                   std::to_string(kind.max_length) + " bytes: what was given costs no try"};
}

Result<SecureBytes> take_password(const std::vector<SecureBytes>& given, const PasswordKind& kind,
                                  dialog::Terminal* terminal) {
  const std::string name(kind.name);
  if (given.size() > 1) return Error{Status::option, "more than one " + name + " is given"};
  if (given.size() == 1) return password_from_text(given[0].view(), kind);
  if (terminal == nullptr)
    return Error{Status::user_abort, "the " + name + " is needed, and there is no terminal to ask at"};
  const auto typed = terminal->read_secret(name + ": ");
  if (!typed || typed->empty()) return Error{Status::user_abort, "no " + name + " was entered"};
  return password_from_text(typed->view(), kind);
}

namespace {

/// Values of deleteProtection and exportProtection, sks-api.md 5.1.
enum Protection : std::uint8_t { kNone = 0, kPin = 1, kPuk = 2, kForbidden = 3 };

}  // namespace

Result<SecureBytes> take_authorization(std::uint8_t protection, const ListedKey& key,
                                       const std::vector<SecureBytes>& given, const std::string& forbidden,
                                       dialog::Terminal* terminal) {
  switch (protection) {
    case kPin:
      return take_password(given, pin_of(key), terminal);
    case kPuk:
      return take_password(given, puk_of(key), terminal);
    case kForbidden:
      return Error{Status::not_allowed, forbidden};
    default:
      if (given.empty()) return SecureBytes();
      return Error{Status::option,
                   "key " + std::to_string(key.handle.value) + " takes no PIN or PUK for that; leave it out"};
  }
}

Error explain_wrong_authorization(std::uint8_t protection, SecureKeyStore& store, KeyHandle key) {
  return protection == kPuk ? explain_wrong_puk(store, key) : explain_wrong_pin(store, key);
}

Result<void> run_pin_check(PinCheckOptions options, SecureKeyStore& store, dialog::Terminal* terminal,
                           std::ostream& out) {
  SKS_LET(const ListedKey key, find_key(store, options.key));
  if ((key.protection.protection_status & kPinProtected) == 0)
    return Error{Status::not_allowed, "key " + std::to_string(key.handle.value) + " has no PIN of its own"};
  SKS_LET(const SecureBytes pin, take_password(options.pins, pin_of(key), terminal));
  const auto verified = store.verify_pin(key.handle, pin);
  if (!verified && verified.error().status == Status::authorization) return explain_wrong_pin(store, key.handle);
  if (!verified) return verified.error();
  if (options.format == Format::json)
    out << nlohmann::ordered_json{{"handle", key.handle.value}, {"pin", "right"}}.dump(2) << "\n";
  else
    out << "The PIN of key " << key.handle.value << " is right.\n";
  return {};
}

}  // namespace sks::cli
