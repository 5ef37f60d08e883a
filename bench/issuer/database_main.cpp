// What an issuer's database makes of sessions and searches, without the rest of the issuer.
//
//   issuer-database-bench sessions DATABASE [SECONDS]     sessions/s with 1, 16 and 64 clients, beside bare fdatasync
//   issuer-database-bench search DATABASE [CREDENTIALS]   fills the database and times what a console asks for
//   issuer-database-bench fill DATABASE [CREDENTIALS]     the first half of that
//   issuer-database-bench ask DATABASE [CREDENTIALS]      the second half, of a database with so many
//
// DATABASE is sqlite:FILE, with an absolute name of a file that is made if it is not there, or postgresql://...
// A session is an INSERT of 1.5 kB and three updates by compare and swap, each a transaction of its own, the last one
// with an entry of the audit log.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>

#include "bench/issuer/people.h"
#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/database/schema.h"
#include "provisioning-server/directory/directory.h"
#include "provisioning-server/directory/subject_words.h"
#include "sks-core/base/encoding.h"

using namespace sks;
using namespace sks::issuer;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kNow = 1'790'000'000;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <class T>
T must(Result<T> result) {
  if (result) return std::move(result).value();
  std::cerr << result.error().detail << '\n';
  std::exit(1);
}
void must(const Result<void>& result) {
  if (result) return;
  std::cerr << result.error().detail << '\n';
  std::exit(1);
}

std::unique_ptr<Database> open_it(const std::string& url) {
  constexpr std::string_view kFile = "sqlite:";
  const bool is_new = url.starts_with(kFile) && !std::filesystem::exists(url.substr(kFile.size()));
  std::unique_ptr<Database> database =
      is_new ? must(open_sqlite(url.substr(kFile.size()), true)) : must(open_database(url, ""));
  must(bring_schema_forward(*database));
  return database;
}

/// How often this disk takes 4 kB for good, which bounds whoever commits each transaction alone.
double bare_syncs(const std::string& file, double seconds) {
  const int handle = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (handle < 0) return 0;
  const std::string page(4096, 'x');
  std::size_t count = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < seconds) {
    if (::pwrite(handle, page.data(), page.size(), static_cast<off_t>(count % 1000 * page.size())) < 0) break;
    if (::fdatasync(handle) != 0) break;
    ++count;
  }
  const double rate = static_cast<double>(count) / seconds_since(start);
  ::close(handle);
  ::unlink(file.c_str());
  return rate;
}

void run_session(Database& database, AuditLog& audit, const std::string& id, const Bytes& state) {
  must(database.write([&](SqlTransaction& transaction) -> Result<void> {
    return transaction.enqueue("INSERT INTO bench_sessions (id, phase, version, state) VALUES ($1, $2, $3, $4)",
                               {id, std::string("invocation"), std::int64_t{1}, state});
  }));
  for (std::int64_t version = 1; version <= 3; ++version)
    must(database.write([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(const std::int64_t moved,
              transaction.run("UPDATE bench_sessions SET version = $1, state = $2 WHERE id = $3 AND version = $4",
                              {version + 1, version == 3 ? Bytes() : state, id, version}));
      if (moved != 1) return Error{Status::internal, "a session was lost"};
      if (version < 3) return {};
      return audit.append(transaction, {kNow, "127.0.0.1", "ProvisioningFinalizationResponse", id,
                                        "default 0123456789abcdef0123456789abcdef", "ok", ""});
    }));
}

double sessions_per_second(Database& database, AuditLog& audit, std::size_t clients, double seconds) {
  std::atomic<std::uint64_t> done = 0;
  const Bytes state(1500, 0x5a);
  const Clock::time_point start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t client = 0; client < clients; ++client)
      threads.emplace_back([&] {
        while (seconds_since(start) < seconds) {
          run_session(database, audit, random_id(system_random()), state);
          ++done;
        }
      });
  }
  return static_cast<double>(done) / seconds_since(start);
}

