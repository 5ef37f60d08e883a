#include "key-user-api/cli/program.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/clock_check.h"
#include "key-user-api/cli/command_secrets.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/enrolment.h"
#include "key-user-api/cli/file_secrets.h"
#include "key-user-api/cli/https_client.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/local_store.h"
#include "key-user-api/passphrase_source.h"
#include "key-user-api/persona.h"

namespace sks::cli {
namespace {

/// An error with the exit code that fits it.
struct Refusal {
  int exit_code;
  std::string detail;
};
using Outcome = Result<void, Refusal>;

Refusal refused(const Error& error) { return {kExitRefused, error.detail}; }
Refusal wrong_usage(const Error& error) { return {kExitUsage, error.detail}; }

Outcome to_outcome(const Result<void>& result) {
  if (!result) return refused(result.error());
  return {};
}

constexpr std::string_view kPassphraseProtection = "passphrase";
constexpr std::string_view kTpmProtection = "tpm2";

/// Values that the options of all commands are read into.
struct Arguments {
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
  std::string new_persona;
  DeviceOptions device;
  DeleteOptions deletion;
  PinCheckOptions pin_check;
  PersonaDeleteOptions persona_deletion;
  PersonaExportOptions persona_export;
  PersonaImportOptions persona_import;
  std::string backup_file;
  std::string backup_passphrase_file;
  bool skip_protected = false;
  bool list_only = false;
  std::string url;
  std::string ca_file;
  std::string pin_file;
  bool accept_clock = false;
  bool yes = false;
  bool json = false;
  std::vector<std::string> hidden;  ///< what stands in the place of secrets
  SecretArguments secrets;
};

Result<void> find_store(const Arguments& arguments) {
  struct stat info {};
  if (::stat(arguments.store.c_str(), &info) == 0 || errno != ENOENT) return {};
  const bool named = !arguments.persona.empty() && arguments.persona != kDefaultPersona;
  const std::string command = named ? "persona create " + arguments.persona : "init";
  return Error{Status::not_available, "no key store in " + arguments.store + "; make one with 'sks " + command + "'"};
}

Error with_folder(Error error, const std::string& folder) {
  if (error.detail.find(folder) == std::string::npos) error.detail = folder + ": " + error.detail;
  return error;
}

Result<LocalStore> open_store(const Arguments& arguments) {
  SKS_TRY(find_store(arguments));
  CommandSecrets secrets(arguments.passphrase_file);
  auto store = LocalStore::open(arguments.store, secrets);
  // Spec: keygen2.md 8.8. A failure is no reason to refuse the command: enrolments try again, and report it.
  if (store) static_cast<void>(abort_stale_sessions(store->engine(), system_clock().now()));
  if (store) return store;
  return with_folder(std::move(store).error(), arguments.store);
}

/// The key store for a command that begins a provisioning session, whose lifetime is counted by the clock.
Result<LocalStore> open_store_for_session(const Arguments& arguments) {
  SKS_LET(LocalStore store, open_store(arguments));
  if (arguments.accept_clock) return store;
  if (auto clock = check_clock(store.engine(), system_clock().now()); !clock) {
    Error error = std::move(clock).error();
    if (error.status == Status::not_allowed) error.detail += "; set the clock right, or see 'sks doctor'";
    return error;
  }
  return store;
}

/// An empty secret is an unset variable of a script, and not worth one of the tries.
Result<void> refuse_empty(const std::vector<SecureBytes>& secrets, std::string_view option) {
  if (std::ranges::none_of(secrets, &SecureBytes::empty)) return {};
  return Error{Status::option, std::string(option) + " is empty"};
}

/// The PINs of the command line or of the file, whichever is given.
Result<std::vector<SecureBytes>> take_pins(Arguments& arguments) {
  SKS_TRY(refuse_empty(arguments.secrets.pins, "--pin"));
  if (arguments.pin_file.empty()) return std::move(arguments.secrets.pins);
  return dialog::read_pin_file(arguments.pin_file);
}

std::optional<dialog::Terminal> find_terminal() {
  auto terminal = dialog::Terminal::open(interrupted);
  if (!terminal) return std::nullopt;
  return std::move(*terminal);
}

dialog::Terminal* pointer_to(std::optional<dialog::Terminal>& terminal) { return terminal ? &*terminal : nullptr; }

/// A file that would not be read is a mistake that its user should know of.
Outcome check_protection(const Arguments& arguments, const std::string& file, std::string_view option) {
  if (file.empty() || arguments.protection == kPassphraseProtection) return {};
  return Refusal{kExitUsage, std::string(option) + " needs --protect passphrase"};
}

/// The protection that the options ask for.
Result<sealed::Protection, Refusal> take_protection(const Arguments& arguments) {
  const sealed::MasterKeyProvider* const provider = sealed::find_provider(arguments.protection);
  SKS_CHECK(provider != nullptr);  // the option takes no other name
  if (!arguments.pcrs) return sealed::Protection(*provider);
  if (provider->name != kTpmProtection) return Refusal{kExitUsage, "--tpm2-pcrs needs --protect tpm2"};
  const Result<sealed::PcrSelection> pcrs = sealed::parse_pcrs(*arguments.pcrs);
  if (!pcrs) return Refusal{kExitUsage, "--tpm2-pcrs: " + pcrs.error().detail};
  return sealed::Protection(*provider, *pcrs);
}

Result<sealed::AnchorChoice, Refusal> take_anchor(const Arguments& arguments) {
  auto anchor = sealed::parse_anchor(arguments.anchor);
  if (!anchor) return wrong_usage(anchor.error());
  return std::move(*anchor);
}

Outcome init(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_protection(arguments, arguments.passphrase_file, "--passphrase-file"));
  arguments.init.store = arguments.store;
  SKS_LET(arguments.init.protection, take_protection(arguments));
  if (!arguments.anchor.empty()) {
    SKS_LET(arguments.init.anchor, take_anchor(arguments));
  }
  CommandSecrets secrets(arguments.passphrase_file);
  return to_outcome(run_init(arguments.init, secrets, out));
}

Outcome reprotect(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_protection(arguments, arguments.new_passphrase_file, "--new-passphrase-file"));
  SKS_LET(const sealed::Protection protection, take_protection(arguments));
  if (const auto found = find_store(arguments); !found) return refused(found.error());
  CommandSecrets secrets(arguments.passphrase_file, CommandSecrets::NewPassphrase::change,
                         arguments.new_passphrase_file);
  const auto done = run_reprotect({arguments.store, protection}, secrets, out);
  if (!done) return refused(with_folder(done.error(), arguments.store));
  return {};
}

