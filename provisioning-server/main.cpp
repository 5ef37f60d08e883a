#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>

#include "provisioning-server/access/account_command.h"
#include "provisioning-server/audit/audit_command.h"
#include "provisioning-server/certificate_commands.h"
#include "provisioning-server/init.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/life_cycle/key_generations.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/management_ticket.h"
#include "provisioning-server/life_cycle/puk_desk.h"
#include "provisioning-server/operations/backup.h"
#include "provisioning-server/operations/check_issuer.h"
#include "provisioning-server/revocation_commands.h"
#include "provisioning-server/serve.h"
#include "provisioning-server/tickets/ticket_office.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr const char* kOperator = "operator";

struct Arguments {
  std::string folder;
  std::string url;
  std::string device_trust = "registered";
  std::string listen;
  std::string database;
  std::string profile;
  std::string subject;
  std::string data;
  std::string fingerprint;
  std::string certificate;
  std::string reason;
  std::string what;
  std::string file;
  std::string passphrase_file;
  std::string action;
  std::string device;
  bool new_key = false;
  bool again = false;
  AuditArguments audit;
  AccountArguments account;
  bool json = false;
};

Result<void> init(const Arguments& arguments) {
  SKS_LET(MainUrl url, MainUrl::parse(arguments.url));
  InitRequest request{arguments.folder, std::move(url), DeviceTrustMode::registered, {}, arguments.database};
  constexpr std::string_view kByCa = "ca:";
  if (arguments.device_trust.starts_with(kByCa)) {
    request.device_trust = DeviceTrustMode::ca;
    request.device_ca_file = arguments.device_trust.substr(kByCa.size());
    if (request.device_ca_file.empty())
      return Error{Status::option, "--device-trust ca: needs the name of a PEM file behind the colon"};
  } else {
    const auto mode = find_device_trust(arguments.device_trust);
    if (!mode || *mode == DeviceTrustMode::ca)
      return Error{Status::option, "--device-trust is open, registered or ca:FILE"};
    request.device_trust = *mode;
  }
  SKS_TRY(init_issuer(request, system_clock(), system_random()));
  const IssuerPaths paths(arguments.folder);
  std::cout << "issuer " << request.url.text() << " created in " << paths.folder << "; clients trust "
            << paths.trust_anchors << '\n';
  if (request.device_trust == DeviceTrustMode::open)
    std::cout << "device trust is open: any program may claim to be a device, so nothing proves where keys live\n";
  return {};
}

Result<void> serve(const Arguments& arguments) { return serve_issuer(arguments.folder, arguments.listen); }
Result<void> check(const Arguments& arguments) { return check_issuer(arguments.folder, std::cout); }

/// The first line of a file that only its owner may read.
Result<SecureBytes> read_passphrase(const std::string& file) {
  SKS_LET(const SecureBytes content, read_secret_file(file));
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  const ByteView line = content.view().first(std::min(text.find('\n'), text.size()));
  if (line.empty()) return Error{Status::option, file + " holds no passphrase in its first line"};
  return SecureBytes::copy_of(line);
}

void print_note(const BackupNote& note) {
  if (!note.sentence.empty()) std::cout << "note: " << note.sentence << '\n';
}

Result<void> backup(const Arguments& arguments) {
  SKS_LET(const SecureBytes passphrase, read_passphrase(arguments.passphrase_file));
  SKS_LET(const BackupNote note, write_backup(arguments.folder, arguments.file, passphrase, system_random()));
  std::cout << arguments.file << " holds the issuer in " << arguments.folder << '\n';
  print_note(note);
  return {};
}

Result<void> restore(const Arguments& arguments) {
  SKS_LET(const SecureBytes passphrase, read_passphrase(arguments.passphrase_file));
  SKS_LET(const BackupNote note, restore_backup(arguments.file, arguments.folder, passphrase));
  std::cout << "issuer restored in " << arguments.folder << '\n';
  print_note(note);
  return {};
}

