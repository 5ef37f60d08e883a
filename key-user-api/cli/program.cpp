#include "key-user-api/cli/program.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "key-user-api/cli/backup_secrets.h"
#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/command_secrets.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/enrolment.h"
#include "key-user-api/cli/https_client.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/local_store.h"

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

/// Values that the options of all commands are read into.
struct Arguments {
  std::string store = default_store_folder();
  std::string passphrase_file;
  std::string new_passphrase_file;
  std::string protection = std::string(sealed::key_file_provider().name);
  InitOptions init;
  DeviceOptions device;
  DeleteOptions deletion;
  PinCheckOptions pin_check;
  std::string backup_file;
  std::string backup_passphrase_file;
  bool skip_protected = false;
  bool list_only = false;
  std::string url;
  std::string ca_file;
  std::string pin_file;
  bool yes = false;
  bool json = false;
  std::vector<std::string> hidden;  ///< what stands in the place of secrets
  SecretArguments secrets;
};

Result<void> find_store(const std::string& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) == 0 || errno != ENOENT) return {};
  return Error{Status::not_available, "no key store in " + folder + "; make one with 'sks init'"};
}

Error with_folder(Error error, const std::string& folder) {
  if (error.detail.find(folder) == std::string::npos) error.detail = folder + ": " + error.detail;
  return error;
}

Result<LocalStore> open_store(const Arguments& arguments) {
  SKS_TRY(find_store(arguments.store));
  CommandSecrets secrets(arguments.passphrase_file);
  auto store = LocalStore::open(arguments.store, secrets);
  // Spec: keygen2.md 8.8. A failure is no reason to refuse the command: enrolments try again, and report it.
  if (store) static_cast<void>(abort_stale_sessions(store->engine(), system_clock().now()));
  if (store) return store;
  return with_folder(std::move(store).error(), arguments.store);
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

Outcome init(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_protection(arguments, arguments.passphrase_file, "--passphrase-file"));
  arguments.init.store = arguments.store;
  arguments.init.protection = sealed::find_provider(arguments.protection);
  CommandSecrets secrets(arguments.passphrase_file);
  return to_outcome(run_init(arguments.init, secrets, out));
}

Outcome reprotect(Arguments& arguments, std::ostream& out) {
  SKS_TRY(check_protection(arguments, arguments.new_passphrase_file, "--new-passphrase-file"));
  if (const auto found = find_store(arguments.store); !found) return refused(found.error());
  CommandSecrets secrets(arguments.passphrase_file, CommandSecrets::NewPassphrase::change,
                         arguments.new_passphrase_file);
  const auto done = run_reprotect({arguments.store, sealed::find_provider(arguments.protection)}, secrets, out);
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
  auto store = open_store(arguments);
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

Outcome list_backup(const Arguments& arguments, std::ostream& out) {
  BackupSecrets secrets(arguments.backup_passphrase_file);
  const auto backup = read_backup(arguments.backup_file, secrets);
  if (!backup) return refused(backup.error());
  return to_outcome(show_backup(*backup, out));
}

Outcome backup(Arguments& arguments, std::ostream& out) {
  if (arguments.list_only) return list_backup(arguments, out);
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  if (const auto puks = refuse_empty(arguments.secrets.puks, "--puk"); !puks) return wrong_usage(puks.error());
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  BackupSecrets secrets(arguments.backup_passphrase_file);
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
  if (const auto found = find_store(arguments.store); !found) return refused(found.error());
  BackupSecrets secrets(arguments.backup_passphrase_file);
  auto backup = read_backup(arguments.backup_file, secrets);
  if (!backup) return refused(backup.error());
  auto store = open_store(arguments);
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

CLI::Option* add_protect_option(CLI::App& command, Arguments& arguments) {
  std::vector<std::string> names;
  for (const sealed::MasterKeyProvider& provider : sealed::master_key_providers()) names.emplace_back(provider.name);
  return command.add_option("--protect", arguments.protection, "what guards the key that the key store is sealed with")
      ->type_name("HOW")
      ->check(CLI::IsMember(names));
}

void add_backup_options(CLI::App& command, Arguments& arguments) {
  command.add_option("FILE", arguments.backup_file, "the backup")->required()->check(check_not_empty);
  add_file_option(command, "--backup-passphrase-file", arguments.backup_passphrase_file,
                  "a file with the passphrase of the backup, for nobody else to read");
  command.add_flag("--list", arguments.list_only, "only show what the file holds, without secrets");
}

/// Declares every command; the one that is given stores itself in `chosen`.
void declare_commands(CLI::App& app, Arguments& arguments, Run& chosen) {
  const auto add = [&](CLI::App& parent, const char* name, const char* description, Run run) -> CLI::App& {
    CLI::App* const command = parent.add_subcommand(name, description);
    command->callback([&chosen, run] { chosen = run; });
    return *command;
  };

  CLI::App& init_command = add(app, "init", "make a key store with a device identity of its own", init);
  init_command.add_option("--name", arguments.init.name, "name of the device (default: the name of this host)")
      ->type_name("DEVICE")
      ->check(check_not_empty);
  init_command.add_option("--certificate-file", arguments.init.certificate_file, "write the device certificate there")
      ->type_name("PEM")
      ->check(check_not_empty);

  add_protect_option(init_command, arguments)->capture_default_str();

  CLI::App& reprotect_command =
      add(app, "reprotect", "change how the key store is protected, or its passphrase", reprotect);
  add_protect_option(reprotect_command, arguments)->required();
  add_file_option(reprotect_command, "--new-passphrase-file", arguments.new_passphrase_file,
                  "a file with the new passphrase");

  CLI::App& device_command = add(app, "device", "show the fingerprint of the device certificate", with_store<device>);
  device_command.add_flag("--pem", arguments.device.pem, "print the certificate itself");

  CLI::App& enroll_command = add(app, "enroll", "get keys and certificates from an issuer", enroll);
  enroll_command.add_flag("--yes", arguments.yes, "consent without being asked");
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
  add_backup_options(backup_command, arguments);
  add_pin_options(backup_command, arguments);
  backup_command.add_option("--puk", arguments.hidden, "the PUK, for keys that demand it; again for each further PUK")
      ->type_name("PUK")
      ->allow_extra_args(false);
  backup_command.add_flag("--skip-protected", arguments.skip_protected,
                          "leave the keys behind whose export takes a PIN or PUK");

  CLI::App& restore_command = add(app, "restore", "bring the keys of a backup into this key store", restore);
  add_backup_options(restore_command, arguments);
  add_pin_options(restore_command, arguments);

  CLI::App* const pin_command = app.add_subcommand("pin", "work with PINs");
  pin_command->require_subcommand(1);
  CLI::App& check_command = add(*pin_command, "check", "check the PIN of a key; a wrong one costs a try", check_pin);
  check_command.add_option("KEY", arguments.pin_check.key, "handle or certificate fingerprint")->required();
  add_pin_options(check_command, arguments);
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

int run_parsed(Arguments& arguments, Run run, std::ostream& out, std::ostream& err) {
  const Outcome outcome = run(arguments, out);
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
    app.add_option("--store", arguments.store, "folder of the key store")
        ->type_name("DIR")
        ->check(check_not_empty)
        ->capture_default_str();
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