void bench_sessions(const std::string& url, double seconds) {
  const std::unique_ptr<Database> database = open_it(url);
  ChainedAuditLog audit(*database, "bench", system_clock(), system_random());
  must(database->write([&](SqlTransaction& transaction) {
    return run_schema_statements(transaction, database->dialect(),
                                 "CREATE TABLE bench_sessions (id {text} PRIMARY KEY, phase {text} NOT NULL,"
                                 " version {integer} NOT NULL, state {blob} NOT NULL);");
  }));
  const std::string beside =
      url.starts_with("sqlite:") ? url.substr(7) + ".sync" : "/var/tmp/issuer-database-bench.sync";
  const double syncs = bare_syncs(beside, seconds);
  std::cout << "bare fdatasync of 4 kB: " << static_cast<long>(syncs) << "/s\n"
            << "clients  sessions/s  transactions/s  to bare fdatasync\n";
  for (const std::size_t clients : {1U, 16U, 64U}) {
    const double rate = sessions_per_second(*database, audit, clients, seconds);
    std::printf("%7zu  %10.0f  %14.0f  %17.2f\n", clients, rate, 4 * rate, 4 * rate / syncs);
  }
}

/// What stands in one session of the fill. The values have the shapes that the server writes, because what a row costs
/// later on depends on where its keys fall in an index: digests anywhere, session ids behind the earlier ones.
struct FilledRow {
  std::int64_t created = 0;
  std::string ticket;
  std::string session;
  std::string client;  ///< client session id
  std::string fingerprint;
  std::string device;
  std::string subject;
  std::string profile;
};

std::string digest_of(std::string_view what, std::size_t number) {
  return to_hex(crypto::sha256(as_bytes(std::string(what) + ' ' + std::to_string(number))));
}

FilledRow row_of(std::size_t i, std::size_t count) {
  FilledRow row;
  row.created = kNow - static_cast<std::int64_t>(count - i) * 30;
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), row.created * 1000, 16);
  row.session = (std::string(digits.begin(), end.ptr) + digest_of("session", i)).substr(0, 32);
  row.ticket = digest_of("ticket", i);
  row.client = to_base64url(crypto::sha256(as_bytes("client " + std::to_string(i)))).substr(0, 32);
  row.fingerprint = digest_of("credential", i);
  row.device = digest_of("device", i / 3);
  row.subject = bench::subject_of(i);
  row.profile = "profile" + std::to_string(i % 10);
  return row;
}

Result<void> insert_row(SqlTransaction& transaction, const FilledRow& row, std::size_t i) {
  static const Bytes kCertificate(700, 0x30);
  SKS_TRY(transaction.enqueue(
      "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used, creator, data)"
      " VALUES ($1, $2, $3, $4, $5, $6, $5, 'operator', '')",
      {row.ticket, row.profile, row.subject, digest_of("cookie", i), row.created, row.created + 86400}));
  SKS_TRY(transaction.enqueue(
      "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version,"
      " sealed_state, sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id,"
      " device_fingerprint, ended, result) VALUES ($1, $2, $3, $4, $2, $5, $6, 5, $7, $7, $2, 1, '', $8, $8, $9, $10,"
      " $8, $11)",
      {row.session, digest_of("cookie", i), row.ticket, row.profile, row.subject,
       std::string(i % 20 == 0 ? "aborted" : "done"), Bytes(), row.created, row.client, row.device,
       std::string(i % 20 == 0 ? "crypto" : "ok")}));
  SKS_TRY(transaction.enqueue(
      "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name,"
      " public_key_digest, server_session_id, client_session_id, device_fingerprint, key_management_key,"
      " privacy_enabled, status, issued, revoked, owner, created, serial, issuer, not_after) VALUES ($1, $2, $3,"
      " $4, 'authentication', 'Key', $5, $6, $7, $8, $9, 0, $10, $11, 0, $6, $11, $12, 'CN=CA', $13)",
      {row.fingerprint, kCertificate, row.subject, row.profile, digest_of("key", i), row.session, row.client,
       row.device, Bytes(91, 1), std::string(i % 1000 == 0 ? "revoked" : "issued"), row.created,
       row.fingerprint.substr(32), row.created + 730 * 86400}));
  return insert_words(transaction, {row.subject, row.created, row.fingerprint});
}

