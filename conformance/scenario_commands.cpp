#include "conformance/scenario_commands.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "conformance/kit/client_kit.h"
#include "conformance/kit/issuer_kit.h"
#include "conformance/kit/temporary_folder.h"

namespace sks::conformance {
namespace {

void add_common(CLI::App& command, ScenarioArguments& arguments) {
  command.add_option("--scenarios", arguments.folder, "Take the scenarios of this folder instead of the built-in ones")
      ->type_name("DIR");
  command.add_option("--only", arguments.only, "Only scenarios of this name, or of this file; again for more")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command.add_flag("--list", arguments.list, "Say what the scenarios prove, and run none");
  command.add_option("--timeout", arguments.timeout, "Seconds that the other side has for each step")
      ->type_name("SECONDS")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
  command.add_option("--json", arguments.json, "Write the results into this file, as JSON");
  command.add_option("--junit", arguments.junit, "Write the results into this file, as JUnit's XML");
}

struct Source {
  std::string file;
  std::string text;
};

std::vector<Source> find_sources(const ScenarioArguments& arguments) {
  std::vector<Source> sources;
  if (arguments.folder.empty()) {
    for (const ScenarioText& scenario : built_in_scenarios())
      sources.push_back({std::string(scenario.file), std::string(scenario.text)});
    return sources;
  }
  const std::filesystem::path folder(arguments.folder);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".toml") continue;
    Result<std::string> text = read_file(entry.path());
    if (!text) throw std::runtime_error(text.error().detail);
    sources.push_back({entry.path().lexically_relative(folder).generic_string(), *std::move(text)});
  }
  std::ranges::sort(sources, {}, &Source::file);
  return sources;
}

bool is_wanted(const Scenario& scenario, const std::vector<std::string>& only) {
  return only.empty() || std::ranges::any_of(only, [&](const std::string& name) {
           return scenario.name == name || scenario.name.starts_with(name + '/');
         });
}

/// Those that are wanted. Throws on the first mistake in any of the files.
std::vector<Scenario> find_scenarios(const ScenarioArguments& arguments, Side side) {
  std::vector<Scenario> found;
  for (const Source& source : find_sources(arguments)) {
    Findings findings;
    for (Scenario& scenario : read_scenarios({source.file, source.text}, findings))
      if (scenario.side == side && is_wanted(scenario, arguments.only)) found.push_back(std::move(scenario));
    if (findings.empty()) continue;
    const Finding& first = findings.list().front();
    throw std::runtime_error(to_string(first.place) + ' ' + first.sentence);
  }
  if (found.empty()) throw std::runtime_error("there is no such scenario");
  return found;
}

int list_scenarios(const std::vector<Scenario>& scenarios) {
  for (const Scenario& scenario : scenarios)
    std::cout << scenario.name << "\n    keygen2.md " << scenario.spec << ": " << scenario.proves << '\n';
  std::cout << scenarios.size() << (scenarios.size() == 1 ? " scenario\n" : " scenarios\n");
  return std::cout.flush() ? 0 : 2;
}

void write_report(const std::string& file, const std::string& text) {
  if (file.empty()) return;
  if (const auto written = write_file(file, text); !written) throw std::runtime_error(written.error().detail);
}

/// A line at the terminal that says how far the run is, and leaves no trace. Nothing is written when standard error is
/// no terminal.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t total) : total_(total), at_terminal_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressLine() { show(""); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void next(const std::string& name) {
    // A line that a terminal has to break is not taken back by one carriage return.
    constexpr std::size_t kWidth = 78;
    show((std::to_string(++done_) + '/' + std::to_string(total_) + ' ' + name).substr(0, kWidth));
  }

 private:
  void show(const std::string& text) {
    if (at_terminal_) std::cerr << '\r' << std::string(shown_, ' ') << '\r' << text << std::flush;
    shown_ = text.size();
  }

  std::size_t total_;
  bool at_terminal_;
  std::size_t done_ = 0;
  std::size_t shown_ = 0;
};

template <class Play>
std::vector<ScenarioResult> play_all(const std::vector<Scenario>& scenarios, const Play& play_one) {
  std::vector<ScenarioResult> results;
  ProgressLine progress(scenarios.size());
  for (const Scenario& scenario : scenarios) {
    progress.next(scenario.name);
    results.push_back(play_one(scenario));
  }
  return results;
}

template <class Play>
int play(const ScenarioArguments& arguments, Side side, const std::string& suite, const Play& play_one) {
  const std::vector<Scenario> scenarios = find_scenarios(arguments, side);
  if (arguments.list) return list_scenarios(scenarios);
  const std::vector<ScenarioResult> results = play_all(scenarios, play_one);
  std::cout << to_table(results);
  if (!std::cout.flush()) throw std::runtime_error("cannot write the result");
  write_report(arguments.json, to_json(results));
  write_report(arguments.junit, to_junit(results, suite));
  const ScenarioOutcome outcome = outcome_of(results);
  return outcome == ScenarioOutcome::passed ? 0 : outcome == ScenarioOutcome::failed ? 1 : 2;
}

}  // namespace

