#include "key-user-api/cli/runners.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/clock_check.h"
#include "key-user-api/cli/command_secrets.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/enrolment.h"
#include "key-user-api/cli/file_secrets.h"
#include "key-user-api/cli/https_client.h"
#include "key-user-api/cli/integration.h"
#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/machine_check.h"
#include "key-user-api/cli/opened_store.h"
#include "key-user-api/cli/options.h"
#include "key-user-api/cli/program.h"
#include "key-user-api/cli/ssh_lines.h"
#include "key-user-api/cli/token_key.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/passphrase_source.h"
#include "key-user-api/persona.h"

namespace sks::cli {

Refusal refused(const Error& error) { return {kExitRefused, error.detail}; }
Refusal wrong_usage(const Error& error) { return {kExitUsage, error.detail}; }

Outcome to_outcome(const Result<void>& result) {
  if (!result) return refused(result.error());
  return {};
}

namespace {

constexpr std::string_view kPassphraseProtection = "passphrase";
constexpr std::string_view kTpmProtection = "tpm2";

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

StorePlace chosen_place(const Arguments& arguments) {
  return place_of(arguments.store, arguments.persona, !arguments.chosen_store && !arguments.chosen_persona);
}

}  // namespace

Result<OpenedStore> open_store(const Arguments& arguments) {
  SKS_TRY(find_store(arguments));
  CommandSecrets secrets(arguments.passphrase_file);
  auto store = OpenedStore::open(chosen_place(arguments), secrets);
  // Spec: keygen2.md 8.8. A failure is no reason to refuse the command: enrolments try again, and report it.
  if (store && !store->is_shared()) static_cast<void>(abort_stale_sessions(store->engine(), system_clock().now()));
  if (store) return store;
  return with_folder(std::move(store).error(), arguments.store);
}

namespace {

UserApi::PinGroupOf pin_groups_of(OpenedStore& store) {
  return [&store](KeyHandle key) { return store.pin_group(key); };
}

/// The key store for a command that begins a provisioning session, whose lifetime is counted by the clock.
Result<OpenedStore> open_store_for_session(const Arguments& arguments) {
  SKS_LET(OpenedStore store, open_store(arguments));
  if (arguments.accept_clock) return store;
  if (auto clock = check_clock(store.engine(), system_clock().now()); !clock) {
    Error error = std::move(clock).error();
    if (error.status == Status::not_allowed) error.detail += "; set the clock right, or see 'sks doctor'";
    return error;
  }
  return store;
}

}  // namespace

Result<void> resolve(std::string& key, OpenedStore& store) {
  if (key.empty()) return {};
  SKS_LET(key, resolve_key(store.engine(), pin_groups_of(store), key));
  return {};
}

Reader reader_of(const std::ostream& out) {
  return &out == &std::cout && ::isatty(STDOUT_FILENO) == 1 ? Reader::person : Reader::program;
}

Result<void> refuse_empty(const std::vector<SecureBytes>& secrets, std::string_view option) {
  if (std::ranges::none_of(secrets, &SecureBytes::empty)) return {};
  return Error{Status::option, std::string(option) + " is empty"};
}

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

namespace {

/// Who answers an issuer's questions. With --yes there is none unless a dialog was asked for.
Result<dialog::Attendant> find_attendant(const Arguments& arguments) {
  const auto row = std::ranges::find(kDialogNames, arguments.dialog, &DialogName::name);
  SKS_CHECK(row != kDialogNames.end());  // the option takes no other name
  if (arguments.yes && row->kind == dialog::DialogKind::automatic) return dialog::Attendant::none();
  return dialog::Attendant::find(row->kind, interrupted);
}

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
  SKS_TRY(to_outcome(free_from_sksd(chosen_place(arguments))));
  CommandSecrets secrets(arguments.passphrase_file, CommandSecrets::NewPassphrase::change,
                         arguments.new_passphrase_file);
  const auto done = run_reprotect({arguments.store, protection}, secrets, out);
  if (!done) return refused(with_folder(done.error(), arguments.store));
  return {};
}

Outcome anchor(Arguments& arguments, std::ostream& out) {
  SKS_LET(const sealed::AnchorChoice choice, take_anchor(arguments));
  if (const auto found = find_store(arguments); !found) return refused(found.error());
  SKS_TRY(to_outcome(free_from_sksd(chosen_place(arguments))));
  CommandSecrets secrets(arguments.passphrase_file);
  const AnchorCheck check = arguments.anchor_lost ? AnchorCheck::skipped : AnchorCheck::required;
  const auto done = run_anchor({arguments.store, choice, check}, secrets, out);
  if (!done) return refused(with_folder(done.error(), arguments.store));
  return {};
}

/// A session with the issuer that arguments.url leads to; it may have to resume one.
Outcome run_session(Arguments& arguments, const std::optional<Resumption>& resumption, std::ostream& out) {
  auto invocation = parse_invocation(arguments.url);
  if (!invocation) return wrong_usage(invocation.error());
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  WaitLine wait_line(STDOUT_FILENO);
  HttpsOptions https;
  https.ca_file = arguments.ca_file;
  if (arguments.server_farm) https.leaf_binding = LeafBinding::first_connection;
  https.wait_line = &wait_line;
  auto proxy = find_proxy(invocation->init, process_environment());
  if (!proxy) return wrong_usage(proxy.error());
  https.proxy = std::move(*proxy);
  auto client = HttpsClient::create(std::move(https));
  if (!client) return wrong_usage(client.error());
  auto store = open_store_for_session(arguments);
  if (!store) return refused(store.error());
  auto attendant = find_attendant(arguments);
  if (!attendant) return refused(attendant.error());
  using Consent = dialog::ScriptDialog::Consent;
  using Disclosure = dialog::ScriptDialog::Disclosure;
  DesktopBrowser browser;
  const InterruptGuard guard;
  return to_outcome(run_enroll({std::move(*invocation), arguments.yes ? Consent::given : Consent::ask, std::move(*pins),
                                arguments.disclose ? Disclosure::agreed : Disclosure::open,
                                arguments.open_pages ? &browser : nullptr, resumption},
                               **client, store->engine(), attendant->dialog(), system_clock(), out));
}

Outcome enroll(Arguments& arguments, std::ostream& out) { return run_session(arguments, std::nullopt, out); }

Outcome list_waiting(const Arguments& arguments, std::ostream& out) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  const auto key_count_of = [&](ProvisioningHandle session) { return store->key_count(session); };
  return to_outcome(run_resume_list(arguments.json ? Format::json : Format::text, store->engine(), key_count_of,
                                    system_clock(), out));
}

