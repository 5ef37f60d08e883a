#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/agent.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/export.h"
#include "key-user-api/cli/integration.h"
#include "key-user-api/cli/key_admin.h"
#include "key-user-api/cli/key_use.h"
#include "key-user-api/cli/secret_arguments.h"
#include "key-user-api/dialog/attendant.h"
#include "sealed-storage/master_key.h"

namespace sks::cli {

/// The values of --dialog.
struct DialogName {
  std::string_view name;
  dialog::DialogKind kind;
};
inline constexpr auto kDialogNames = std::to_array<DialogName>({
    {"auto", dialog::DialogKind::automatic},
    {"terminal", dialog::DialogKind::terminal},
    {"pinentry", dialog::DialogKind::pinentry},
});

/// Values that the options of all commands are read into.
struct Arguments {
  std::string command;  ///< the name of the row that was chosen
  std::optional<std::string> chosen_store;
  std::optional<std::string> chosen_persona;
  std::string store;    ///< the folder that comes of both
  std::string persona;  ///< empty when the store was chosen by its folder
  std::string passphrase_file;
  std::string new_passphrase_file;
  std::string export_passphrase_file;
  std::string protection = std::string(sealed::key_file_provider().name);
  std::optional<std::string> pcrs;
  std::string anchor;
  bool anchor_lost = false;
  InitOptions init;
  AgentOptions agent;
  bool ssh = false;  ///< print lines for SSH
  IntegrateDesktopOptions integrate_desktop;
  IntegrateOptions integrate;
  std::string new_persona;
  DeviceOptions device;
  ShowOptions show;
  DeleteOptions deletion;
  PinCheckOptions pin_check;
  PersonaDeleteOptions persona_deletion;
  PersonaExportOptions persona_export;
  PersonaImportOptions persona_import;
  std::string backup_file;
  std::string backup_passphrase_file;
  bool skip_protected = false;
  bool list_only = false;
  ImportOptions key_import;
  std::string import_passphrase_file;
  KeyCreateOptions key_create;
  PinOptions new_key_pin;
  bool list_uris = false;
  UseOptions use;
  PinChangeOptions pin_change;
  PinUnblockOptions pin_unblock;
  ActivationOptions activation;
  ExportOptions key_export;
  std::string url;
  std::vector<std::string> resume;  ///< [SESSION] URL, or nothing
  std::string ca_file;
  bool server_farm = false;
  bool open_pages = false;
  std::string pin_file;
  bool accept_clock = false;
  bool yes = false;
  bool disclose = false;
  std::string dialog = std::string(kDialogNames.front().name);
  bool json = false;
  std::vector<std::string> hidden;  ///< what stands in the place of secrets
  SecretArguments secrets;
};

}  // namespace sks::cli