Outcome anchor(Arguments& arguments, std::ostream& out) {
  SKS_LET(const sealed::AnchorChoice choice, take_anchor(arguments));
  if (const auto found = find_store(arguments); !found) return refused(found.error());
  CommandSecrets secrets(arguments.passphrase_file);
  const AnchorCheck check = arguments.anchor_lost ? AnchorCheck::skipped : AnchorCheck::required;
  const auto done = run_anchor({arguments.store, choice, check}, secrets, out);
  if (!done) return refused(with_folder(done.error(), arguments.store));
  return {};
}

Outcome enroll(Arguments& arguments, std::ostream& out) {
  auto invocation = parse_invocation(arguments.url);
  if (!invocation) return wrong_usage(invocation.error());
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  HttpsOptions https;
  https.ca_file = arguments.ca_file;
  auto client = HttpsClient::create(https);
  if (!client) return wrong_usage(client.error());
  auto store = open_store_for_session(arguments);
  if (!store) return refused(store.error());
  using Consent = dialog::ScriptDialog::Consent;
  std::optional<dialog::Terminal> terminal = arguments.yes ? std::nullopt : find_terminal();
  const InterruptGuard guard;
  return to_outcome(
      run_enroll({std::move(*invocation), arguments.yes ? Consent::given : Consent::ask, std::move(*pins)}, **client,
                 store->engine(), pointer_to(terminal), system_clock(), out));
}

Outcome remove(Arguments& arguments, std::ostream& out) {
  auto passwords = take_pins(arguments);
  if (!passwords) return wrong_usage(passwords.error());
  if (const auto puks = refuse_empty(arguments.secrets.puks, "--puk"); !puks) return wrong_usage(puks.error());
  arguments.deletion.passwords = std::move(*passwords);
  std::ranges::move(arguments.secrets.puks, std::back_inserter(arguments.deletion.passwords));
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;  // Ctrl-C at the prompt must not leave the terminal without echo
  arguments.deletion.confirmed = arguments.yes;
  return to_outcome(run_delete(std::move(arguments.deletion), store->engine(), pointer_to(terminal), out));
}

