#pragma once

#include "key-user-api/cli/arguments.h"

namespace CLI {
class App;
}

/// The options of the commands of sks: one function for each command that has any, which declares them so that their
/// values go into Arguments. Secrets have been taken out of the command line before (secret_arguments.h).
namespace sks::cli {

/// Those of every command: --store, --persona and --passphrase-file.
void add_common_options(CLI::App& app, Arguments& arguments);

void add_init_options(CLI::App& command, Arguments& arguments);
void add_reprotect_options(CLI::App& command, Arguments& arguments);
void add_anchor_options(CLI::App& command, Arguments& arguments);
void add_device_options(CLI::App& command, Arguments& arguments);
void add_enroll_options(CLI::App& command, Arguments& arguments);
void add_resume_options(CLI::App& command, Arguments& arguments);
void add_show_options(CLI::App& command, Arguments& arguments);
void add_integrate_desktop_options(CLI::App& command, Arguments& arguments);
void add_delete_options(CLI::App& command, Arguments& arguments);
void add_backup_options(CLI::App& command, Arguments& arguments);
void add_restore_options(CLI::App& command, Arguments& arguments);
void add_import_options(CLI::App& command, Arguments& arguments);
void add_key_create_options(CLI::App& command, Arguments& arguments);
void add_pin_check_options(CLI::App& command, Arguments& arguments);
void add_persona_create_options(CLI::App& command, Arguments& arguments);
void add_persona_delete_options(CLI::App& command, Arguments& arguments);
void add_persona_export_options(CLI::App& command, Arguments& arguments);
void add_persona_import_options(CLI::App& command, Arguments& arguments);
void add_list_options(CLI::App& command, Arguments& arguments);
void add_sign_options(CLI::App& command, Arguments& arguments);
void add_verify_options(CLI::App& command, Arguments& arguments);
void add_encryption_options(CLI::App& command, Arguments& arguments);
void add_pin_change_options(CLI::App& command, Arguments& arguments);
void add_pin_unblock_options(CLI::App& command, Arguments& arguments);
void add_suspend_options(CLI::App& command, Arguments& arguments);
void add_resume_key_options(CLI::App& command, Arguments& arguments);
void add_export_options(CLI::App& command, Arguments& arguments);
/// One application, and all of them.
void add_integrate_options(CLI::App& command, Arguments& arguments);
void add_integrate_check_options(CLI::App& command, Arguments& arguments);
void add_no_options(CLI::App& command, Arguments& arguments);
/// --json, of commands that have nothing else.
void add_json_option(CLI::App& command, Arguments& arguments);

}  // namespace sks::cli
