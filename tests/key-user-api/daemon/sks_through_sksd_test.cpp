#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "sks-core/wire/socket.h"
#include "tests/key-user-api/daemon/servers.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

/// sks on a store that a sksd serves.
namespace sks::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

bool soon(const std::function<bool()>& condition) {
  for (const auto until = std::chrono::steady_clock::now() + 10s; !condition();) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

struct Home {
  Home() {
    std::filesystem::create_directories(folder.file("run"));
    REQUIRE(sks({"init"}).exit_code == 0);
  }
  ~Home() {
    if (const pid_t pid = server(); pid > 0) ::kill(pid, SIGKILL);
  }

  ProgramRun sks(const std::vector<std::string>& arguments) const { return run(SKS_PROGRAM, arguments); }
  void start_sksd() const {
    const ProgramRun started = run(SKSD_SCRIPTED, {"--for", "default"});
    REQUIRE_MESSAGE(started.exit_code == 0, started.err);
  }
  ProgramRun run(const char* program, const std::vector<std::string>& arguments) const {
    return run_program_process(program, arguments, [this] { set_environment(); });
  }
  void set_environment() const {
    ::setenv("XDG_DATA_HOME", folder.file("data").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", folder.file("run").c_str(), 1);
    ::setenv("XDG_STATE_HOME", folder.file("state").c_str(), 1);
    for (const char* const name : {"SKS_STORE", "SKS_PERSONA", "SKS_SOCKET", "DISPLAY"}) ::unsetenv(name);
  }
  /// The handle of the key with this name; empty: none.
  std::string key(const std::string& name) const {
    for (const json& key : list())
      if (key["friendlyName"] == name) return std::to_string(key["handle"].get<int>());
    return {};
  }
  json list() const { return json::parse(sks({"list", "--json"}).out); }
  pid_t server() const { return server_behind(std::get<wire::UnixAddress>(address).path); }

  TempDir folder;
  wire::Address address = wire::UnixAddress{folder.file("run") + "/sks/default.sock"};
};

}  // namespace

TEST_CASE("sks through sksd: keys are made, listed, shown and deleted while it runs") {
  const Home home;
  home.start_sksd();
  const pid_t pid = home.server();
  CHECK(home.list() == json::array());
  const ProgramRun made = home.sks({"key", "create", "--label", "Mine", "--pin", "4711"});
  REQUIRE_MESSAGE(made.exit_code == 0, made.err);
  REQUIRE(home.sks({"key", "create", "--label", "Other", "--no-pin"}).exit_code == 0);
  CHECK_FALSE(home.key("Other").empty());
  const std::string handle = home.key("Mine");
  REQUIRE_FALSE(handle.empty());
  CHECK(home.sks({"show", handle}).out.find("Mine") != std::string::npos);
  CHECK(home.sks({"pin", "check", handle, "--pin", "4711"}).exit_code == 0);
  const ProgramRun wrong = home.sks({"pin", "check", handle, "--pin", "0815"});
  CHECK(wrong.exit_code == 1);
  CHECK(home.sks({"device"}).exit_code == 0);
  CHECK(json::parse(home.sks({"sessions", "--json"}).out).size() >= 1);
  CHECK(home.sks({"resume"}).exit_code == 0);
  const ProgramRun removed = home.sks({"delete", handle, "--yes"});
  CHECK_MESSAGE(removed.exit_code == 0, removed.err);
  CHECK(home.key("Mine").empty());
  CHECK(home.server() == pid);
  ::kill(pid, SIGTERM);
  REQUIRE(soon([&] { return home.server() == 0; }));
  CHECK(home.key("Mine").empty());
  CHECK_FALSE(home.key("Other").empty());
}

TEST_CASE("sks through sksd: a backup knows which keys share a PIN") {
  const Home home;
  const std::string passphrase = home.folder.file("passphrase");
  write_file(passphrase, "Sesam\n");
  std::filesystem::permissions(passphrase, std::filesystem::perms(0600));
  // Several keys under one PIN, and one under another.
  for (const auto& [file, pin] : {std::pair("bundle.pem", "4711"), std::pair("ed448.pem", "0815")}) {
    const ProgramRun imported =
        home.sks({"import", source_file(std::string("tests/vectors/key-files/") + file), "--exportable", "--pin", pin});
    REQUIRE_MESSAGE(imported.exit_code == 0, imported.err);
  }
  const auto backup = [&](const std::string& file) {
    return home.sks({"backup", file, "--backup-passphrase-file", passphrase, "--pin", "4711", "--pin", "0815"});
  };
  const ProgramRun direct = backup(home.folder.file("direct"));
  REQUIRE_MESSAGE(direct.exit_code == 0, direct.err);
  home.start_sksd();
  const ProgramRun served = backup(home.folder.file("served"));
  CHECK_MESSAGE(served.exit_code == 0, served.err);
  const auto content = [&](const std::string& file) {
    const std::string out = home.sks({"backup", file, "--list", "--backup-passphrase-file", passphrase}).out;
    return out.substr(out.find('\n'));  // without the time
  };
  CHECK(content(home.folder.file("direct")).find("ed448") != std::string::npos);
  CHECK(content(home.folder.file("served")) == content(home.folder.file("direct")));
}

TEST_CASE("sks through sksd: what needs the folder asks sksd to leave, unless somebody needs that") {
  const Home home;
  const std::string passphrase = home.folder.file("passphrase");
  write_file(passphrase, "Sesam\n");
  std::filesystem::permissions(passphrase, std::filesystem::perms(0600));
  const std::vector<std::string> reprotect{"reprotect", "--protect", "passphrase", "--new-passphrase-file", passphrase};
  home.start_sksd();
  auto client = wire::connect(home.address, 1s);
  REQUIRE(client);
  const ProgramRun refused = home.sks(reprotect);
  CHECK(refused.exit_code == 1);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(refused.err == "sks: " + home.folder.file("data") + "/sks/default: sksd serves the key store to " + self +
                           " (process " + std::to_string(::getpid()) + ")\n");
  CHECK(home.server() > 0);
  client->close();
  CHECK(soon([&] { return home.sks(reprotect).exit_code == 0; }));
  CHECK(home.server() == 0);
  CHECK(home.sks({"list", "--passphrase-file", passphrase}).exit_code == 0);
  CHECK(home.sks({"persona", "delete", "default", "--yes"}).exit_code == 0);
}

TEST_CASE("sks through sksd: a sksd that somebody started to stay is not sent away") {
  const Home home;
  const pid_t process = ::fork();
  if (process == 0) {
    ::setenv("XDG_DATA_HOME", home.folder.file("data").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", home.folder.file("run").c_str(), 1);
    std::filesystem::create_directories(home.folder.file("run") + "/sks");
    ::execl(SKSD_SCRIPTED, SKSD_SCRIPTED, "--for", "default", "--foreground", "--log", home.folder.file("log").c_str(),
            nullptr);
    ::_exit(127);
  }
  REQUIRE(soon([&] { return home.server() == process; }));
  const ProgramRun refused = home.sks({"persona", "delete", "default", "--yes"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.find("was not started on demand") != std::string::npos);
  CHECK(home.list() == json::array());
}

TEST_CASE("sks through sksd: several commands at once") {
  const Home home;
  home.start_sksd();
  std::vector<std::thread> commands;
  std::atomic<int> good = 0;
  for (int i = 0; i < 6; ++i)
    commands.emplace_back([&, i] {
      const ProgramRun made = home.sks({"key", "create", "--label", "Key " + std::to_string(i), "--no-pin"});
      good += made.exit_code == 0;
    });
  for (std::thread& command : commands) command.join();
  CHECK(good == 6);
  for (int i = 0; i < 6; ++i) CHECK_FALSE(home.key("Key " + std::to_string(i)).empty());
}

TEST_CASE("sks agent: the agent of a sksd that systemd starts for its first client is waited for") {
  const Home home;
  std::filesystem::create_directories(home.folder.file("run/sks"));
  const wire::Descriptor listener = bound_socket(std::get<wire::UnixAddress>(home.address).path);
  const pid_t systemd = ::fork();
  if (systemd == 0) {
    pollfd watched{listener.number(), POLLIN, 0};
    while (::poll(&watched, 1, -1) < 1) {
    }
    home.set_environment();
    hand_over({listener.number()});
    ::execl(SKSD_SCRIPTED, SKSD_SCRIPTED, "--for", "default", nullptr);
    ::_exit(127);
  }
  const ProgramRun told = home.sks({"agent", "--sh"});
  CHECK_MESSAGE(told.exit_code == 0, told.err);
  CHECK(told.out == "SSH_AUTH_SOCK=" + home.folder.file("run") + "/sks/default.ssh; export SSH_AUTH_SOCK;\n");
  ::kill(systemd, SIGKILL);
  CHECK(::waitpid(systemd, nullptr, 0) == systemd);
}

}  // namespace sks::test