/// JSON, or the name of a file that holds it.
Result<std::string> read_ticket_data(const std::string& given) {
  if (given.empty() || given.starts_with('{')) return given;
  SKS_LET(std::string content, read_file(given));
  // Without this it would be a ticket without data.
  if (content.empty()) return Error{Status::option, given + " holds no data: it must be a JSON object"};
  return content;
}

Result<void> print_ticket(const IssuedTicket& made, bool as_json) {
  if (as_json) {
    std::cout << nlohmann::ordered_json{{"init", made.links.init},
                                        {"url", made.links.url},
                                        {"invocation", made.links.keygen2},
                                        {"link", made.links.link}}
                     .dump()
              << '\n';
  } else {
    std::cout << made.links.keygen2 << '\n';
  }
  if (!std::cout.flush())
    return Error{Status::internal,
                 "the ticket was made but could not be printed, so it is of no use: make another one"};
  return {};
}

Result<void> ticket(const Arguments& arguments) {
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  if (const auto subject = crypto::parse_dn(arguments.subject); !arguments.subject.empty() && !subject)
    return Error{subject.error().status, "--subject: " + subject.error().detail};
  TicketOffice office(issuer->ticket_office_ports());
  TicketRequest request{arguments.profile, arguments.subject};
  SKS_LET(request.data, read_ticket_data(arguments.data));
  SKS_LET(const IssuedTicket made, office.make_ticket(request, Caller::command_line()));
  return print_ticket(made, arguments.json);
}

/// As the records have it, in whatever way it was written.
Result<std::string> hex_fingerprint(const std::string& text) {
  if (text.empty()) return text;
  SKS_LET(const crypto::Sha256Digest digest, parse_fingerprint(text));
  return to_hex(digest);
}

Result<void> manage(const Arguments& arguments) {
  ManagementRequest request;
  const auto kind = find_action(arguments.action);
  if (!kind) return Error{Status::option, "--action is one of " + action_words()};
  request.kind = *kind;
  SKS_LET(request.fingerprint, hex_fingerprint(arguments.fingerprint));
  SKS_LET(request.device, hex_fingerprint(arguments.device));
  request.subject = arguments.subject;
  request.profile = arguments.profile;
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  TicketOffice office(issuer->ticket_office_ports());
  SKS_LET(const IssuedTicket made,
          make_management_ticket(issuer->repository(), issuer->profiles(), office, request, Caller::command_line()));
  return print_ticket(made, arguments.json);
}

Result<void> kmk(const Arguments& arguments) {
  if (arguments.what != "roll-over")
    return Error{Status::option, "what to do with the key management key is roll-over"};
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  SKS_LET(const std::int64_t generation, make_next_generation(issuer->paths(), issuer->file_seal()));
  SKS_LET(const KeyManager keys, read_key_generations(issuer->paths(), issuer->file_seal()));
  SKS_TRY(note_key_generations(issuer->database(), issuer->audit(), keys, kOperator, system_clock().now()));
  std::cout << key_generation_file(issuer->paths(), generation) << " is key management key " << generation
            << "; a running server takes it up within a minute, or when it is reloaded\n";
  return {};
}

Result<crypto::Sha256Digest> fingerprint_of(const Arguments& arguments) {
  if (arguments.certificate.empty()) return parse_fingerprint(arguments.fingerprint);
  SKS_LET(const std::string pem, read_file(arguments.certificate));
  SKS_LET(const std::vector<Bytes> blocks, from_pem(pem, "CERTIFICATE"));
  if (blocks.empty()) return Error{Status::option, arguments.certificate + " holds no certificate in PEM form"};
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(blocks.front()));
  return certificate.fingerprint();
}

Result<void> register_device(const Arguments& arguments) {
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  SKS_LET(const crypto::Sha256Digest fingerprint, fingerprint_of(arguments));
  const std::string text = to_hex(fingerprint);
  // On record before it counts.
  SKS_TRY(
      issuer->repository().add_audit({system_clock().now(), kOperator, "register", "", "", "ok", "device " + text}));
  SKS_LET(const bool added, DeviceRegistry::add_fingerprint(issuer->paths().registered_devices, fingerprint));
  std::cout << "device " << text << (added ? " registered\n" : " was registered before\n");
  if (issuer->config().device_trust != DeviceTrustMode::registered)
    std::cout << "note: device_trust is \"" << device_trust_name(issuer->config().device_trust)
              << "\", so registered devices play no part\n";
  return {};
}