/// Credentials as years of work leave them: names out of some thousands, one organisation, ten profiles, and devices
/// with three keys each.
void fill(Database& database, std::size_t count) {
  constexpr std::size_t kTogether = 20'000;
  for (std::size_t first = 0; first < count; first += kTogether)
    must(database.write([&](SqlTransaction& transaction) -> Result<void> {
      for (std::size_t i = first; i < std::min(count, first + kTogether); ++i)
        SKS_TRY(insert_row(transaction, row_of(i, count), i));
      return {};
    }));
}

struct Question {
  const char* name;
  CredentialFilter filter;
};

std::vector<Question> questions(std::size_t count) {
  const std::string print = digest_of("credential", count / 2);
  std::vector<Question> asked(13);
  asked[0].name = "first page";
  asked[1] = {"a common word", {.text = "example"}};
  asked[2] = {"a name", {.text = "given17"}};
  asked[3] = {"two names", {.text = "family42 given"}};
  asked[4] = {"two common words and a name", {.text = "se example given1234"}};
  asked[5] = {"words that nobody has together", {.text = "given1 family2 example"}};
  asked[6] = {"unknown word", {.text = "nobody"}};
  asked[7] = {"serial number", {.text = print.substr(32)}};
  asked[8] = {"beginning of a fingerprint", {.text = print.substr(0, 12)}};
  asked[9] = {"a device", {.device = digest_of("device", 77)}};
  asked[10] = {"a profile", {.profile = "profile3"}};
  asked[11] = {"revoked", {.status = Credential::Status::revoked}};
  asked[12] = {"beginning of the subject", {.subject = "CN=Given12"}};
  return asked;
}

void bench_fill(const std::string& url, std::size_t count) {
  const std::unique_ptr<Database> database = open_it(url);
  const Clock::time_point start = Clock::now();
  fill(*database, count);
  std::printf("%zu credentials written in %.0f s\n", count, seconds_since(start));
}

void bench_questions(const std::string& url, std::size_t count) {
  const std::unique_ptr<Database> database = open_it(url);
  const Directory directory(*database);
  std::cout << "question                              rows  more   first ms  again ms\n";
  for (const Question& question : questions(count)) {
    std::array<double, 2> times{};
    Page<CredentialRow> page;
    for (double& time : times) {
      const Clock::time_point start = Clock::now();
      page = must(directory.credentials(question.filter, {50}));
      time = 1000 * seconds_since(start);
    }
    std::printf("%-36s %5zu  %-4s  %9.2f  %8.2f\n", question.name, page.rows.size(), page.next.empty() ? "no" : "yes",
                times[0], times[1]);
  }
  for (const std::int64_t days : {1, 30, 365}) {
    const Clock::time_point start = Clock::now();
    must(directory.statistics(kNow - days * 86400, kNow, days == 1 ? 3600 : 86400));
    std::printf("statistics of %3ld days                              %9.2f\n", static_cast<long>(days),
                1000 * seconds_since(start));
  }
  for (const char* const name : {"overview", "overview again"}) {
    const Clock::time_point start = Clock::now();
    must(directory.overview(kNow));
    std::printf("%-48s    %9.2f\n", name, 1000 * seconds_since(start));
  }
}

void bench_search(const std::string& url, std::size_t count) {
  bench_fill(url, count);
  bench_questions(url, count);
}

struct Command {
  std::string_view name;
  void (*run)(const std::string& url, double number);
  double usual_number;
};
constexpr auto kCommands = std::to_array<Command>({
    {"ask", [](const std::string& url, double count) { bench_questions(url, static_cast<std::size_t>(count)); }, 1e6},
    {"fill", [](const std::string& url, double count) { bench_fill(url, static_cast<std::size_t>(count)); }, 1e6},
    {"search", [](const std::string& url, double count) { bench_search(url, static_cast<std::size_t>(count)); }, 1e6},
    {"sessions", bench_sessions, 5},
});

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto* const command = std::ranges::find(kCommands, arguments.empty() ? "" : arguments[0], &Command::name);
  if (command == kCommands.end() || arguments.size() < 2 || arguments.size() > 3) {
    std::cerr << "usage: issuer-database-bench sessions|search|fill|ask DATABASE [SECONDS|CREDENTIALS]\n";
    return 2;
  }
  command->run(arguments[1], arguments.size() == 3 ? std::atof(arguments[2].c_str()) : command->usual_number);
  return 0;
}
