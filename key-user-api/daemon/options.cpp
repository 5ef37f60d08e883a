#include "key-user-api/daemon/options.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>

#include "key-user-api/persona.h"
#include "key-user-api/socket_place/socket_place.h"
#include "sks-core/wire/error_text.h"
#include "sks-core/wire/server.h"

namespace sks::daemon {
namespace {

using attestation::AttestationKeyType;

constexpr const char* kDescription =
    "Serves the key store of this device to the programs of its user.\n"
    "With --for or --for-store it goes into the background, serves applications, and ends when nobody needs it; they "
    "start\n"
    "it by themselves. With --listen it serves the SKS byte stream alone.\n"
    "Runs until SIGTERM or SIGINT; then the calls that run are finished.";

constexpr const char* kFooter =
    "Examples:\n"
    "  sksd --for default\n"
    "  sksd --listen unix:/run/user/1000/sksd\n"
    "  sksd --store memory: --listen tcp:127.0.0.1:7788 --conformance\n\n"
    "A Unix socket serves processes of the same user only. TCP cannot tell who is there, so it is for conformance "
    "runs.\n"
    "A key store that needs a passphrase gets it from --passphrase-file, else from the systemd credential "
    "sks-passphrase, else from the key sks:passphrase in the kernel's keyring; with --for and --for-store its user is "
    "asked then, through a pinentry program (SKS_PINENTRY, else pinentry).\n";

/// What is read before it is judged.
struct Arguments {
  std::optional<std::string> store;
  std::optional<std::string> persona;
  std::string passphrase_file;
  std::vector<std::string> listen;
  std::string attestation_key;
  bool conformance = false;
  std::optional<std::string> for_persona;
  std::optional<std::string> for_store;
  std::string log_file;
  std::optional<std::string> ssh_confirm;
  bool foreground = false;
  std::optional<std::uint32_t> idle_exit;
};

/// An empty value is an unset variable of a script.
std::string check_not_empty(const std::string& value) { return value.empty() ? "the value is empty" : ""; }

void declare_application_options(CLI::App& app, Arguments& arguments, const std::vector<CLI::Option*>& others) {
  CLI::Option* const for_persona =
      app.add_option("--for", arguments.for_persona, "serve applications with the key store of this persona")
          ->type_name("PERSONA")
          ->check(check_not_empty);
  CLI::Option* const for_store =
      app.add_option("--for-store", arguments.for_store, "serve applications with the key store in this folder")
          ->type_name("DIR")
          ->check(check_not_empty)
          ->excludes(for_persona);
  for (CLI::Option* const other : others) {
    for_persona->excludes(other);
    for_store->excludes(other);
  }
  app.add_option("--ssh-confirm", arguments.ssh_confirm,
                 "with --for: ask for consent before signatures of the SSH agent, always or when another host asks")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"never", "forwarded", "always"}));
  app.add_flag("--foreground", arguments.foreground, "with --for: stay, and write the log to the standard error");
  app.add_option("--idle-exit", arguments.idle_exit,
                 "with --for: end after so many seconds without clients (default: 600; 0: never)")
      ->type_name("SECONDS")
      ->check(CLI::Range(std::uint32_t{0}, std::uint32_t{1'000'000}));
  app.add_option("--log", arguments.log_file,
                 "with --for: the file of the log (default: $XDG_STATE_HOME/sks/PERSONA.log)")
      ->type_name("FILE")
      ->check(check_not_empty);
}

void declare_options(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", "sksd " SKS_VERSION);
  app.footer(std::string(kFooter) + std::to_string(wire::ServerOptions().max_connections) +
             " connections are served at a time; one more is closed at once.");
  CLI::Option* const store =
      app.add_option("--store", arguments.store, "folder of the key store, or memory: for a new one that is not kept")
          ->type_name("DIR")
          ->check(check_not_empty);
  CLI::Option* const persona =
      app.add_option("--persona", arguments.persona, "the persona whose key store it is (default: default)")
          ->type_name("NAME")
          ->check(check_not_empty)
          ->excludes(store);
  app.add_option("--passphrase-file", arguments.passphrase_file,
                 "a file with the passphrase of the key store, for nobody else to read")
      ->type_name("FILE")
      ->check(check_not_empty);
  CLI::Option* const listen = app.add_option("--listen", arguments.listen,
                                             "where to serve: unix:PATH, or tcp:HOST:PORT; again for each further one")
                                  ->type_name("ADDRESS")
                                  ->allow_extra_args(false);
  declare_application_options(app, arguments, {store, persona, listen});
  app.add_flag("--conformance", arguments.conformance,
               "be the device that conformance suites expect: device PIN 1234, biometrics, TCP on the loopback");
  app.add_option("--attestation-key", arguments.attestation_key, "of the new device of --store memory: (default: p256)")
      ->type_name("KEY")
      ->check(CLI::IsMember({"p256", "rsa2048"}));
}

