#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>

#include "key-user-api/cli/clock_check.h"
#include "key-user-api/local_store.h"
#include "tests/key-user-api/cli/provisioner.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

/// A clock that was set back: to the program it is the same as a key store that was in use in the future.
namespace sks::test {
namespace {

constexpr std::int64_t kDay = 86400;

/// "2026-01-31 12:00:00Z", by the C library.
std::string utc(std::int64_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts)};
}

struct UsedStore {
  explicit UsedStore(std::int64_t time) : used(time) {
    CHECK(sks({"init", "--name", "Traveller"}).exit_code == 0);
    LocalStore opened = LocalStore::open(store).value();
    Provisioner::Session session;
    session.client_time = static_cast<std::uint32_t>(time);
    Provisioner(opened.engine(), session).provision({{"Key.1", "ec.nist.p256"}});
  }
  ProgramRun sks(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--store", store});
    return run_program_process(SKS_PROGRAM, std::move(arguments));
  }
  std::string database() const { return read_file(store + "/store.db"); }
  /// Exit code 1, one sentence, and nothing touched.
  void check_refused(std::vector<std::string> arguments) const {
    const std::string before = database();
    const ProgramRun run = sks(std::move(arguments));
    CHECK(run.exit_code == 1);
    CHECK(run.err.starts_with("sks: the clock of this machine says 2"));
    CHECK(run.err.ends_with(", and this key store was in use at " + utc(used) +
                            "; set the clock right, or see 'sks doctor'\n"));
    CHECK(database() == before);
  }

  std::int64_t used;
  TempDir dir;
  std::string store = dir.file("store");
};

}  // namespace

TEST_CASE("a clock that was set back: no session begins, and sks doctor tells what to do") {
  const UsedStore traveller(std::time(nullptr) + kDay);
  const std::string passphrase = traveller.dir.file("passphrase");
  const std::string backup = traveller.dir.file("backup");
  write_file(passphrase, "for the backup");
  std::filesystem::permissions(passphrase, std::filesystem::perms(0600));
  REQUIRE(traveller.sks({"backup", backup, "--backup-passphrase-file", passphrase}).exit_code == 0);

  const std::vector<std::string> restore = {"restore", backup, "--backup-passphrase-file", passphrase};
  const std::vector<std::string> enroll = {"enroll", "https://localhost:1/init", "--yes"};
  traveller.check_refused(restore);
  traveller.check_refused(enroll);
  CHECK(traveller.sks({"list"}).exit_code == 0);

  const ProgramRun doctor = traveller.sks({"doctor"});
  CHECK(doctor.exit_code == 1);
  CHECK(doctor.out.find("PROBLEM: the clock of this machine says 2") != std::string::npos);
  CHECK(doctor.out.find(", and this key store was in use at " + utc(traveller.used) +
                        "\n  What to do: set the clock right: ") != std::string::npos);

  const auto accepting = [](std::vector<std::string> arguments) {
    arguments.emplace_back("--accept-clock");
    return arguments;
  };
  CHECK(traveller.sks(accepting(restore)).exit_code == 0);
  CHECK(traveller.sks(accepting(enroll)).err.find("clock") == std::string::npos);
}

TEST_CASE("a clock that was set back: small corrections are none") {
  const std::int64_t used = std::time(nullptr) + kDay;
  const UsedStore traveller(used);
  LocalStore opened = LocalStore::open(traveller.store).value();
  CHECK(cli::check_clock(opened.engine(), used));
  CHECK(cli::check_clock(opened.engine(), used - 300));
  CHECK(cli::check_clock(opened.engine(), used - 301).error().status == Status::not_allowed);
}

TEST_CASE("a clock that was set back behind the birth of the key store") {
  TempDir dir;
  REQUIRE(LocalStore::create(dir.file("store"), "Newborn"));
  LocalStore opened = LocalStore::open(dir.file("store")).value();
  CHECK(cli::check_clock(opened.engine(), std::time(nullptr)));
  CHECK(cli::check_clock(opened.engine(), std::time(nullptr) - 2 * kDay).error().status == Status::not_allowed);
}

}  // namespace sks::test
