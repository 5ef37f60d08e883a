#include "key-user-api/cli/options.h"

#include "key-user-api/cli/option_helpers.h"

namespace sks::cli {
std::string check_not_empty(const std::string& value) { return value.empty() ? "the value is empty" : ""; }

CLI::Option* add_value(CLI::App& command, const char* name, const char* type, std::string& value,
                       const char* description) {
  return command.add_option(name, value, description)->type_name(type)->check(check_not_empty);
}

CLI::Option* add_file(CLI::App& command, const char* name, std::string& value, const char* description) {
  return add_value(command, name, "FILE", value, description);
}

void add_operand(CLI::App& command, const char* name, std::string& value, const char* description) {
  command.add_option(name, value, description)->required()->check(check_not_empty);
}

void add_key(CLI::App& command, std::string& value) {
  add_operand(command, "KEY", value, "handle, certificate fingerprint, id, label or RFC 7512 URI of a key");
}

CLI::Option* add_secret(CLI::App& command, const char* name, const char* type, Arguments& arguments,
                        const char* description) {
  return command.add_option(name, arguments.hidden, description)->type_name(type)->allow_extra_args(false);
}

CLI::Option* add_pins(CLI::App& command, Arguments& arguments) {
  CLI::Option* const pin = add_secret(command, "--pin", "PIN", arguments, "the PIN; again for each further PIN");
  add_file(command, "--pin-file", arguments.pin_file, "a file with one PIN per line")->excludes(pin);
  return pin;
}

namespace {

constexpr const char* kAnchorValues = "file:PATH for a file on another medium, tpm2 for a counter in the TPM, or none";

constexpr const char* kLinkDescription = "an invocation (keygen2://?init=...&url=...) or an https init URL";

void add_yes(CLI::App& command, Arguments& arguments, const char* description) {
  command.add_flag("--yes", arguments.yes, description);
}

/// --yes, --disclose and --dialog, of commands that let an issuer ask something.
void add_dialog(CLI::App& command, Arguments& arguments) {
  add_yes(command, arguments, "consent without being asked");
  command.add_flag("--disclose", arguments.disclose,
                   "let the issuer learn what it asks about this device, such as its addresses");
  std::vector<std::string> kinds;
  for (const DialogName& row : kDialogNames) kinds.emplace_back(row.name);
  command
      .add_option("--dialog", arguments.dialog,
                  "who asks: the terminal, a pinentry program (SKS_PINENTRY, else 'pinentry'), or what is there")
      ->type_name("KIND")
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
}

void add_accept_clock(CLI::App& command, Arguments& arguments) {
  command.add_flag("--accept-clock", arguments.accept_clock,
                   "go on though the key store was in use at a time that the clock has not reached");
}

/// --protect and --tpm2-pcrs; the first is given back.
CLI::Option* add_protection(CLI::App& command, Arguments& arguments) {
  std::vector<std::string> names;
  for (const sealed::MasterKeyProvider& provider : sealed::master_key_providers()) names.emplace_back(provider.name);
  command
      .add_option("--tpm2-pcrs", arguments.pcrs,
                  "with tpm2: open only while these registers of the TPM hold what they hold now, such as 0,2,7")
      ->type_name("LIST")
      ->check(check_not_empty);
  return command.add_option("--protect", arguments.protection, "what guards the key that the key store is sealed with")
      ->type_name("HOW")
      ->check(CLI::IsMember(names));
}

/// The file, its passphrase, --list, and the PINs, which --list has no use for. --list is given back.
CLI::Option* add_backup(CLI::App& command, Arguments& arguments) {
  add_operand(command, "FILE", arguments.backup_file, "the backup");
  add_file(command, "--backup-passphrase-file", arguments.backup_passphrase_file,
           "a file with the passphrase of the backup, for nobody else to read");
  CLI::Option* const list =
      command.add_flag("--list", arguments.list_only, "only show what the file holds, without secrets");
  return list->excludes(add_pins(command, arguments))->excludes(command.get_option("--pin-file"));
}

/// What an exchange with an issuer takes.
void add_connection(CLI::App& command, Arguments& arguments) {
  add_dialog(command, arguments);
  add_accept_clock(command, arguments);
  add_value(command, "--ca-file", "PEM", arguments.ca_file, "trust these CA certificates instead of the system's");
  command.add_flag(
      "--server-farm", arguments.server_farm,
      "let later connections present another certificate of the issuer than the first one, if it is trusted");
  command.add_flag("--open", arguments.open_pages, "open the issuer's pages in the browser");
}

/// The PIN of keys that come into the store.
void add_new_key_pin(CLI::App& command, Arguments& arguments) {
  CLI::Option* const none = command.add_flag("--no-pin", arguments.new_key_pin.none, "use the key without a PIN");
  none->excludes(add_pins(command, arguments))->excludes(command.get_option("--pin-file"));
  add_value(command, "--pin-of", "KEY", arguments.new_key_pin.shared_with,
            "put it under the PIN of a key that was made or imported here before")
      ->excludes(none);
}

void add_exportable(CLI::App& command, bool& exportable) {
  command.add_flag("--exportable", exportable, "let the key leave the key store again, also in backups");
}

void add_export_passphrase(CLI::App& command, Arguments& arguments) {
  add_file(command, "--export-passphrase-file", arguments.export_passphrase_file,
           "a file with the passphrase of the exported persona");
}

}  // namespace

void add_common_options(CLI::App& app, Arguments& arguments) {
  CLI::Option* const store = app.add_option("--store", arguments.chosen_store, "folder of the key store");
  store->type_name("DIR")->check(check_not_empty);
  app.add_option("--persona", arguments.chosen_persona, "the persona whose key store it is (default: default)")
      ->type_name("NAME")
      ->check(check_not_empty)
      ->excludes(store);
  add_file(app, "--passphrase-file", arguments.passphrase_file,
           "a file with the passphrase of the key store, for nobody else to read");
}

void add_init_options(CLI::App& command, Arguments& arguments) {
  add_value(command, "--name", "DEVICE", arguments.init.name, "name of the device (default: the name of this host)");
  add_value(command, "--certificate-file", "PEM", arguments.init.certificate_file,
            "write the device certificate there");
  add_protection(command, arguments)->capture_default_str();
  add_value(command, "--anchor", "ANCHOR", arguments.anchor, kAnchorValues);
}

void add_reprotect_options(CLI::App& command, Arguments& arguments) {
  add_protection(command, arguments)->required();
  add_file(command, "--new-passphrase-file", arguments.new_passphrase_file, "a file with the new passphrase");
}

void add_anchor_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "ANCHOR", arguments.anchor, kAnchorValues);
  command.add_flag("--lost", arguments.anchor_lost,
                   "the anchor so far is lost or contradicts the key store: give up what it protected");
}