Outcome check_pin(Arguments& arguments, std::ostream& out) {
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  arguments.pin_check.pins = std::move(*pins);
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;
  return to_outcome(run_pin_check(std::move(arguments.pin_check), store->engine(), pointer_to(terminal), out));
}

Outcome doctor(Arguments& arguments, std::ostream& out) {
  CommandSecrets secrets(arguments.passphrase_file);
  const Format format = arguments.json ? Format::json : Format::text;
  const InterruptGuard guard;  // the copy that it looks at must not stay behind
  return to_outcome(run_doctor(format, arguments.store, secrets, system_clock(), out));
}

FileSecrets backup_secrets(const Arguments& arguments) {
  return {arguments.backup_passphrase_file, "--backup-passphrase-file", "the backup "};
}

Outcome list_backup(const Arguments& arguments, std::ostream& out) {
  FileSecrets secrets = backup_secrets(arguments);
  const auto backup = read_backup(arguments.backup_file, secrets);
  if (!backup) return refused(backup.error());
  show_backup(*backup, out);
  return {};
}

Outcome backup(Arguments& arguments, std::ostream& out) {
  if (arguments.list_only) return list_backup(arguments, out);
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  if (const auto puks = refuse_empty(arguments.secrets.puks, "--puk"); !puks) return wrong_usage(puks.error());
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  FileSecrets secrets = backup_secrets(arguments);
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;
  const auto pin_group_of = [&](KeyHandle key) { return store->engine().pin_group(key); };
  return to_outcome(
      run_backup({arguments.backup_file, arguments.skip_protected ? ProtectedKeys::skip : ProtectedKeys::take,
                  std::move(*pins), std::move(arguments.secrets.puks)},
                 store->engine(), pin_group_of, secrets, pointer_to(terminal), system_clock(), out));
}

Outcome restore(Arguments& arguments, std::ostream& out) {
  if (arguments.list_only) return list_backup(arguments, out);
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  if (const auto found = find_store(arguments); !found) return refused(found.error());
  FileSecrets secrets = backup_secrets(arguments);
  auto backup = read_backup(arguments.backup_file, secrets);
  if (!backup) return refused(backup.error());
  auto store = open_store_for_session(arguments);
  if (!store) return refused(store.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;
  return to_outcome(
      run_restore({std::move(*pins)}, std::move(*backup), store->engine(), pointer_to(terminal), system_clock(), out));
}

/// The commands that only look at an opened key store.
template <auto Run>
Outcome with_store(Arguments& arguments, std::ostream& out) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  return to_outcome(Run(arguments, store->engine(), out));
}

Format format_of(const Arguments& arguments) { return arguments.json ? Format::json : Format::text; }
Result<void> device(const Arguments& arguments, SecureKeyStore& store, std::ostream& out) {
  return run_device(arguments.device, store, out);
}
Result<void> list(const Arguments& arguments, SecureKeyStore& store, std::ostream& out) {
  return run_list(format_of(arguments), store, out);
}
Result<void> sessions(const Arguments& arguments, SecureKeyStore& store, std::ostream& out) {
  return run_sessions(format_of(arguments), store, out);
}

/// Those of `sks persona` that name their persona behind the command.
Outcome check_persona_usage(const Arguments& arguments, const std::string& name) {
  if (arguments.chosen_store || arguments.chosen_persona)
    return Refusal{kExitUsage, "'sks persona' takes the name behind its command, and neither --store nor --persona"};
  if (const auto proper = check_persona_name(name); !proper) return wrong_usage(proper.error());
  return {};
}

Outcome persona_list(Arguments& arguments, std::ostream& out) {
  return to_outcome(run_persona_list(format_of(arguments), arguments.store, out));
}

Outcome persona_create(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_persona_usage(arguments, arguments.new_persona));
  auto folder = persona_folder(arguments.new_persona);
  if (!folder) return wrong_usage(folder.error());
  arguments.store = std::move(*folder);
  return init(arguments, out);
}

Outcome persona_delete(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_persona_usage(arguments, arguments.persona_deletion.name));
  UnattendedSecrets secrets(arguments.passphrase_file);
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;
  arguments.persona_deletion.confirmed = arguments.yes;
  return to_outcome(run_persona_delete(arguments.persona_deletion, secrets, pointer_to(terminal), out));
}