Result<void> revoke(const Arguments& arguments) {
  SKS_LET(const crypto::Sha256Digest fingerprint, fingerprint_of(arguments));
  return revoke_credential(arguments.folder, fingerprint, arguments.reason);
}

Result<void> suspend(const Arguments& arguments) {
  SKS_LET(const crypto::Sha256Digest fingerprint, fingerprint_of(arguments));
  return suspend_credential(arguments.folder, fingerprint);
}

Result<void> resume(const Arguments& arguments) {
  SKS_LET(const crypto::Sha256Digest fingerprint, fingerprint_of(arguments));
  return resume_credential(arguments.folder, fingerprint);
}

/// As the REST API puts it on record: a failure of the database or the KEK is no decision.
bool is_refusal(const Error& error) {
  return error.status == Status::not_allowed || error.status == Status::not_available;
}

Result<void> puk(const Arguments& arguments) {
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  SKS_LET(const crypto::Sha256Digest fingerprint, fingerprint_of(arguments));
  const PukShowing showing = arguments.again ? PukShowing::again : PukShowing::once;
  AuditEntry entry{system_clock().now(), kOperator, arguments.again ? "puk-again" : "puk", "", "", "ok", ""};
  Result<SecureBytes> shown =
      show_puk(issuer->database(), issuer->audit(), issuer->seal(), to_hex(fingerprint), showing, entry);
  if (!shown && is_refusal(shown.error())) {
    entry.result = "refused";
    entry.detail = "credential " + to_hex(fingerprint) + ": " + shown.error().detail;
    SKS_TRY(issuer->repository().add_audit(entry));
  }
  if (!shown && shown.error().status == Status::not_allowed)
    return Error{shown.error().status, shown.error().detail + "; --again shows it all the same, on record"};
  SKS_LET(const SecureBytes value, std::move(shown));
  std::cout.write(reinterpret_cast<const char*>(value.data()), static_cast<std::streamsize>(value.size())) << '\n';
  return {};
}

Result<void> renew(const Arguments& arguments) {
  return renew_certificate(arguments.folder, arguments.what, arguments.new_key);
}
Result<void> seal(const Arguments& arguments) { return seal_keys(arguments.folder); }
Result<void> audit(const Arguments& arguments) {
  AuditArguments what = arguments.audit;
  what.folder = arguments.folder;
  what.json = arguments.json;
  return run_audit_command(what, std::cout);
}

Result<void> account(const Arguments& arguments) {
  AccountArguments what = arguments.account;
  what.action = arguments.what;
  what.folder = arguments.folder;
  what.certificate = arguments.certificate;
  what.fingerprint = arguments.fingerprint;
  return run_account_command(what, std::cout);
}

