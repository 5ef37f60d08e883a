#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/dialog/pin_text.h"

namespace sks::cli {
Result<void> run_delete(DeleteOptions options, SecureKeyStore& store, dialog::Terminal* terminal, std::ostream& out) {
  SKS_LET(const ListedKey key, find_key(store, options.key));
  const std::string name = "key " + std::to_string(key.handle.value) + " (" + dialog::printable(key.subject) + ")";
  if (!options.confirmed && terminal == nullptr)
    return Error{Status::user_abort,
                 "nobody is there to confirm the deletion of " + name + "; --yes confirms beforehand"};
  if (!options.confirmed && !dialog::ask_yes_no(*terminal, "Delete " + name + " for good?"))
    return Error{Status::user_abort, "nothing was deleted"};
  const std::uint8_t protection = key.protection.delete_protection;
  SKS_LET(const SecureBytes authorization,
          take_authorization(
              protection, key, options.passwords,
              "key " + std::to_string(key.handle.value) + " cannot be deleted: its issuer made it non-deletable",
              terminal));
  const auto deleted = store.delete_key(key.handle, authorization);
  if (!deleted && deleted.error().status == Status::authorization)
    return explain_wrong_authorization(protection, store, key.handle);
  if (!deleted) return deleted.error();
  if (options.format == Format::json)
    out << nlohmann::ordered_json{{"handle", key.handle.value}, {"deleted", true}}.dump(2) << "\n";
  else
    out << "Deleted " << name << ".\n";
  return {};
}

}  // namespace sks::cli
