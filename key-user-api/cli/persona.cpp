#include "key-user-api/persona.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/local_store.h"
#include "sealed-storage/persona.h"

namespace sks::cli {
namespace {

nlohmann::ordered_json or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

void write_json(const std::vector<Persona>& personas, const std::string& current, std::ostream& out) {
  auto array = nlohmann::ordered_json::array();
  for (const Persona& persona : personas)
    array.push_back({{"name", persona.name},
                     {"current", persona.folder == current},
                     {"folder", persona.folder},
                     {"protection", or_null(persona.state.protection)},
                     {"inUseBy", or_null(persona.state.holder.value_or(""))},
                     {"problem", or_null(persona.state.problem)}});
  out << array.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void write_text(const std::vector<Persona>& personas, const std::string& current, std::ostream& out) {
  if (personas.empty()) {
    out << "There is no persona in " << personas_folder() << ".\n";
    return;
  }
  std::vector<TableRow> rows{{"CURRENT", "NAME", "PROTECTION", "IN USE BY", "PROBLEM"}};
  for (const Persona& persona : personas)
    rows.push_back({persona.folder == current ? "*" : "", persona.name, persona.state.protection,
                    persona.state.holder.value_or(""), persona.state.problem});
  write_table(rows, out);
}

/// Names the store that somebody uses, which the lock itself does not know. Other errors stay as they are.
Error with_holder(Error error, const std::string& folder) {
  if (error.status != Status::not_available) return error;
  const auto state = sealed::look_at_store(folder);
  if (state && state->holder) error.detail = folder + ": store in use by " + *state->holder;
  return error;
}

/// What is lost with a store, as far as that can be seen. Fails when the store is in use.
Result<std::string> describe_loss(const std::string& folder, SecretSource& secrets) {
  auto store = LocalStore::open(folder, secrets);
  if (const auto state = sealed::look_at_store(folder); !store && state && state->holder)
    return with_holder(store.error(), folder);
  if (!store) return "with keys that cannot be counted (" + store.error().detail + ")";
  const auto keys = list_keys(store->engine());
  if (!keys) return "with keys that cannot be counted (" + keys.error().detail + ")";
  if (keys->empty()) return std::string("without a key");
  return "with " + std::to_string(keys->size()) + (keys->size() == 1 ? " key" : " keys") +
         ", also what its issuer made non-deletable,";
}

Result<void> confirm_deletion(const PersonaDeleteOptions& options, const std::string& folder, SecretSource& secrets,
                              dialog::Terminal* terminal) {
  if (options.confirmed) return {};
  const std::string persona = "the persona " + options.name;
  if (terminal == nullptr)
    return Error{Status::user_abort,
                 "nobody is there to confirm the deletion of " + persona + "; --yes confirms beforehand"};
  SKS_LET(const std::string loss, describe_loss(folder, secrets));
  if (dialog::ask_yes_no(*terminal, "Delete " + persona + " " + dialog::printable(loss) + " for good?")) return {};
  return Error{Status::user_abort, "nothing was deleted"};
}

/// Fails unless there is a store of that name, or what an interruption has left of one.
Result<std::string> find_persona(const std::string& name) {
  SKS_LET(std::string folder, persona_folder(name));
  if (sealed::look_at_store(folder)) return folder;
  return Error{Status::not_available, "there is no persona " + name + "; 'sks persona list' shows which there are"};
}

/// What interrupted imports have left, as rows beside the personas: the dot in their names tells them apart.
void add_interrupted_imports(std::vector<Persona>& personas) {
  for (const std::string& folder : sealed::interrupted_imports(personas_folder())) {
    Persona left{std::filesystem::path(folder).filename().string(), folder, {}};
    left.state.problem = "its import was interrupted; its file is whole, and the next import removes this";
    personas.push_back(std::move(left));
  }
}

/// Two living copies of a store would double the tries for its PINs. A store that cannot be read may be one.
Result<void> check_not_here(const sealed::StoreId& store_id, const std::string& file) {
  SKS_LET(const std::vector<Persona> personas, list_personas());
  for (const Persona& persona : personas) {
    // The file may be all that there is of it: never to be destroyed on this advice.
    if (persona.state.store_id == store_id && persona.state.key_missing)
      return Error{Status::option, "the persona in " + file + " is here already, as " + persona.name + ", but " +
                                       persona.state.problem};
    if (persona.state.store_id == store_id)
      return Error{Status::option, "the persona in " + file + " is here already, as " + persona.name +
                                       ": destroy the file, or delete that persona first"};
    if (!persona.state.store_id && persona.state.holder)
      return Error{Status::not_available, persona.folder + ": store in use by " + *persona.state.holder +
                                              ", so it cannot be compared with " + file};
    if (!persona.state.store_id && !persona.state.destroyed)
      return Error{Status::storage, "the persona " + persona.name + " cannot be read, so it cannot be compared with " +
                                        file + " (" + persona.state.problem + ")"};
  }
  return {};
}

}  // namespace

Result<void> run_persona_list(Format format, const std::string& current, std::ostream& out) {
  SKS_LET(std::vector<Persona> personas, list_personas());
  add_interrupted_imports(personas);
  format == Format::json ? write_json(personas, current, out) : write_text(personas, current, out);
  return {};
}

Result<void> run_persona_delete(const PersonaDeleteOptions& options, SecretSource& secrets, dialog::Terminal* terminal,
                                std::ostream& out) {
  SKS_LET(const std::string folder, find_persona(options.name));
  SKS_TRY(confirm_deletion(options, folder, secrets, terminal));
  // A store that stays keeps its anchor.
  SKS_TRY(sealed::check_removable(folder));
  // A counter that stayed in the TPM would take up its memory for good; without the master key it does. Whatever keeps
  // the anchor from going keeps nobody from giving up the store.
  static_cast<void>(LocalStore::set_anchor(folder, {}, secrets, AnchorCheck::required));
  const Result<void> removed = sealed::remove_store(folder, kLockPatience);
  if (!removed) return with_holder(removed.error(), folder);
  out << "Deleted the persona " << options.name << " and all its keys.\n";
  return {};
}

Result<void> run_persona_export(const PersonaExportOptions& options, SecretSource& secrets, SecretSource& file_secrets,
                                std::ostream& out) {
  SKS_LET(const std::string folder, find_persona(options.name));
  const InterruptGuard guard;  // half of a file must not stay behind
  sealed::ExportRequest request{folder, options.name, options.file, kLockPatience};
  request.stop = interrupted;
  const Result<void> moved = sealed::export_store(request, secrets, file_secrets);
  if (!moved) return with_holder(moved.error(), folder);
  out << "Moved the persona " << options.name << " to " << options.file
      << "; it is not on this device any more, and whoever has a copy of that file and its passphrase has its keys.\n";
  return {};
}

Result<void> run_persona_import(const PersonaImportOptions& options, SecretSource& secrets, SecretSource& file_secrets,
                                std::ostream& out) {
  SKS_LET(sealed::ExportedPersona exported, sealed::ExportedPersona::open(options.file));
  const std::string name = options.name.empty() ? exported.head().name : options.name;
  SKS_LET(const std::string folder, persona_folder(name));
  const auto not_here = [&] { return check_not_here(exported.head().store_id, options.file); };
  SKS_TRY(not_here());
  const InterruptGuard guard;  // a store that is half made must not stay behind, and its master key least of all
  SKS_TRY(exported.import_to(folder, options.protection, secrets, file_secrets, interrupted, not_here));
  out << "Moved " << options.file << " to the persona " << name << ", and destroyed the file.\n";
  return {};
}

}  // namespace sks::cli