struct Command {
  const char* name;
  const char* help;
  Result<void> (*run)(const Arguments&);
  std::vector<const char*> required;
  std::vector<const char*> optional;
  std::size_t certificates_at_least = 1;  ///< where the command takes one: by file or by fingerprint
};

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands{
      {"init", "Make a new issuer in a folder", init, {"--dir", "--url"}, {"--device-trust", "--database"}},
      {"serve", "Serve an issuer over HTTPS until SIGTERM or SIGINT", serve, {"--dir"}, {"--listen"}},
      {"check", "Say whether serve would start, and what would stand in its way", check, {"--dir"}, {}},
      {"ticket",
       "Make a one-time link for one enrolment",
       ticket,
       {"--dir", "--profile"},
       {"--subject", "--data", "--json"}},
      {"register", "Accept a device", register_device, {"--dir"}, {"--fingerprint", "--certificate"}},
      {"revoke", "Withdraw an issued credential", revoke, {"--dir"}, {"--fingerprint", "--certificate", "--reason"}},
      {"suspend",
       "Withdraw an issued credential for the time being",
       suspend,
       {"--dir"},
       {"--fingerprint", "--certificate"}},
      {"resume", "Put a suspended credential in force again", resume, {"--dir"}, {"--fingerprint", "--certificate"}},
      {"renew", "Replace a certificate of the issuer itself", renew, {"--dir", "what"}, {"--new-key"}},
      {"seal", "Seal the keys of the issuer that lie there in plain form", seal, {"--dir"}, {}},
      {"backup",
       "Save an issuer, also a running one, in an encrypted file",
       backup,
       {"--dir", "file", "--passphrase-file"},
       {}},
      {"restore", "Make the folder of an issuer out of a backup", restore, {"--dir", "file", "--passphrase-file"}, {}},
      {"puk",
       "Show the PUK that belongs to an issued credential, once",
       puk,
       {"--dir"},
       {"--fingerprint", "--certificate", "--again"}},
      {"manage",
       "Make a one-time link for an operation on keys that a device has",
       manage,
       {"--dir", "--action"},
       {"--fingerprint", "--device", "--subject", "--profile", "--json"}},
      {"kmk", "Make the next key management key", kmk, {"--dir", "what"}, {}},
      {"audit",
       "Verify or export the audit log",
       audit,
       {"action"},
       {"--dir", "--file", "--key", "--checkpoints", "--from", "--to", "--json"}},
      {"account",
       "Say who may administer the issuer: add, list, certificate, disable, enable, remove",
       account,
       {"what", "--dir"},
       {"--name", "--roles", "--certificate", "--fingerprint", "--days", "--token"},
       0},
  };
  return kCommands;
}

/// An empty value is an unset variable of a script.
std::string check_not_empty(const std::string& value) { return value.empty() ? "the value is empty" : ""; }

struct AuditText {
  std::string_view name;
  std::string AuditArguments::*value;
  const char* help;
};
constexpr auto kAuditTexts = std::to_array<AuditText>({
    {"action", &AuditArguments::action, "verify or export"},
    {"--file", &AuditArguments::file, "verify: an export in JSON lines instead of the database"},
    {"--key", &AuditArguments::key, "verify: PEM file of the public keys; audit.pem in the folder if not given"},
    {"--checkpoints", &AuditArguments::checkpoints, "verify: JSON lines with checkpoints that were kept elsewhere"},
    {"--from", &AuditArguments::from, "export: from this day or time on, such as 2026-01-31 or 2026-01-31T12:00:00Z"},
    {"--to", &AuditArguments::to, "export: before this day or time"},
});

struct AccountText {
  std::string_view name;
  std::string AccountArguments::*value;
  const char* help;
};
constexpr auto kAccountTexts = std::to_array<AccountText>({
    {"--name", &AccountArguments::name, "Name of the account"},
    {"--roles", &AccountArguments::roles, "add: operator, officer, auditor, helpdesk, or several with commas between"},
    {"--days", &AccountArguments::days, "add, certificate: how long the account counts; add: 365 if not given"},
});