void add_device_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* const pem = command.add_flag("--pem", arguments.device.pem, "print the certificate itself");
  add_json_option(command, arguments);
  pem->excludes(command.get_option("--json"));
}

void add_enroll_options(CLI::App& command, Arguments& arguments) {
  add_connection(command, arguments);
  command.add_option("URL", arguments.url, kLinkDescription)->required();
  add_pins(command, arguments);
}

void add_resume_options(CLI::App& command, Arguments& arguments) {
  add_connection(command, arguments);
  add_json_option(command, arguments);
  command
      .add_option(
          "LINK", arguments.resume,
          "the link that the issuer has given for that; in front of it may stand the number of the session that "
          "is meant. Without any, the sessions that wait are listed")
      ->expected(0, 2)
      ->type_name("[SESSION] URL")
      ->check(check_not_empty);
}

void add_show_options(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.show.key);
  CLI::Option* const extension =
      add_value(command, "--extension", "TYPE", arguments.show.extension, "only what the extension of this type holds");
  CLI::Option* const json = command.add_flag("--json", arguments.json, "print JSON");
  add_file(command, "--out", arguments.show.file, "write it there, as it is")->needs(extension)->excludes(json);
  command.add_flag("--ssh", arguments.ssh, "only the line for the authorized_keys of an SSH server")
      ->excludes(json)
      ->excludes(extension);
}