void add_client(CLI::App& command, ScenarioArguments& arguments) {
  command.footer(
      "In the commands {url} stands for the invocation, {init} and {main} for its two URLs, {cookie} for its "
      "cookie, {ca} for a file with the CA certificate of the server, which SSL_CERT_FILE names too, {dir} for "
      "a folder that the runs of one scenario share, and {pins} for a file with the PINs to choose.");
  command.add_option("--exec", arguments.exec, "How to run the client, as a command of the shell")->type_name("CMD");
  command.add_option("--resume-exec", arguments.resume_exec, "How to run it to resume a deferred session")
      ->type_name("CMD");
  command.add_option("--cancel-exec", arguments.cancel_exec, "How to run it with a user who does not agree")
      ->type_name("CMD");
  command.add_option("--prepare", arguments.prepare, "A command to run before each scenario")->type_name("CMD");
  add_common(command, arguments);
}

int run_client(const ScenarioArguments& arguments) {
  if (arguments.exec.empty() && !arguments.list) throw std::runtime_error("--exec is required");
  const ClientCommands commands{arguments.exec, arguments.resume_exec, arguments.cancel_exec, arguments.prepare,
                                std::chrono::seconds(arguments.timeout)};
  return play(arguments, Side::client, "sks-conformance client",
              [&](const Scenario& scenario) { return run_client_scenario(scenario, commands); });
}

namespace {

/// The value, or the failure as the end of the command.
template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().detail);
  return std::move(result).value();
}

}  // namespace

void add_issuer(CLI::App& command, ScenarioArguments& arguments) {
  command.footer(
      "Each scenario is a session of its own: an issuer whose init URL starts one session only needs --ticket-command. "
      "The issuer has to trust the CA that --print-device-ca prints, or any device.");
  command.add_option("--init", arguments.init, "URL of the first message")->type_name("URL");
  command.add_option("--url", arguments.url, "Main URL of the issuer")->type_name("URL");
  command
      .add_option("--ticket-command", arguments.ticket_command,
                  "A command of the shell that writes an invocation (keygen2://...), run for each scenario")
      ->type_name("CMD");
  command
      .add_option("--order-command", arguments.order_command,
                  "The same for one that does {action} to the key of the certificate {fingerprint}")
      ->type_name("CMD");
  command.add_option("--ca", arguments.ca, "PEM file of the CAs to trust, instead of the system's")->type_name("FILE");
  command.add_option("--device-ca", arguments.device_ca, "The device CA of the kit, made if it is not there")
      ->type_name("FILE");
  command.add_flag("--print-device-ca", arguments.print_device_ca, "Print the certificate of --device-ca, and no more");
  command
      .add_option("--device-certificate", arguments.device_certificate, "PEM file of another device's certificate path")
      ->type_name("FILE");
  command.add_option("--device-key", arguments.device_key, "PEM file of its PKCS #8 key")->type_name("FILE");
  add_common(command, arguments);
}

int run_issuer(const ScenarioArguments& arguments) {
  if (arguments.print_device_ca) {
    std::cout << value_or_throw(device_authority(arguments.device_ca));
    return std::cout.flush() ? 0 : 2;
  }
  const bool given = !arguments.ticket_command.empty() || (!arguments.init.empty() && !arguments.url.empty());
  if (!given && !arguments.list) throw std::runtime_error("--ticket-command is required, or --init and --url");
  if (arguments.device_certificate.empty() != arguments.device_key.empty())
    throw std::runtime_error("--device-certificate and --device-key go together");
  if (arguments.list) return play(arguments, Side::issuer, "", [](const Scenario&) { return ScenarioResult(); });
  const Devices devices =
      value_or_throw(make_devices({arguments.device_ca, arguments.device_certificate, arguments.device_key}));
  IssuerExaminer examiner = value_or_throw(
      IssuerExaminer::create({arguments.init, arguments.url, arguments.ticket_command, arguments.order_command,
                              arguments.ca, std::chrono::seconds(arguments.timeout)},
                             devices));
  // What a good end looks like is known before the scenarios that must not end so.
  Scenario good{"issuer/good-session", "", "", ""};
  good.runs.emplace_back();
  examiner.run(good);
  return play(arguments, Side::issuer, "sks-conformance issuer",
              [&](const Scenario& scenario) { return examiner.run(scenario); });
}

}  // namespace sks::conformance
