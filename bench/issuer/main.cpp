// The load that bench/issuer-load puts on an issuer. Every command prints one JSON object.
//
//   issuer-load-bench bare [--seconds S]                      CPU time of the cryptography of a session, by OpenSSL
//   alone issuer-load-bench tickets --database URL --series NAME --count N
//                                                             makes tickets for the other two
//   issuer-load-bench run --url URL --ca FILE --series NAME --count N [--clients N] [--seconds S] [--rate R]
//                                                             enrolments; with a rate as many in a second, whatever
//                                                             becomes of those before
//   issuer-load-bench open --url URL --ca FILE --series NAME --count N
//                                                             so many sessions that are open at one time

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/issuer/load_client.h"
#include "bench/issuer/people.h"
#include "bench/issuer/session_crypto.h"
#include "provisioning-server/database/database.h"
#include "provisioning-server/keygen2_routes.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

using namespace sks;
using namespace sks::bench;
using nlohmann::json;

namespace {

struct Options {
  double seconds = 5;
  std::string database;
  std::string series;
  std::size_t count = 0;
  LoadTarget target{"", "127.0.0.1", ""};
  std::size_t clients = 1;
  double rate = 0;
};

[[noreturn]] void fail(const std::string& sentence) {
  std::cerr << "issuer-load-bench: " << sentence << '\n';
  std::exit(1);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::string ticket_of(const Options& options, std::size_t number) {
  return options.series + "-ticket-" + std::to_string(number);
}
std::string cookie_of(const Options& options, std::size_t number) {
  return options.series + "-cookie-" + std::to_string(number);
}
std::string digest_of(const std::string& secret) { return to_hex(crypto::sha256(as_bytes(secret))); }

json bare(const Options& options) {
  const SessionCrypto crypto = measure_session_crypto(options.seconds);
  return {{"keygen2_us", crypto.keygen2_us}, {"tls_us", crypto.tls_us}};
}

json make_tickets(const Options& options) {
  constexpr std::size_t kTogether = 5000;
  const auto database = issuer::open_database(options.database, "");
  if (!database) fail(database.error().detail);
  const std::int64_t now = system_clock().now();
  for (std::size_t first = 0; first < options.count; first += kTogether) {
    const auto made = (*database)->write([&](issuer::SqlTransaction& transaction) -> Result<void> {
      for (std::size_t i = first; i < std::min(options.count, first + kTogether); ++i)
        SKS_TRY(transaction.enqueue(
            "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used, creator, data)"
            " VALUES ($1, 'default', $2, $3, $4, $5, 0, 'bench', '')",
            {digest_of(ticket_of(options, i)), subject_of(i), digest_of(cookie_of(options, i)), now, now + 86400}));
      return {};
    });
    if (!made) fail(made.error().detail);
  }
  return {{"tickets", options.count}};
}

std::string source_of(std::size_t client) { return "127.0.0." + std::to_string(2 + client % 200); }
std::string header_cookie(const Options& options, std::size_t number) {
  return std::string(issuer::kSessionCookie) + '=' + cookie_of(options, number);
}

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted.at(std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size()))));
}

/// When the n-th session starts: at once, or at its place in an even stream.
void wait_for_turn(SteadyTime start, std::size_t number, double rate) {
  if (rate > 0)
    std::this_thread::sleep_until(start + std::chrono::duration<double>(static_cast<double>(number) / rate));
}

json run(const Options& options) {
  std::vector<std::unique_ptr<LoadDevice>> devices;
  std::size_t number = 0;
  for (std::size_t i = 0; i < options.clients; ++i) {
    devices.push_back(std::make_unique<LoadDevice>(options.target, source_of(i)));
    // The first handshake of a device is not to be measured.
    devices.back()->enrol(ticket_of(options, number), header_cookie(options, number), [](double) {});
    ++number;
  }
  std::atomic<std::size_t> next = number;
  std::atomic<std::size_t> done = 0;
  std::vector<double> steps;
  std::mutex steps_mutex;
  std::cout << json{{"begin", true}}.dump() << std::endl;
  const double cpu = cpu_seconds();
  const SteadyTime start = std::chrono::steady_clock::now();
  const SteadyTime end = start + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                     std::chrono::duration<double>(options.seconds));
  {
    std::vector<std::jthread> threads;
    for (std::size_t client = 0; client < options.clients; ++client)
      threads.emplace_back([&, client] {
        std::vector<double> own;
        LoadDevice& device = *devices.at(client);
        while (std::chrono::steady_clock::now() < end) {
          const std::size_t mine = next++;
          if (mine >= options.count) fail("there are too few tickets");
          wait_for_turn(start, mine - number, options.rate);
          device.enrol(ticket_of(options, mine), header_cookie(options, mine),
                       [&](double seconds) { own.push_back(seconds); });
          ++done;
        }
        const std::lock_guard lock(steps_mutex);
        steps.insert(steps.end(), own.begin(), own.end());
      });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::ranges::sort(steps);
  return {{"sessions", done.load()},
          {"seconds", seconds},
          {"client_cpu", cpu_seconds() - cpu},
          {"steps", steps.size()},
          {"p50_ms", 1000 * percentile(steps, 0.5)},
          {"p99_ms", 1000 * percentile(steps, 0.99)},
          {"max_ms", steps.empty() ? 0.0 : 1000 * steps.back()}};
}

json open_sessions(const Options& options) {
  LoadDevice device(options.target, source_of(0));
  for (std::size_t i = 0; i < options.count; ++i) {
    device.open_session(ticket_of(options, i), header_cookie(options, i));
    // The issuer ends a connection after a thousand requests.
    if (i % 400 == 399) device.connection().close();
  }
  return {{"sessions", options.count}};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("The load that bench/issuer-load puts on an issuer.");
  app.require_subcommand(1);
  CLI::App* const bare_command = app.add_subcommand("bare", "CPU time of the cryptography of a session");
  bare_command->add_option("--seconds", options.seconds);
  CLI::App* const tickets_command = app.add_subcommand("tickets", "make tickets");
  tickets_command->add_option("--database", options.database)->required();
  CLI::App* const run_command = app.add_subcommand("run", "enrolments");
  run_command->add_option("--clients", options.clients)->check(CLI::PositiveNumber);
  run_command->add_option("--seconds", options.seconds);
  run_command->add_option("--rate", options.rate);
  CLI::App* const open_command = app.add_subcommand("open", "sessions that stay open");
  for (CLI::App* const command : {tickets_command, run_command, open_command}) {
    command->add_option("--series", options.series)->required();
    command->add_option("--count", options.count)->required();
  }
  for (CLI::App* const command : {run_command, open_command}) {
    command->add_option("--url", options.target.url)->required();
    command->add_option("--ca", options.target.ca_file)->required();
  }
  CLI11_PARSE(app, argc, argv);
  json result;
  if (bare_command->parsed()) result = bare(options);
  if (tickets_command->parsed()) result = make_tickets(options);
  if (run_command->parsed()) result = run(options);
  if (open_command->parsed()) result = open_sessions(options);
  std::cout << result.dump() << '\n';
  return 0;
}