Outcome resume(Arguments& arguments, std::ostream& out) {
  if (arguments.resume.empty()) return list_waiting(arguments, out);
  Resumption resumption;
  if (arguments.resume.size() == 2) {
    const std::string& number = arguments.resume.front();
    ProvisioningHandle session;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), session.value);
    if (error != std::errc() || end != number.data() + number.size())
      return Refusal{kExitUsage, "'" + number + "' is not the number of a session; 'sks resume' lists what waits"};
    resumption.session = session;
  }
  arguments.url = arguments.resume.back();
  return run_session(arguments, resumption, out);
}

/// What a program that the desktop starts in another folder needs to find the key store that was chosen here.
Result<std::vector<std::string>> options_of_choice(const Arguments& arguments) {
  std::vector<std::string> options;
  const auto add_path = [&options](const char* option, const std::string& path) -> Result<void> {
    std::error_code failure;
    options.insert(options.end(), {option, std::filesystem::absolute(path, failure).string()});
    if (failure) return Error{Status::option, std::string(option) + ": " + failure.message()};
    return {};
  };
  if (arguments.chosen_store) SKS_TRY(add_path("--store", *arguments.chosen_store));
  if (arguments.chosen_persona) options.insert(options.end(), {"--persona", *arguments.chosen_persona});
  if (!arguments.passphrase_file.empty()) SKS_TRY(add_path("--passphrase-file", arguments.passphrase_file));
  return options;
}