FileSecrets export_secrets(const Arguments& arguments) {
  return {arguments.export_passphrase_file, "--export-passphrase-file", ""};
}

Outcome persona_export(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_persona_usage(arguments, arguments.persona_export.name));
  CommandSecrets secrets(arguments.passphrase_file);
  FileSecrets file_secrets = export_secrets(arguments);
  return to_outcome(run_persona_export(arguments.persona_export, secrets, file_secrets, out));
}

Outcome persona_import(Arguments& arguments, std::ostream& out) {
  const std::string& name = arguments.persona_import.name;
  SKS_TRY(check_persona_usage(arguments, name.empty() ? kDefaultPersona : name));
  SKS_TRY(check_protection(arguments, arguments.passphrase_file, "--passphrase-file"));
  SKS_LET(arguments.persona_import.protection, take_protection(arguments));
  CommandSecrets secrets(arguments.passphrase_file);
  FileSecrets file_secrets = export_secrets(arguments);
  return to_outcome(run_persona_import(arguments.persona_import, secrets, file_secrets, out));
}

using Run = Outcome (*)(Arguments&, std::ostream&);

/// For options whose empty value would otherwise stand for their default.
std::string check_not_empty(const std::string& value) { return value.empty() ? "the value is empty" : ""; }

/// --pin and --pin-file; the secrets themselves have been taken out before, CLI11 sees only that they are there.
CLI::Option* add_pin_options(CLI::App& command, Arguments& arguments) {
  CLI::Option* const pin = command.add_option("--pin", arguments.hidden, "the PIN; again for each further PIN");
  pin->type_name("PIN")->allow_extra_args(false);
  CLI::Option* const file = command.add_option("--pin-file", arguments.pin_file, "a file with one PIN per line");
  file->type_name("FILE")->check(check_not_empty)->excludes(pin);
  return pin;
}

CLI::Option* add_file_option(CLI::App& command, const char* name, std::string& value, const char* description) {
  return command.add_option(name, value, description)->type_name("FILE")->check(check_not_empty);
}

void add_clock_option(CLI::App& command, Arguments& arguments) {
  command.add_flag("--accept-clock", arguments.accept_clock,
                   "go on though the key store was in use at a time that the clock has not reached");
}

/// --protect and --tpm2-pcrs; the first is given back.
CLI::Option* add_protect_options(CLI::App& command, Arguments& arguments) {
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

void declare_store_options(CLI::App& app, Arguments& arguments) {
  CLI::Option* const store = app.add_option("--store", arguments.chosen_store, "folder of the key store");
  store->type_name("DIR")->check(check_not_empty);
  app.add_option("--persona", arguments.chosen_persona, "the persona whose key store it is (default: default)")
      ->type_name("NAME")
      ->check(check_not_empty)
      ->excludes(store);
}

constexpr const char* kAnchorValues = "file:PATH for a file on another medium, tpm2 for a counter in the TPM, or none";

/// Declares a command; when it is given, it stores itself in `chosen`.
CLI::App& add_command(CLI::App& parent, Run& chosen, const char* name, const char* description, Run run) {
  CLI::App* const command = parent.add_subcommand(name, description);
  command->callback([&chosen, run] { chosen = run; });
  return *command;
}

void add_init_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--name", arguments.init.name, "name of the device (default: the name of this host)")
      ->type_name("DEVICE")
      ->check(check_not_empty);
  command.add_option("--certificate-file", arguments.init.certificate_file, "write the device certificate there")
      ->type_name("PEM")
      ->check(check_not_empty);
  add_protect_options(command, arguments)->capture_default_str();
  command.add_option("--anchor", arguments.anchor, kAnchorValues)->type_name("ANCHOR")->check(check_not_empty);
}