void add_integrate_desktop_options(CLI::App& command, Arguments& arguments) {
  command.add_flag("--remove", arguments.integrate_desktop.remove, "undo it");
}

void add_integrate_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* const remove = command.add_flag("--remove", arguments.integrate.remove, "undo it");
  add_integrate_check_options(command, arguments);
  remove->excludes(command.get_option("--check"));
}

void add_integrate_check_options(CLI::App& command, Arguments& arguments) {
  command.add_flag("--check", arguments.integrate.check, "only tell what is in place");
  add_file(command, "--module", arguments.integrate.module, "the PKCS#11 module (default: the one of this program)");
  add_json_option(command, arguments);
}

void add_delete_options(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.deletion.key);
  add_yes(command, arguments, "do not ask for confirmation");
  add_secret(command, "--puk", "PUK", arguments, "the PUK, for a key that demands it")
      ->excludes(add_pins(command, arguments))
      ->excludes(command.get_option("--pin-file"));
  add_json_option(command, arguments);
}

void add_backup_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* const list = add_backup(command, arguments);
  add_secret(command, "--puk", "PUK", arguments, "the PUK, for keys that demand it; again for each further PUK")
      ->excludes(list);
  command
      .add_flag("--skip-protected", arguments.skip_protected, "leave the keys behind whose export takes a PIN or PUK")
      ->excludes(list);
}

void add_restore_options(CLI::App& command, Arguments& arguments) {
  add_backup(command, arguments);
  add_accept_clock(command, arguments);
}

void add_import_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "FILE", arguments.key_import.file, "PKCS#12, PEM, DER, OpenSSH or JWK");
  add_file(command, "--import-passphrase-file", arguments.import_passphrase_file,
           "a file with the passphrase of FILE, for nobody else to read");
  add_value(command, "--label", "NAME", arguments.key_import.label, "the name of the key");
  add_exportable(command, arguments.key_import.exportable);
  add_new_key_pin(command, arguments);
  add_json_option(command, arguments);
  add_accept_clock(command, arguments);
}

void add_key_create_options(CLI::App& command, Arguments& arguments) {
  add_value(command, "--algorithm", "NAME", arguments.key_create.algorithm,
            "the kind of key, such as ec.nist.p384, rsa2048 or ed25519")
      ->capture_default_str();
  add_value(command, "--label", "NAME", arguments.key_create.label, "the name of the key");
  add_exportable(command, arguments.key_create.exportable);
  add_new_key_pin(command, arguments);
  add_json_option(command, arguments);
  add_accept_clock(command, arguments);
}

void add_pin_check_options(CLI::App& command, Arguments& arguments) {
  add_key(command, arguments.pin_check.key);
  add_pins(command, arguments);
  add_json_option(command, arguments);
}

void add_persona_create_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "NAME", arguments.new_persona, "the persona");
  add_init_options(command, arguments);
}

void add_persona_delete_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "NAME", arguments.persona_deletion.name, "the persona");
  add_yes(command, arguments, "do not ask for confirmation");
}

void add_persona_export_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "NAME", arguments.persona_export.name, "the persona");
  add_operand(command, "FILE", arguments.persona_export.file, "to be made");
  add_export_passphrase(command, arguments);
}

void add_persona_import_options(CLI::App& command, Arguments& arguments) {
  add_operand(command, "FILE", arguments.persona_import.file, "to be destroyed afterwards");
  add_value(command, "--name", "NAME", arguments.persona_import.name, "its name here (default: the one that it had)");
  add_protection(command, arguments)->capture_default_str();
  add_export_passphrase(command, arguments);
}

void add_list_options(CLI::App& command, Arguments& arguments) {
  add_json_option(command, arguments);
  CLI::Option* const uris =
      command.add_flag("--uri", arguments.list_uris, "the RFC 7512 URIs by which PKCS#11 applications name the keys");
  command.add_flag("--ssh", arguments.ssh, "print the lines for the authorized_keys of an SSH server")
      ->excludes(command.get_option("--json"))
      ->excludes(uris);
}

void add_json_option(CLI::App& command, Arguments& arguments) {
  command.add_flag("--json", arguments.json, "print JSON");
}

}  // namespace sks::cli
