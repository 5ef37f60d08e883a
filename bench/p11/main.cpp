#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <thread>

#include "bench/p11/measure.h"
#include "bench/p11/report.h"
#include "tests/support/pkcs11/daemon.h"

namespace sks::bench {
namespace {

/// A module with its tokens: one with a PIN and few keys, and one for many keys, which may be the same.
struct Side {
  std::string module;
  client::TokenChoice small;
  client::TokenChoice store;
  bool store_has_no_pin = false;
  std::size_t pairs = 0;
  unsigned fill_threads = 1;

  Subject at(Stage stage) const { return {module, stage == Stage::small ? small : store, pairs}; }
};

struct Options {
  Side module;
  Side peer;
  std::string socket;
  pid_t daemon_pid = 0;
  unsigned rounds = 3;
  double seconds = 1;
  std::vector<std::string> only;
  std::string json;
  bool stop = false;
};

constexpr std::chrono::seconds kLongestMeasurement{120};
constexpr std::chrono::seconds kLongestFill{3600};

void declare_side(CLI::App& app, Side& side, const std::string& prefix, const std::string& whose) {
  app.add_option("--" + prefix + "token", side.small.label,
                 "label of the token" + whose + " for most figures (default: the first with a PIN)");
  app.add_option("--" + prefix + "pin", side.small.pin, "its PIN");
  app.add_option("--" + prefix + "store-token", side.store.label,
                 "label of the token" + whose + " in which many keys are made (default: the same)");
  app.add_option("--" + prefix + "store-pin", side.store.pin, "its PIN");
  app.add_flag("--" + prefix + "store-without-pin", side.store_has_no_pin,
               "make many keys in the first token" + whose + " that asks for no login");
  app.add_option("--" + prefix + "pairs", side.pairs, "key pairs to search" + whose)->capture_default_str();
  app.add_option("--" + prefix + "fill-threads", side.fill_threads, "threads that make them")->capture_default_str();
}

void declare(CLI::App& app, Options& options) {
  app.add_option("MODULE", options.module.module, "the PKCS#11 module to judge")->required();
  app.add_option("--peer", options.peer.module, "another module for the same figures");
  declare_side(app, options.module, "", "");
  declare_side(app, options.peer, "peer-", " of the peer");
  app.add_option("--socket", options.socket,
                 "where the module's daemon listens, or a folder for its socket; it may be ended and started again");
  app.add_flag("--stop", options.stop, "ends the daemon at the socket when all is measured");
  app.add_option("--daemon-pid", options.daemon_pid, "the daemon, for its memory, if it has no socket of its own");
  app.add_option("--rounds", options.rounds, "measurements of a figure, of which the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  app.add_option("--seconds", options.seconds, "of one measurement")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 60.0));
  app.add_option("--only", options.only, "names of figures to measure (see --list)");
  app.add_option("--json", options.json, "also writes the results into this file ('-': instead of the table)");
  app.add_flag_callback(
      "--list",
      [] {
        for (const Figure& figure : figures()) std::cout << figure.name << ": " << figure.title << '\n';
        std::exit(0);
      },
      "lists the figures");
}

class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)) {}

  int run() {
    const bool quiet = options_.json == "-";
    std::ostream& out = quiet ? std::cerr : std::cout;
    prepare(out, options_.module, "module");
    if (has_peer()) prepare(out, options_.peer, "peer");
    print_head(out);
    for (const Figure& figure : figures()) {
      if (!wanted(figure)) continue;
      if (figure.stage == Stage::filled) fill_once(out);
      lines_.push_back(measure(figure));
      print_line(out, lines_.back(), lines_);
    }
    print_problems(out, lines_);
    write_json();
    if (options_.stop) stop_daemon();
    const bool all_held = std::all_of(lines_.begin(), lines_.end(), [&](const Line& line) {
      const Verdict verdict = judge(line, lines_);
      return verdict == Verdict::passed || verdict == Verdict::none;
    });
    return all_held ? 0 : 1;
  }

 private:
  bool has_peer() const { return !options_.peer.module.empty(); }

  bool wanted(const Figure& figure) const {
    return options_.only.empty() ||
           std::find(options_.only.begin(), options_.only.end(), figure.name) != options_.only.end();
  }

