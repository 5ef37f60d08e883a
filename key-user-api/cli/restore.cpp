#include "key-user-api/local_issuer/restore.h"

#include <algorithm>

#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/dialog/script_dialog.h"

namespace sks::cli {
namespace {

/// A part of the backup, by position.
sealed::Backup select(sealed::Backup& backup, const std::vector<bool>& chosen, bool which) {
  sealed::Backup part;
  for (std::size_t i = 0; i < backup.keys.size(); ++i)
    if (chosen[i] == which) part.keys.push_back(std::move(backup.keys[i]));
  return part;
}

}  // namespace

Result<void> run_restore(RestoreOptions options, sealed::Backup backup, SecureKeyStore& store,
                         dialog::Terminal* terminal, const Clock& clock, std::ostream& out) {
  out << std::unitbuf;  // what is asked at a terminal comes between
  SKS_LET(const std::vector<bool> present, find_present_keys(backup, store));
  std::optional<dialog::TerminalDialog> attended;
  if (terminal != nullptr) attended.emplace(*terminal);
  dialog::ScriptDialog script(dialog::ScriptDialog::Consent::given, std::move(options.pins),
                              attended ? &*attended : nullptr, out);
  const auto restored = restore_keys(backup, present, store, script, clock);
  if (!restored && !script.failure().empty()) return Error{Status::user_abort, script.failure()};
  if (!restored) return restored.error();
  if (const std::size_t unused = script.unused_pins(); unused != 0)
    out << "Not needed: " << unused << " of the PINs that were given.\n";

  // The keys are there for good: nothing from here on may fail.
  const sealed::Backup new_keys = select(backup, present, false);
  const sealed::Backup old_keys = select(backup, present, true);
  show_keys(new_keys.keys, "Restored:", out);
  show_keys(old_keys.keys, "In this key store already:", out);
  show_left_behind(backup, out);
  return {};
}

}  // namespace sks::cli
