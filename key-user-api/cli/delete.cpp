#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/dialog/pin_text.h"

namespace sks::cli {
namespace {

/// Values of deleteProtection, sks-api.md 5.1.
enum DeleteProtection : std::uint8_t { kNone = 0, kPin = 1, kPuk = 2, kNonDeletable = 3 };

Result<SecureBytes> authorization_for(const ListedKey& key, const std::vector<SecureBytes>& given,
                                      dialog::Terminal* terminal) {
  switch (key.protection.delete_protection) {
    case kPin:
      return take_password(given, "PIN", key.protection.format, terminal);
    case kPuk:
      return take_password(given, "PUK", key.protection.puk_format, terminal);
    case kNonDeletable:
      return Error{Status::not_allowed,
                   "key " + std::to_string(key.handle.value) + " cannot be deleted: its issuer made it non-deletable"};
    default:
      return SecureBytes();
  }
}

}  // namespace

Result<void> run_delete(DeleteOptions options, SecureKeyStore& store, dialog::Terminal* terminal, std::ostream& out) {
  SKS_LET(const ListedKey key, find_key(store, options.key));
  const std::string name = "key " + std::to_string(key.handle.value) + " (" + dialog::printable(key.subject) + ")";
  if (!options.confirmed && terminal == nullptr)
    return Error{Status::user_abort,
                 "nobody is there to confirm the deletion of " + name + "; --yes confirms beforehand"};
  if (!options.confirmed && !dialog::ask_yes_no(*terminal, "Delete " + name + " for good?"))
    return Error{Status::user_abort, "nothing was deleted"};
  SKS_LET(const SecureBytes authorization, authorization_for(key, options.passwords, terminal));
  const auto deleted = store.delete_key(key.handle, authorization);
  if (!deleted && deleted.error().status == Status::authorization)
    return key.protection.delete_protection == kPuk ? explain_wrong_puk(store, key.handle)
                                                    : explain_wrong_pin(store, key.handle);
  if (!deleted) return deleted.error();
  out << "Deleted " << name << ".\n";
  return {};
}

}  // namespace sks::cli