Outcome integrate_desktop(Arguments& arguments, std::ostream& out) {
  auto options = options_of_choice(arguments);
  if (!options) return wrong_usage(options.error());
  arguments.integrate_desktop.start_options = std::move(*options);
  return to_outcome(run_integrate_desktop(arguments.integrate_desktop, out));
}

Outcome integrate(Arguments& arguments, std::ostream& out) {
  arguments.integrate.name = arguments.command;
  return to_outcome(run_integrate(arguments.integrate, format_of(arguments), out));
}

Outcome check_integrations(Arguments& arguments, std::ostream& out) {
  if (!arguments.integrate.check) return Refusal{kExitUsage, "'sks integrate' needs an application, or --check"};
  return to_outcome(run_integrate(arguments.integrate, format_of(arguments), out));
}

Outcome remove(Arguments& arguments, std::ostream& out) {
  auto passwords = take_pins(arguments);
  if (!passwords) return wrong_usage(passwords.error());
  if (const auto puks = refuse_empty(arguments.secrets.puks, "--puk"); !puks) return wrong_usage(puks.error());
  arguments.deletion.passwords = std::move(*passwords);
  std::ranges::move(arguments.secrets.puks, std::back_inserter(arguments.deletion.passwords));
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  if (const auto resolved = resolve(arguments.deletion.key, *store); !resolved) return refused(resolved.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;  // Ctrl-C at the prompt must not leave the terminal without echo
  arguments.deletion.confirmed = arguments.yes;
  arguments.deletion.format = format_of(arguments);
  return to_outcome(run_delete(std::move(arguments.deletion), store->engine(), pointer_to(terminal), out));
}

Outcome check_pin(Arguments& arguments, std::ostream& out) {
  auto pins = take_pins(arguments);
  if (!pins) return wrong_usage(pins.error());
  arguments.pin_check.pins = std::move(*pins);
  arguments.pin_check.format = format_of(arguments);
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  if (const auto resolved = resolve(arguments.pin_check.key, *store); !resolved) return refused(resolved.error());
  std::optional<dialog::Terminal> terminal = find_terminal();
  const InterruptGuard guard;
  return to_outcome(run_pin_check(std::move(arguments.pin_check), store->engine(), pointer_to(terminal), out));
}

Outcome doctor(Arguments& arguments, std::ostream& out) {
  CommandSecrets secrets(arguments.passphrase_file);
  const Format format = arguments.json ? Format::json : Format::text;
  const InterruptGuard guard;  // the copy that it looks at must not stay behind
  return to_outcome(run_doctor(format, arguments.store, secrets, system_clock(),
                               check_machine(chosen_place(arguments), process_environment()), out));
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
  return to_outcome(
      run_backup({arguments.backup_file, arguments.skip_protected ? ProtectedKeys::skip : ProtectedKeys::take,
                  std::move(*pins), std::move(arguments.secrets.puks)},
                 store->engine(), pin_groups_of(*store), secrets, pointer_to(terminal), system_clock(), out));
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

}  // namespace

Format format_of(const Arguments& arguments) { return arguments.json ? Format::json : Format::text; }

namespace {

/// Who is there to ask for a PIN that the options leave open.
struct FoundAskers {
  dialog::Attendant attendant;
  std::optional<dialog::Terminal> terminal;

  PinAskers get() { return {attendant.dialog(), pointer_to(terminal)}; }
};
Result<FoundAskers> find_askers(const PinOptions& pin) {
  if (pin.none || !pin.pins.empty()) return FoundAskers{dialog::Attendant::none(), std::nullopt};
  SKS_LET(dialog::Attendant attendant, dialog::Attendant::find(dialog::DialogKind::automatic, interrupted));
  return FoundAskers{std::move(attendant), find_terminal()};
}

Result<PinOptions> take_new_key_pin(Arguments& arguments) {
  PinOptions pin = std::move(arguments.new_key_pin);
  SKS_LET(pin.pins, take_pins(arguments));
  return pin;
}

/// `run` takes the PIN of the new keys, the store and whom to ask for the PIN.
template <class Run>
Outcome make_keys(Arguments& arguments, Run&& run) {
  auto pin = take_new_key_pin(arguments);
  if (!pin) return wrong_usage(pin.error());
  auto store = open_store_for_session(arguments);
  if (!store) return refused(store.error());
  if (const auto resolved = resolve(pin->shared_with, *store); !resolved) return refused(resolved.error());
  auto askers = find_askers(*pin);
  if (!askers) return refused(askers.error());
  const InterruptGuard guard;
  return to_outcome(run(std::move(*pin), *store, askers->get()));
}

Outcome import_keys(Arguments& arguments, std::ostream& out) {
  return make_keys(arguments, [&](PinOptions pin, OpenedStore& store, const PinAskers& askers) {
    arguments.key_import.pin = std::move(pin);
    FileSecrets secrets(arguments.import_passphrase_file, "--import-passphrase-file", "");
    return run_import(std::move(arguments.key_import), format_of(arguments), store.engine(), secrets, askers,
                      system_clock(), out);
  });
}

Outcome create_key(Arguments& arguments, std::ostream& out) {
  return make_keys(arguments, [&](PinOptions pin, OpenedStore& store, const PinAskers& askers) {
    arguments.key_create.pin = std::move(pin);
    return run_key_create(std::move(arguments.key_create), format_of(arguments), store.engine(), askers, system_clock(),
                          out);
  });
}

/// Where the sksd of the chosen store is: SKS_SOCKET counts as long as no option chooses a store.
Result<SocketPlace> find_socket_place(const Arguments& arguments) {
  SocketPlaceOrProblem found = arguments.chosen_store     ? socket_of_store(*arguments.chosen_store)
                               : arguments.chosen_persona ? socket_of_persona(*arguments.chosen_persona)
                                                          : socket_of_environment();
  if (!found.place) return Error{Status::not_available, found.problem};
  return std::move(*found.place);
}

Outcome agent(Arguments& arguments, std::ostream& out) {
  const auto place = find_socket_place(arguments);
  if (!place) return refused(place.error());
  arguments.agent.passphrase_file = arguments.passphrase_file;
  return to_outcome(run_agent(*place, arguments.agent, out));
}

/// The commands that only look at an opened key store.
template <auto Run>
Outcome with_store(Arguments& arguments, std::ostream& out) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  return to_outcome(Run(arguments, store->engine(), out));
}

Result<void> device(const Arguments& arguments, SecureKeyStore& store, std::ostream& out) {
  DeviceOptions options = arguments.device;
  options.format = format_of(arguments);
  return run_device(options, store, out);
}
Outcome list(Arguments& arguments, std::ostream& out) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  const Format format = format_of(arguments);
  if (arguments.ssh) return to_outcome(run_list_ssh(store->engine(), out));
  if (arguments.list_uris) return to_outcome(run_list_uris(format, store->engine(), pin_groups_of(*store), out));
  return to_outcome(run_list(format, store->engine(), out));
}
Outcome show(Arguments& arguments, std::ostream& out) {
  auto store = open_store(arguments);
  if (!store) return refused(store.error());
  ShowOptions& options = arguments.show;
  if (const auto resolved = resolve(options.key, *store); !resolved) return refused(resolved.error());
  if (arguments.ssh) return to_outcome(run_show_ssh(options.key, store->engine(), out));
  options.reader = reader_of(out);
  return to_outcome(run_show(options, format_of(arguments), store->engine(), out));
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

Outcome free_persona_from_sksd(const std::string& name) {
  const auto folder = persona_folder(name);
  if (!folder) return wrong_usage(folder.error());
  return to_outcome(free_from_sksd(place_of(*folder, name, false)));
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
  SKS_TRY(free_persona_from_sksd(arguments.persona_deletion.name));
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
  SKS_TRY(free_persona_from_sksd(arguments.persona_export.name));
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

constexpr auto kGroups = std::to_array<Group>({
    {"key", "make keys of one's own"},
    {"pin", "work with PINs"},
    {"persona", "work with the key stores of one's personas"},
    {"integrate", "make other programs of this user know sks", check_integrations, add_integrate_check_options},
    {"completion", "help shells with the commands of sks"},
});

constexpr auto kCommands = std::to_array<Command>({
    {"", "init", "make a key store with a device identity of its own", Store::chosen, init, add_init_options},
    {"", "reprotect", "change how the key store is protected, or its passphrase", Store::chosen, reprotect,
     add_reprotect_options},
    {"", "anchor", "let something outside of the key store notice when it is put back to an earlier state",
     Store::chosen, anchor, add_anchor_options},
    {"", "doctor", "tell what state the key store is in and what can be done; change nothing", Store::chosen, doctor,
     add_json_option},
    {"", "device", "show the fingerprint of the device certificate", Store::chosen, with_store<device>,
     add_device_options},
    {"", "enroll", "get keys and certificates from an issuer", Store::chosen, enroll, add_enroll_options},
    {"", "resume", "list what waits for an issuer, or go on with it", Store::chosen, resume, add_resume_options},
    {"", "list", "list the keys", Store::chosen, list, add_list_options},
    {"", "show", "show everything about a key, or what one of its extensions holds", Store::chosen, show,
     add_show_options},
    {"", "sign", "sign with a key", Store::chosen, sign, add_sign_options},
    {"", "verify", "verify a signature of a key", Store::chosen, verify, add_verify_options},
    {"", "encrypt", "encrypt for a key", Store::chosen, encrypt, add_encryption_options},
    {"", "decrypt", "decrypt with a key", Store::chosen, decrypt, add_encryption_options},
    {"", "export", "write the certificates of a key, or the key if it may leave", Store::chosen, export_key,
     add_export_options},
    {"", "suspend", "let nobody use a key until it is resumed", Store::chosen, suspend, add_suspend_options},
    {"", "resume-key", "let a key be used again that was suspended", Store::chosen, resume_key, add_resume_key_options},
    {"", "sessions", "list the provisioning sessions", Store::chosen, with_store<sessions>, add_json_option},
    {"", "delete", "delete a key", Store::chosen, remove, add_delete_options},
    {"", "backup", "write the keys that may leave into an encrypted file", Store::chosen, backup, add_backup_options},
    {"", "restore", "bring the keys of a backup into this key store", Store::chosen, restore, add_restore_options},
    {"", "import", "bring the keys of a file into this key store, or certificates for keys that are in it",
     Store::chosen, import_keys, add_import_options},
    {"", "agent", "tell a shell or a command of the SSH agent of the key store, and start it", Store::chosen, agent,
     [](CLI::App& command, Arguments& arguments) { add_agent_options(command, arguments.agent); }},
    {"key", "create", "make a key in this key store", Store::chosen, create_key, add_key_create_options},
    {"integrate", "desktop", "open the links of invitations (keygen2://) with sks", Store::none, integrate_desktop,
     add_integrate_desktop_options},
    {"pin", "check", "check the PIN of a key; a wrong one costs a try", Store::chosen, check_pin,
     add_pin_check_options},
    {"pin", "change", "change the PIN of a key", Store::chosen, change_pin, add_pin_change_options},
    {"pin", "unblock", "let a blocked PIN be used again, by its PUK", Store::chosen, unblock_pin,
     add_pin_unblock_options},
    {"completion", "bash", "print what lets bash complete the commands of sks", Store::none, complete_bash,
     add_no_options},
    {"persona", "list", "list the personas", Store::none, persona_list, add_json_option},
    {"persona", "create", "make the key store of a new persona", Store::none, persona_create,
     add_persona_create_options},
    {"persona", "delete", "destroy the whole key store of a persona, with all its keys", Store::none, persona_delete,
     add_persona_delete_options},
    {"persona", "export", "move a persona into a file", Store::none, persona_export, add_persona_export_options},
    {"persona", "import", "move a persona out of a file", Store::none, persona_import, add_persona_import_options},
});

}  // namespace

std::span<const Command> all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> rows(kCommands.begin(), kCommands.end());
    for (const Integration& row : all_integrations())
      rows.push_back({"integrate", row.name, row.description, Store::none, integrate, add_integrate_options});
    return rows;
  }();
  return commands;
}

std::span<const Group> command_groups() { return kGroups; }

}  // namespace sks::cli