/// CLI11 takes the next argument for the value of "--name=".
const char* find_empty_value(std::span<const char* const> arguments) {
  for (const std::string_view argument : arguments)
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) return argument.data();
  return nullptr;
}

/// CLI11 finds an option missing before it finds that the one given is unknown.
std::string describe(const CLI::ParseError& error, const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || unknown.empty()) return error.what();
  return "unknown option '" + unknown.front() + "'";
}

/// --for and --for-store.
Result<Options> judge_applications(const Arguments& arguments) {
  Options options;
  SKS_LET(ChosenStore chosen, choose_store(arguments.for_store, arguments.for_persona));
  const SocketPlaceOrProblem place =
      arguments.for_persona ? socket_of_persona(*arguments.for_persona) : socket_of_store(*arguments.for_store);
  if (!place.place) return Error{Status::option, place.problem};
  options.store = arguments.for_persona ? std::move(chosen.folder) : place.place->start_value;
  options.socket = place.place->socket;
  options.name = std::filesystem::path(options.socket).stem().string();
  std::error_code failure;
  if (!arguments.passphrase_file.empty())
    options.passphrase_file = std::filesystem::absolute(arguments.passphrase_file, failure).string();
  if (!arguments.log_file.empty()) options.log_file = std::filesystem::absolute(arguments.log_file, failure).string();
  if (failure) return Error{Status::option, failure.message()};
  options.foreground = arguments.foreground;
  if (arguments.ssh_confirm == "always") options.ssh_confirm = ssh::Confirm::always;
  if (arguments.ssh_confirm == "forwarded") options.ssh_confirm = ssh::Confirm::forwarded;
  if (arguments.idle_exit) options.idle_limit = std::chrono::seconds(*arguments.idle_exit);
  return options;
}

Result<Options> judge(const Arguments& arguments) {
  const bool for_applications = arguments.for_persona || arguments.for_store;
  if (for_applications && (arguments.conformance || !arguments.attestation_key.empty()))
    return Error{Status::option, "--conformance and --attestation-key go with --listen"};
  if (for_applications) return judge_applications(arguments);
  if (arguments.foreground || arguments.idle_exit || !arguments.log_file.empty() || arguments.ssh_confirm)
    return Error{Status::option, "--foreground, --idle-exit, --log and --ssh-confirm go with --for and --for-store"};
  if (arguments.listen.empty()) return Error{Status::option, "--for, --for-store or --listen is required"};
  Options options;
  SKS_LET(ChosenStore chosen, choose_store(arguments.store, arguments.persona));
  options.store = std::move(chosen.folder);
  options.passphrase_file = arguments.passphrase_file;
  if (arguments.conformance) options.mode = Mode::conformance;
  // A PIN that everybody knows must not come over somebody's own keys because a word was left out.
  if (arguments.conformance && !arguments.store && !arguments.persona)
    return Error{Status::option, "--conformance needs --store: say which store becomes a conformance device"};
  for (const std::string& text : arguments.listen) {
    SKS_LET(wire::Address address, wire::parse_address(text));
    if (std::holds_alternative<wire::TcpAddress>(address) && !arguments.conformance)
      return Error{Status::option, text + " needs --conformance: over TCP every user of this machine gets at the keys"};
    options.listen.push_back(std::move(address));
  }
  if (!arguments.attestation_key.empty() && options.store != kMemoryStore)
    return Error{Status::option, "--attestation-key needs --store memory:, for a folder has its device key already"};
  if (!options.passphrase_file.empty() && options.store == kMemoryStore)
    return Error{Status::option, "--passphrase-file is for a folder, and not for --store memory:"};
  if (arguments.attestation_key == "rsa2048") options.attestation_key = AttestationKeyType::rsa2048;
  return options;
}

}  // namespace

void complain(std::ostream& err, std::string sentence) {
  while (sentence.ends_with('\n')) sentence.pop_back();
  err << "sksd: " << wire::error_text(sentence) << std::endl;
}

std::optional<Options> read_options(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
                                    int& exit_code) {
  exit_code = kExitUsage;
  constexpr const char* kHint = " (see 'sksd --help')";
  if (const char* const empty = find_empty_value({argv, static_cast<std::size_t>(argc)})) {
    complain(err, std::string(empty) + " has no value behind it" + kHint);
    return std::nullopt;
  }
  CLI::App app(kDescription, "sksd");
  Arguments arguments;
  declare_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    exit_code = app.exit(success, out, err);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    complain(err, describe(error, app) + kHint);
    return std::nullopt;
  }
  Result<Options> options = judge(arguments);
  if (options) return std::move(*options);
  complain(err, options.error().detail + kHint);
  return std::nullopt;
}

}  // namespace sks::daemon