  static void prepare(std::ostream& out, const Side& side, const char* who) {
    const Sample sample = test::run_together({make_keys_job(side.at(Stage::small))}, kLongestMeasurement).front();
    if (!sample.problem.empty()) out << who << ": " << sample.problem << '\n';
  }

  void fill_once(std::ostream& out) {
    if (std::exchange(filled_, true)) return;
    const auto fill = [&](const Side& side, const char* who) {
      const Sample sample =
          test::run_together({fill_job(side.at(Stage::filled), side.fill_threads)}, kLongestFill).front();
      if (!sample.problem.empty()) out << who << ", filling: " << sample.problem << '\n';
    };
    fill(options_.module, "module");
    if (has_peer()) fill(options_.peer, "peer");
  }

  std::optional<pid_t> daemon() const {
    if (options_.daemon_pid != 0) return options_.daemon_pid;
    return options_.socket.empty() ? std::nullopt : client::listener_of(options_.socket);
  }

  /// Asks the daemon to stop, so that the next call of the module starts it. False: there is no daemon that could.
  bool stop_daemon() const {
    if (options_.socket.empty()) return false;
    const std::optional<pid_t> pid = daemon();
    if (!pid) return false;
    ::kill(*pid, SIGTERM);
    for (int i = 0; i < 1000 && client::is_running(*pid); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return !client::is_running(*pid);
  }

  static Sample together(const std::vector<Job>& jobs) {
    return test::sum_of(test::run_together(jobs, kLongestMeasurement));
  }

  Sample sample_of(const Figure& figure, const Side& side, bool is_module) const {
    if (figure.measure == Measure::daemon_memory) {
      const std::optional<pid_t> pid = daemon();
      if (!pid) return {0, 0, "no daemon is known (--socket, --daemon-pid)"};
      return {static_cast<double>(client::resident_memory(*pid)) / (1024.0 * 1024.0), 0, {}};
    }
    if (figure.measure == Measure::first_start && is_module && !stop_daemon())
      return {0, 0, "no daemon that can be stopped is known (--socket)"};
    Sample sample =
        together(std::vector<Job>(figure.processes, module_job(figure, side.at(figure.stage), options_.seconds)));
    if (figure.measure != Measure::stress && !sample.problem.empty()) sample.value = 0;
    return sample;
  }

  /// Round by round, one side after the other, so that all of them see the same machine.
  Line measure(const Figure& figure) const {
    std::vector<Sample> bare;
    std::vector<Sample> module;
    std::vector<Sample> peer;
    const bool has_bare = figure.measure == Measure::rate && has_bare_operation(figure.operation);
    for (unsigned round = 0; round < options_.rounds; ++round) {
      if (has_bare) bare.push_back(together(std::vector<Job>(figure.processes, bare_job(figure, options_.seconds))));
      module.push_back(sample_of(figure, options_.module, true));
      // The peer of a daemon that has to be started is one that has none.
      if (has_peer() && figure.measure != Measure::daemon_memory)
        peer.push_back(sample_of(figure, options_.peer, false));
    }
    return {&figure, median_of(bare), median_of(module), median_of(peer)};
  }

  void write_json() const {
    if (options_.json.empty()) return;
    const Circumstances circumstances{options_.module.module, options_.peer.module, options_.module.pairs,
                                      options_.peer.pairs,    options_.rounds,      options_.seconds};
    if (options_.json == "-") return print_json(std::cout, circumstances, lines_);
    std::ofstream file(options_.json);
    print_json(file, circumstances, lines_);
  }

  Options options_;
  std::vector<Line> lines_;
  bool filled_ = false;
};

}  // namespace
}  // namespace sks::bench

int main(int argc, char** argv) {
  CLI::App app(
      "Measures a PKCS#11 module beside bare OpenSSL and another module, in one run and round by round, and says "
      "which\n"
      "bounds it holds. Exit status 1: at least one is missed or was not measured.",
      "p11-bench");
  sks::bench::Options options;
  options.module.pairs = options.peer.pairs = 10'000;
  options.module.fill_threads = 4;
  sks::bench::declare(app, options);
  CLI11_PARSE(app, argc, argv);
  for (sks::bench::Side* const side : {&options.module, &options.peer})
    if (side->store.label.empty() && !side->store_has_no_pin) side->store = side->small;
  return sks::bench::Bench(std::move(options)).run();
}