void declare_persona_commands(CLI::App& app, Arguments& arguments, Run& chosen) {
  CLI::App& group = *app.add_subcommand("persona", "work with the key stores of one's personas");
  group.require_subcommand(1);
  const auto add_name = [](CLI::App& command, std::string& value) {
    command.add_option("NAME", value, "the persona")->required()->check(check_not_empty);
  };
  const auto add_export_passphrase = [&arguments](CLI::App& command) {
    add_file_option(command, "--export-passphrase-file", arguments.export_passphrase_file,
                    "a file with the passphrase of the exported persona");
  };

  CLI::App& list_command = add_command(group, chosen, "list", "list the personas", persona_list);
  list_command.add_flag("--json", arguments.json, "print JSON");

  CLI::App& create = add_command(group, chosen, "create", "make the key store of a new persona", persona_create);
  add_name(create, arguments.new_persona);
  add_init_options(create, arguments);

  CLI::App& deletion = add_command(group, chosen, "delete",
                                   "destroy the whole key store of a persona, with all its keys", persona_delete);
  add_name(deletion, arguments.persona_deletion.name);
  deletion.add_flag("--yes", arguments.yes, "do not ask for confirmation");

  CLI::App& exporting = add_command(group, chosen, "export", "move a persona into a file", persona_export);
  add_name(exporting, arguments.persona_export.name);
  exporting.add_option("FILE", arguments.persona_export.file, "to be made")->required()->check(check_not_empty);
  add_export_passphrase(exporting);

  CLI::App& importing = add_command(group, chosen, "import", "move a persona out of a file", persona_import);
  importing.add_option("FILE", arguments.persona_import.file, "to be destroyed afterwards")
      ->required()
      ->check(check_not_empty);
  importing.add_option("--name", arguments.persona_import.name, "its name here (default: the one that it had)")
      ->type_name("NAME")
      ->check(check_not_empty);
  add_protect_options(importing, arguments)->capture_default_str();
  add_export_passphrase(importing);
}

/// Also --pin and --pin-file. --list is given back.
CLI::Option* add_backup_options(CLI::App& command, Arguments& arguments) {
  command.add_option("FILE", arguments.backup_file, "the backup")->required()->check(check_not_empty);
  add_file_option(command, "--backup-passphrase-file", arguments.backup_passphrase_file,
                  "a file with the passphrase of the backup, for nobody else to read");
  CLI::Option* const list =
      command.add_flag("--list", arguments.list_only, "only show what the file holds, without secrets");
  return list->excludes(add_pin_options(command, arguments))->excludes(command.get_option("--pin-file"));
}

/// Declares every command; the one that is given stores itself in `chosen`.
void declare_commands(CLI::App& app, Arguments& arguments, Run& chosen) {
  const auto add = [&](CLI::App& parent, const char* name, const char* description, Run run) -> CLI::App& {
    return add_command(parent, chosen, name, description, run);
  };

  add_init_options(add(app, "init", "make a key store with a device identity of its own", init), arguments);

  CLI::App& reprotect_command =
      add(app, "reprotect", "change how the key store is protected, or its passphrase", reprotect);
  add_protect_options(reprotect_command, arguments)->required();
  add_file_option(reprotect_command, "--new-passphrase-file", arguments.new_passphrase_file,
                  "a file with the new passphrase");

  CLI::App& anchor_command = add(
      app, "anchor", "let something outside of the key store notice when it is put back to an earlier state", anchor);
  anchor_command.add_option("ANCHOR", arguments.anchor, kAnchorValues)->required()->check(check_not_empty);
  anchor_command.add_flag("--lost", arguments.anchor_lost,
                          "the anchor so far is lost or contradicts the key store: give up what it protected");

  CLI::App& doctor_command =
      add(app, "doctor", "tell what state the key store is in and what can be done; change nothing", doctor);
  doctor_command.add_flag("--json", arguments.json, "print JSON");

  CLI::App& device_command = add(app, "device", "show the fingerprint of the device certificate", with_store<device>);
  device_command.add_flag("--pem", arguments.device.pem, "print the certificate itself");

  CLI::App& enroll_command = add(app, "enroll", "get keys and certificates from an issuer", enroll);
  enroll_command.add_flag("--yes", arguments.yes, "consent without being asked");
  add_clock_option(enroll_command, arguments);
  enroll_command.add_option("--ca-file", arguments.ca_file, "trust these CA certificates instead of the system's")
      ->type_name("PEM")
      ->check(check_not_empty);
  enroll_command.add_option("URL", arguments.url, "an invocation (keygen2://?init=...&url=...) or an https init URL")
      ->required();
  add_pin_options(enroll_command, arguments);

  CLI::App& list_command = add(app, "list", "list the keys", with_store<list>);
  list_command.add_flag("--json", arguments.json, "print JSON");

  CLI::App& sessions_command = add(app, "sessions", "list the provisioning sessions", with_store<sessions>);
  sessions_command.add_flag("--json", arguments.json, "print JSON");

  CLI::App& delete_command = add(app, "delete", "delete a key", remove);
  delete_command.add_option("KEY", arguments.deletion.key, "handle or certificate fingerprint")->required();
  delete_command.add_flag("--yes", arguments.yes, "do not ask for confirmation");
  delete_command.add_option("--puk", arguments.hidden, "the PUK, for a key that demands it")
      ->type_name("PUK")
      ->allow_extra_args(false)
      ->excludes(add_pin_options(delete_command, arguments));

  CLI::App& backup_command = add(app, "backup", "write the keys that may leave into an encrypted file", backup);
  CLI::Option* const list_backup_option = add_backup_options(backup_command, arguments);
  backup_command.add_option("--puk", arguments.hidden, "the PUK, for keys that demand it; again for each further PUK")
      ->type_name("PUK")
      ->allow_extra_args(false)
      ->excludes(list_backup_option);
  backup_command
      .add_flag("--skip-protected", arguments.skip_protected, "leave the keys behind whose export takes a PIN or PUK")
      ->excludes(list_backup_option);

  CLI::App& restore_command = add(app, "restore", "bring the keys of a backup into this key store", restore);
  add_backup_options(restore_command, arguments);
  add_clock_option(restore_command, arguments);

  CLI::App* const pin_command = app.add_subcommand("pin", "work with PINs");
  pin_command->require_subcommand(1);
  CLI::App& check_command = add(*pin_command, "check", "check the PIN of a key; a wrong one costs a try", check_pin);
  check_command.add_option("KEY", arguments.pin_check.key, "handle or certificate fingerprint")->required();
  add_pin_options(check_command, arguments);
  declare_persona_commands(app, arguments, chosen);
}

