#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

#include "tests/key-user-api/daemon/servers.h"
#include "tests/key-user-api/daemon/sksd_process.h"
#include "tests/key-user-api/persona/home.h"

/// Every program on a store that another process uses.
namespace sks::test {
namespace {

ProgramRun module_with(const Home& home, const std::string& persona) {
  return run_program_process(PKCS11_PROBE, {PKCS11_MODULE}, [&] {
    ::setenv("XDG_DATA_HOME", home.file("data").c_str(), 1);
    ::setenv("SKS_PERSONA", persona.c_str(), 1);
  });
}

}  // namespace

TEST_CASE("a persona in use: every command names the process, changes nothing, and goes on when that was killed") {
  const Home home;
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  const std::string passphrase = home.secret_file("passphrase", "Sesam");
  const std::string key = read_file(home.store("work") + "/master.key");
  SksdProcess holder({"--persona", "work", "--listen", "unix:" + home.file("socket")});
  REQUIRE(holder.ready_line().starts_with("sksd: serving " + home.store("work")));
  const std::string in_use = "store in use by process " + std::to_string(holder.pid()) + "\n";

  const std::vector<std::vector<std::string>> commands{
      {"list"},
      {"sessions"},
      {"device"},
      {"delete", "1", "--yes"},
      {"pin", "check", "1", "--pin", "1234"},
      {"enroll", "--yes", "https://127.0.0.1:1/kg"},
      {"reprotect", "--protect", "passphrase", "--new-passphrase-file", passphrase},
  };
  for (std::vector<std::string> command : commands) {
    CAPTURE(command[0]);
    command.insert(command.begin(), {"--persona", "work"});
    const ProgramRun run = home.sks(command);
    CHECK(run.exit_code == 1);
    CHECK(run.err == "sks: " + home.store("work") + ": " + in_use);
    CHECK(run.out.empty());
  }
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"persona", "delete", "work", "--yes"},
           {"persona", "export", "work", home.file("file"), "--export-passphrase-file", passphrase}}) {
    CAPTURE(command[1]);
    const ProgramRun run = home.sks(command);
    CHECK(run.exit_code == 1);
    CHECK(run.err == "sks: " + home.store("work") + ": " + in_use);
  }
  const ProgramRun asked = run_at_terminal(SKS_PROGRAM, {"persona", "delete", "work"}, {});
  CHECK(asked.exit_code == 1);
  CHECK(asked.out.find("store in use by process " + std::to_string(holder.pid())) != std::string::npos);
  CHECK(asked.out.find("for good?") == std::string::npos);
  SksdProcess second({"--persona", "work", "--listen", "unix:" + home.file("other")});
  CHECK(second.exit_code() == 1);
  CHECK(second.complaint() == "sksd: " + home.store("work") + ": " + in_use);
  const ProgramRun module = module_with(home, "work");
  CHECK(module.exit_code == 1);
  CHECK(module.err == "sksd: " + home.store("work") + ": " + in_use);
  CHECK(home.sks({"persona", "list"}).out.find("work  file        process " + std::to_string(holder.pid())) !=
        std::string::npos);
  CHECK(read_file(home.store("work") + "/master.key") == key);
  CHECK_FALSE(std::filesystem::exists(home.file("file")));

  holder.signal(SIGKILL);
  CHECK_FALSE(holder.exit_code());
  CHECK(home.sks({"--persona", "work", "list", "--json"}).out == "[]\n");
  CHECK(module_with(home, "work").exit_code == 0);
  // The sksd that the module has started gives way.
  REQUIRE(server_behind(home.sksd().socket_of("work")) > 0);
  CHECK(home.sks({"persona", "export", "work", home.file("file"), "--export-passphrase-file", passphrase}).exit_code ==
        0);
}

TEST_CASE("PKCS#11: the module takes the store of $SKS_PERSONA, and refuses a bad name in one line") {
  const Home home;
  REQUIRE(home.sks({"persona", "create", "work"}).exit_code == 0);
  CHECK(module_with(home, "work").exit_code == 0);
  CHECK(server_behind(home.sksd().socket_of("work")) > 0);
  CHECK(read_file(home.store("work") + "/lock").find(std::to_string(server_behind(home.sksd().socket_of("work")))) !=
        std::string::npos);
  const ProgramRun absent = module_with(home, "club");
  CHECK(absent.exit_code == 1);
  CHECK(absent.err == "sksd: no key store in " + home.store("club") + "; make one with 'sks init'\n");
  const ProgramRun refused = module_with(home, "../sks/work");
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.starts_with("sks-pkcs11: '../sks/work' cannot name a persona: "));
  CHECK(std::ranges::count(refused.err, '\n') == 1);
  CHECK(module_with(home, "a\nb\x1b[2J").err.starts_with("sks-pkcs11: 'a?b?[2J' cannot name a persona: "));
}

}  // namespace sks::test