void add_option(CLI::App& app, Arguments& arguments, std::string_view name, bool required) {
  struct Text {
    std::string_view name;
    std::string Arguments::*value;
    const char* help;
  };
  static constexpr auto kTexts = std::to_array<Text>({
      {"--dir", &Arguments::folder, "Folder of the issuer"},
      {"--url", &Arguments::url, "Main URL, such as https://localhost:8443/keygen2"},
      {"--device-trust", &Arguments::device_trust, "open, registered (default) or ca:FILE"},
      {"--database", &Arguments::database, "postgresql://USER@HOST:PORT/NAME instead of an SQLite file in the folder"},
      {"--listen", &Arguments::listen, "HOST, HOST:PORT or [IPV6]:PORT instead of loopback or [server] listen"},
      {"--profile", &Arguments::profile, "Name of a profile: default, pair, ..."},
      {"--subject", &Arguments::subject, "Subject of the certificates, such as \"CN=Jo Doe,O=Example\""},
      {"--data", &Arguments::data, "What is known of the subject: a JSON object, or a file that holds one"},
      {"--fingerprint", &Arguments::fingerprint, "SHA-256 of a certificate in hexadecimal"},
      {"--certificate", &Arguments::certificate, "PEM file of a certificate"},
      {"--reason", &Arguments::reason, "keyCompromise, superseded, ... as RFC 5280 spells them"},
      {"--passphrase-file", &Arguments::passphrase_file, "File whose first line is the passphrase of the backup"},
      {"file", &Arguments::file, "The backup"},
      {"what", &Arguments::what, "What to do, or what to do it with"},
      {"--action", &Arguments::action, "unlock, update, clone, delete, suspend or resume"},
      {"--device", &Arguments::device, "SHA-256 of the certificate of a device: all keys of the subject on it"},
  });
  if (name == "--json") {
    app.add_flag("--json", arguments.json, "Print JSON");
    return;
  }
  if (name == "--token") {
    app.add_flag("--token", arguments.account.token, "add: make a token, which is shown once");
    return;
  }
  if (name == "--again") {
    app.add_flag("--again", arguments.again, "Also when it was shown before");
    return;
  }
  if (name == "--new-key") {
    app.add_flag("--new-key", arguments.new_key, "With another key instead of the same one");
    return;
  }
  for (const Text& text : kTexts)
    if (text.name == name)
      app.add_option(std::string(name), arguments.*text.value, text.help)->required(required)->check(check_not_empty);
  for (const AccountText& text : kAccountTexts)
    if (text.name == name)
      app.add_option(std::string(name), arguments.account.*text.value, text.help)
          ->required(required)
          ->check(check_not_empty);
  for (const AuditText& text : kAuditTexts)
    if (text.name == name)
      app.add_option(std::string(name), arguments.audit.*text.value, text.help)
          ->required(required)
          ->check(check_not_empty);
}

void declare_commands(CLI::App& app, Arguments& arguments) {
  for (const Command& command : commands()) {
    CLI::App* const sub = app.add_subcommand(command.name, command.help);
    for (const char* const name : command.required) add_option(*sub, arguments, name, true);
    for (const char* const name : command.optional) add_option(*sub, arguments, name, false);
    // A certificate is named in exactly one of two ways.
    if (CLI::Option* const file = sub->get_option_no_throw("--certificate")) {
      CLI::Option_group* const group = sub->add_option_group("certificate");
      group->add_options(sub->get_option("--fingerprint"), file);
      group->require_option(command.certificates_at_least, 1);
    }
  }
}

/// What a user has typed may hold line ends, and worse for a terminal.
int fail(int exit_code, std::string sentence) {
  for (char& c : sentence)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  std::cerr << "sks-issuer: " << sentence << '\n';
  return exit_code;
}

/// CLI11 finds a command or an option missing before it finds that the one given is unknown.
std::string describe(const CLI::ParseError& error, const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || unknown.empty()) return error.what();
  return "unknown command or option '" + unknown.front() + "'";
}

/// CLI11 takes the next argument for the value of "--name=".
const char* find_empty_value(int argc, char** argv) {
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  for (const std::string_view argument : arguments)
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) return argument.data();
  return nullptr;
}

int run(int argc, char** argv) {
  if (const char* const empty = find_empty_value(argc, argv))
    return fail(kUsage, std::string(empty) + " has no value behind it (--help shows the usage)");
  CLI::App app("Issuer of keys and certificates over KeyGen2", "sks-issuer");
  app.set_version_flag("--version", "sks-issuer " SKS_VERSION);
  app.require_subcommand(1);
  Arguments arguments;
  declare_commands(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(kUsage, describe(error, app) + " (--help shows the usage)");
  }
  for (const Command& command : commands()) {
    if (!app.got_subcommand(command.name)) continue;
    const Result<void> done = command.run(arguments);
    if (!done) return fail(kFailure, done.error().detail);
    return std::cout.flush() ? 0 : fail(kFailure, "cannot write the result");
  }
  return kUsage;
}

}  // namespace
}  // namespace sks::issuer

int main(int argc, char** argv) {
  try {
    return sks::issuer::run(argc, argv);
  } catch (const std::exception& exception) {
    return sks::issuer::fail(sks::issuer::kFailure, exception.what());
  }
}