std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return dialog::printable(text);
}

/// CLI11 finds a command missing before it finds that the one given is unknown.
std::string describe(const CLI::ParseError& error, const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || unknown.empty()) return error.what();
  return "unknown command or option '" + unknown.front() + "'";
}

/// Those that work with no store, or with one that they name themselves.
constexpr auto kWithoutStore =
    std::to_array<Run>({persona_list, persona_create, persona_delete, persona_export, persona_import});

bool needs_store(const Arguments& arguments, Run run) {
  return !arguments.list_only && std::ranges::find(kWithoutStore, run) == kWithoutStore.end();
}

Outcome run_chosen(Arguments& arguments, Run run, std::ostream& out) {
  auto chosen = choose_store(arguments.chosen_store, arguments.chosen_persona);
  if (chosen) {
    arguments.store = std::move(chosen->folder);
    arguments.persona = std::move(chosen->persona);
  } else if (arguments.chosen_persona || needs_store(arguments, run)) {
    return wrong_usage(chosen.error());
  }
  return run(arguments, out);
}

int run_parsed(Arguments& arguments, Run run, std::ostream& out, std::ostream& err) {
  const Outcome outcome = run_chosen(arguments, run, out);
  out.flush();
  if (!outcome) {
    err << "sks: " << one_line(outcome.error().detail) << std::endl;
    return outcome.error().exit_code;
  }
  if (out) return kExitOk;
  err << "sks: cannot write the result" << std::endl;
  return kExitRefused;
}

}  // namespace

int run_program(SecretArguments secrets, std::ostream& out, std::ostream& err) {
  try {
    CLI::App app("Key store of this device: get keys from issuers, look at them, delete them.", "sks");
    Arguments arguments;
    Run chosen = nullptr;
    app.set_version_flag("--version", "sks " SKS_VERSION);
    declare_store_options(app, arguments);
    add_file_option(app, "--passphrase-file", arguments.passphrase_file,
                    "a file with the passphrase of the key store, for nobody else to read");
    app.require_subcommand(1);
    app.fallthrough();  // --store may also stand behind the command
    declare_commands(app, arguments, chosen);
    // CLI11 takes the last argument first.
    std::vector<std::string> reversed(secrets.rest.rbegin(), secrets.rest.rend());
    arguments.secrets = std::move(secrets);
    try {
      app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error, out, err);
      err << "sks: " << one_line(describe(error, app)) << " (see 'sks --help')" << std::endl;
      return kExitUsage;
    }
    return run_parsed(arguments, chosen, out, err);
  } catch (const std::exception& error) {
    err << "sks: " << one_line(error.what()) << std::endl;
    return kExitRefused;
  }
}

}  // namespace sks::cli
