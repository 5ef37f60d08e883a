#include "key-user-api/cli/program.h"

#include <doctest/doctest.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "key-user-api/local_store.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "tests/key-user-api/cli/provisioner.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::cli;

namespace {

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

/// Runs a command line; the strings stand in writable memory as those of a process do.
Outcome run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "sks");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run_program(take_secrets(static_cast<int>(argv.size()), argv.data()), out, err);
  return {exit_code, out.str(), err.str()};
}

/// One line that starts with the program's name.
bool is_one_line(const std::string& text) {
  return text.starts_with("sks: ") && std::ranges::count(text, '\n') == 1 && text.ends_with('\n');
}

void check_refused(const Outcome& outcome, int exit_code, const std::string& part) {
  CAPTURE(outcome.err);
  CHECK(outcome.exit_code == exit_code);
  CHECK(is_one_line(outcome.err));
  CHECK(outcome.err.find(part) != std::string::npos);
  CHECK(outcome.out.empty());
}

}  // namespace

TEST_CASE("take_secrets: PINs and PUKs leave the command line, everything else stays") {
  std::vector<std::string> arguments{"sks",   "enroll", "--pin",    "1234", "--pin=567",
                                     "--puk", "999",    "--pinned", "--pin"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const SecretArguments secrets = take_secrets(static_cast<int>(argv.size()), argv.data());
  REQUIRE(secrets.pins.size() == 2);
  CHECK(to_string(secrets.pins[0].view()) == "1234");
  CHECK(to_string(secrets.pins[1].view()) == "567");
  REQUIRE(secrets.puks.size() == 1);
  CHECK(to_string(secrets.puks[0].view()) == "999");
  CHECK(secrets.rest ==
        std::vector<std::string>{"enroll", "--pin", "*", "--pin", "*", "--puk", "*", "--pinned", "--pin"});
  CHECK(arguments[3] == std::string(4, '\0'));
  CHECK(arguments[4] == "--pin=" + std::string(3, '\0'));
  CHECK(arguments[6] == std::string(3, '\0'));
}

TEST_CASE("take_secrets: after -- there are no options") {
  std::vector<std::string> arguments{"sks", "delete", "--", "--pin", "1234"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  const SecretArguments secrets = take_secrets(static_cast<int>(argv.size()), argv.data());
  CHECK(secrets.pins.empty());
  CHECK(secrets.rest.back() == "1234");
}

TEST_CASE("sks: help and version go to standard output") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"enroll", "--help"}, {"pin", "check", "--help"}}) {
    const Outcome help = run(arguments);
    CHECK(help.exit_code == 0);
    CHECK(help.out.find("--help") != std::string::npos);
    CHECK(help.err.empty());
  }
  const Outcome version = run({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out.starts_with("sks "));
}

TEST_CASE("sks: wrong usage is one line and exit code 2, and never repeats a PIN") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  const std::string url = "https://127.0.0.1:1/kg";
  test::write_file(dir.file("pins"), "1234\n");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"list", "--frobnicate"},
                                             {"list", "surplus"},
                                             {"list", "--pin", "9081726"},
                                             {"init", "--name"},
                                             {"--store"},
                                             {"pin"},
                                             {"pin", "check"},
                                             {"delete"},
                                             {"enroll"},
                                             {"enroll", "--yes"},
                                             {"enroll", "--pin"},
                                             {"enroll", "--pin", "9081726", "--pin-file", dir.file("pins"), url},
                                             {"enroll", "--pin-file", dir.file("absent"), url},
                                             {"enroll", "--ca-file", dir.file("absent"), url},
                                             {"enroll", "--ca-file", dir.file("pins"), url},
                                             {"enroll", "--dialog", "none", url},
                                             {"enroll", "--dialog", "", url},
                                             {"enroll", "http://127.0.0.1/kg"},
                                             {"enroll", "keygen2://?init=x"},
                                             {"enroll", url, "surplus"},
                                             {"resume", "http://127.0.0.1/kg"},
                                             {"resume", "7"},
                                             {"resume", "x", url},
                                             {"resume", "-1", url},
                                             {"resume", "99999999999", url},
                                             {"resume", "", url},
                                             {"resume", "1", url, "surplus"}}) {
    CAPTURE(arguments.size());
    std::vector<std::string> with_store{"--store", store};
    with_store.insert(with_store.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(arguments == std::vector<std::string>{"--store"} ? arguments : with_store);
    check_refused(outcome, kExitUsage, "");
    CHECK(outcome.err.find("9081726") == std::string::npos);
  }
}

TEST_CASE("sks: a command that does not exist is named, but not what follows it") {
  check_refused(run({"frobnicate", "--pin", "9081726"}), kExitUsage, "unknown command or option 'frobnicate'");
  check_refused(run({"--frobnicate", "list"}), kExitUsage, "--frobnicate");
  check_refused(run({"pin", "frobnicate"}), kExitUsage, "unknown command or option 'frobnicate'");
  check_refused(run({"pin"}), kExitUsage, "subcommand is required");
}

TEST_CASE("sks: a store is chosen by its folder or by a persona, not by both, and a persona has a proper name") {
  const test::TempDir dir;
  check_refused(run({"--store", dir.file("store"), "--persona", "work", "list"}), kExitUsage, "--store");
  check_refused(run({"--persona", "../work", "list"}), kExitUsage, "'../work' cannot name a persona");
}

TEST_CASE("sks: an empty value is refused instead of standing for a default") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  const std::string url = "https://127.0.0.1:1/kg";
  check_refused(run({"--store", "", "list"}), kExitUsage, "--store");
  check_refused(run({"--persona", "", "list"}), kExitUsage, "--persona");
  check_refused(run({"--store", store, "enroll", "--yes", "--ca-file", "", url}), kExitUsage, "--ca-file");
  check_refused(run({"--store", store, "enroll", "--yes", "--pin-file", "", url}), kExitUsage, "--pin-file");
  check_refused(run({"--store", dir.file("other"), "init", "--name", ""}), kExitUsage, "--name");
  check_refused(run({"--store", dir.file("other"), "init", "--certificate-file", ""}), kExitUsage,
                "--certificate-file");
}

TEST_CASE("sks: an empty PIN or PUK is refused before it costs a try or a connection") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  {
    auto opened = LocalStore::open(store);
    REQUIRE(opened);
    test::Provisioner(opened->engine(), {}).provision({{"k1", "ec.nist.p256", 1, "Login", "1234", 1, "CN=Jo"}});
  }
  const auto keys = nlohmann::json::parse(run({"--store", store, "list", "--json"}).out);
  const std::string handle = std::to_string(keys.at(0)["handle"].get<int>());
  check_refused(run({"--store", store, "pin", "check", "--pin", "", handle}), kExitUsage, "--pin is empty");
  check_refused(run({"--store", store, "delete", "--yes", "--pin=", handle}), kExitUsage, "--pin is empty");
  check_refused(run({"--store", store, "delete", "--yes", "--puk", "", handle}), kExitUsage, "--puk is empty");
  check_refused(run({"--store", store, "enroll", "--yes", "--pin", "1234", "--pin", "", "https://127.0.0.1:1/kg"}),
                kExitUsage, "--pin is empty");
  CHECK(run({"--store", store, "list"}).out.find("3 tries are left") != std::string::npos);
}

TEST_CASE("sks: resume lists what waits with its keys, and refuses what does not before it asks the issuer") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  CHECK(run({"--store", store, "resume"}).out == "No session waits to be resumed.\n");
  {
    auto opened = LocalStore::open(store);
    REQUIRE(opened);
    const auto now = static_cast<std::uint32_t>(system_clock().now());
    const test::Provisioner waiting(opened->engine(), {"https://issuer.example:8443/kg", "waiting", now, 1000});
  }
  const auto listed = nlohmann::json::parse(run({"--store", store, "resume", "--json"}).out);
  REQUIRE(listed.size() == 1);
  CHECK(listed[0]["issuer"] == "issuer.example:8443");
  CHECK(listed[0]["until"].get<std::int64_t>() == listed[0]["since"].get<std::int64_t>() + 1000);
  CHECK(listed[0]["keys"] == 0);
  const std::string number = std::to_string(listed[0]["handle"].get<int>());
  const Outcome text = run({"--store", store, "resume"});
  CHECK(text.out.find("issuer.example:8443") != std::string::npos);
  // Nobody listens there.
  check_refused(run({"--store", store, "resume", "--yes", "https://127.0.0.1:1/kg"}), kExitRefused,
                "no session waits for 127.0.0.1:1");
  check_refused(run({"--store", store, "resume", "--yes", "99", "https://issuer.example:8443/kg"}), kExitRefused,
                "session 99");
  CHECK(run({"--store", store, "resume", "--yes", number, "https://127.0.0.1:1/kg"}).exit_code == kExitRefused);
}

TEST_CASE("sks: every command first aborts the open sessions that have outlived themselves") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  {
    auto opened = LocalStore::open(store);
    REQUIRE(opened);
    const test::Provisioner outlived(opened->engine(), {"https://issuer.example/kg", "outlived", 1700000000, 1000});
    const auto now = static_cast<std::uint32_t>(system_clock().now());
    const test::Provisioner fresh(opened->engine(), {"https://issuer.example/kg", "fresh", now, 1000});
  }
  const auto sessions = nlohmann::json::parse(run({"--store", store, "sessions", "--json"}).out);
  REQUIRE(sessions.size() == 1);
  CHECK(sessions[0]["serverSessionId"] == "fresh");
  CHECK(sessions[0]["state"] == "open");
}

TEST_CASE("sks: integrate desktop makes this program the handler of links, with the key store that was chosen") {
  const test::TempDir dir;
  ::setenv("XDG_DATA_HOME", dir.file("data").c_str(), 1);
  ::setenv("XDG_CONFIG_HOME", dir.file("config").c_str(), 1);
  const std::string entry = dir.file("data") + "/applications/sks-enroll.desktop";
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string here = std::filesystem::current_path().string();
  struct Case {
    std::vector<std::string> options;
    std::string command;
  };
  for (const Case& c :
       std::vector<Case>{{{}, "\"enroll\""},
                         {{"--persona", "work"}, "\"--persona\" \"work\" \"enroll\""},
                         {{"--store", "mine", "--passphrase-file", "/a/b"},
                          "\"--store\" \"" + here + "/mine\" \"--passphrase-file\" \"/a/b\" \"enroll\""}}) {
    std::vector<std::string> arguments = c.options;
    arguments.insert(arguments.end(), {"integrate", "desktop"});
    const Outcome added = run(arguments);
    CAPTURE(added.err);
    CHECK(added.exit_code == 0);
    CHECK(test::read_file(entry).find("\nExec=\"" + program + "\" " + c.command) != std::string::npos);
    CHECK(test::read_file(entry).find("\"--\" %u\n") != std::string::npos);
  }
  // Windows ask where pinentry opens them; a pinentry for terminals is of no use to a desktop.
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", dir.path().c_str(), 1);
  for (const char* const kind : {"pinentry-gnome3", "pinentry-curses", "pinentry-tty"}) {
    CAPTURE(kind);
    test::write_file(dir.file(kind), "");
    std::filesystem::permissions(dir.file(kind), std::filesystem::perms::owner_all);
    std::filesystem::remove(dir.file("pinentry"));
    std::filesystem::create_symlink(dir.file(kind), dir.file("pinentry"));
    CHECK(run({"integrate", "desktop"}).exit_code == 0);
    const bool windows = std::string_view(kind) == "pinentry-gnome3";
    const std::string asks = windows ? "\"--dialog\" \"pinentry\"" : "\"--dialog\" \"terminal\"";
    CHECK(test::read_file(entry).find(asks) != std::string::npos);
    CHECK(test::read_file(entry).find(windows ? "\nTerminal=false\n" : "\nTerminal=true\n") != std::string::npos);
  }
  ::setenv("PATH", path.c_str(), 1);
  const Outcome removed = run({"integrate", "desktop", "--remove"});
  CHECK(removed.exit_code == 0);
  CHECK_FALSE(std::filesystem::exists(entry));
  ::setenv("XDG_DATA_HOME", "relative", 1);
  check_refused(run({"integrate", "desktop"}), kExitRefused, "XDG_DATA_HOME is no absolute path");
  check_refused(run({"integrate"}), kExitUsage, "needs an application, or --check");
  ::unsetenv("XDG_DATA_HOME");
  ::unsetenv("XDG_CONFIG_HOME");
}

TEST_CASE("sks: without a key store every command says how to make one") {
  const test::TempDir dir;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"list"},
                                             {"sessions"},
                                             {"device"},
                                             {"delete", "1"},
                                             {"pin", "check", "1"},
                                             {"enroll", "https://127.0.0.1:1/"}}) {
    std::vector<std::string> with_store{"--store", dir.file("store")};
    with_store.insert(with_store.end(), arguments.begin(), arguments.end());
    check_refused(run(with_store), kExitRefused, "no key store in " + dir.file("store") + "; make one with 'sks init'");
  }
  check_refused(run({"--store", dir.path(), "list"}), kExitRefused, dir.path());
}

TEST_CASE("sks init: makes a key store once, and tells the fingerprint of the device certificate") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  const Outcome made =
      run({"--store", store, "init", "--name", "Jo's laptop", "--certificate-file", dir.file("device.pem")});
  CHECK(made.exit_code == 0);
  CHECK(made.err.empty());
  const auto certificate = from_pem(test::read_file(dir.file("device.pem")), "CERTIFICATE");
  REQUIRE(certificate);
  const std::string fingerprint = to_hex(crypto::sha256(certificate->at(0)));
  CHECK(made.out == "Key store made in " + store + "; device certificate SHA-256 " + fingerprint + "\n");

  check_refused(run({"--store", store, "init"}), kExitRefused, store);
  const Outcome device = run({"device", "--store", store});
  CHECK(device.exit_code == 0);
  CHECK(device.out == "device certificate SHA-256 " + fingerprint + "\n");
  CHECK(run({"--store", store, "device", "--pem"}).out == test::read_file(dir.file("device.pem")));
  CHECK(run({"--store", store, "list", "--json"}).out == "[]\n");
  CHECK(run({"--store", store, "sessions", "--json"}).out == "[]\n");
}

TEST_CASE("sks init: refuses a name that no certificate can hold, and a folder that cannot be written") {
  const test::TempDir dir;
  check_refused(run({"--store", dir.file("a"), "init", "--name", std::string(65, 'x')}), kExitRefused, "64");
  for (const char* const name : {"two\nlines", "\x1b[31mred", "\xff\xfe"})
    check_refused(run({"--store", dir.file("a"), "init", "--name", name}), kExitRefused, "the device name must be");
  check_refused(run({"--store", dir.file("a"), "list"}), kExitRefused, "no key store");
  test::write_file(dir.file("file"), "x");
  check_refused(run({"--store", dir.file("file") + "/store", "init"}), kExitRefused, "");
}

TEST_CASE("sks: a key store that another process uses, or that is none, is refused in one line") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  {
    const auto held = LocalStore::open(store);
    REQUIRE(held);
    check_refused(run({"--store", store, "list"}), kExitRefused, "in use");
  }
  CHECK(run({"--store", store, "list"}).exit_code == 0);
  test::write_file(dir.file("text"), "not a key store");
  check_refused(run({"--store", dir.file("text"), "list"}), kExitRefused, "");
}

TEST_CASE("sks enroll: a dialog that was asked for and is not there is refused before the issuer is asked anything") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  ::setenv("SKS_PINENTRY", dir.file("absent").c_str(), 1);
  check_refused(run({"--store", store, "enroll", "--dialog", "pinentry", "https://127.0.0.1:1/kg"}), kExitRefused,
                "there is no program " + dir.file("absent") + ", which SKS_PINENTRY names");
  check_refused(run({"--store", store, "enroll", "--yes", "--dialog", "pinentry", "https://127.0.0.1:1/kg"}),
                kExitRefused, "SKS_PINENTRY");
  check_refused(run({"--store", store, "enroll", "--yes", "https://127.0.0.1:1/kg"}), kExitRefused, "127.0.0.1:1");
  ::unsetenv("SKS_PINENTRY");
}

TEST_CASE("sks: an issuer that cannot be reached is one line and exit code 1") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  check_refused(run({"--store", store, "enroll", "--yes", "https://127.0.0.1:1/kg"}), kExitRefused, "127.0.0.1:1");
}

TEST_CASE(
    "sks pin check and sks delete: work on a key store on disk, with PINs from the command line and from a file") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  {
    auto opened = LocalStore::open(store);
    REQUIRE(opened);
    test::Provisioner(opened->engine(), {}).provision({{"k1", "ec.nist.p256", 1, "Login", "1234", 1, "CN=Jo"}});
  }
  const auto keys = nlohmann::json::parse(run({"--store", store, "list", "--json"}).out);
  REQUIRE(keys.size() == 1);
  const std::string handle = std::to_string(keys[0]["handle"].get<int>());
  test::write_file(dir.file("pin"), "1234\n");
  check_refused(run({"--store", store, "pin", "check", "--pin", "0000", handle}), kExitRefused,
                "the PIN is wrong; 2 tries are left");
  CHECK(run({"--store", store, "pin", "check", "--pin-file", dir.file("pin"), handle}).exit_code == 0);
  check_refused(run({"--store", store, "delete", "--yes", "--pin=0000", handle}), kExitRefused, "2 tries are left");
  CHECK(run({"--store", store, "delete", "--yes", "--pin", "1234", keys[0]["certificateFingerprint"]}).exit_code == 0);
  CHECK(run({"--store", store, "list", "--json"}).out == "[]\n");
}

TEST_CASE("sks pin check: Ctrl-C at the prompt ends it, and the terminal echoes again") {
  const test::TempDir dir;
  const std::string store = dir.file("store");
  REQUIRE(run({"--store", store, "init"}).exit_code == 0);
  {
    auto opened = LocalStore::open(store);
    REQUIRE(opened);
    test::Provisioner(opened->engine(), {}).provision({{"k1", "ec.nist.p256", 1, "Login", "1234", 1, "CN=Jo"}});
  }
  const auto keys = nlohmann::json::parse(run({"--store", store, "list", "--json"}).out);
  const std::string handle = std::to_string(keys.at(0)["handle"].get<int>());
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"pin", "check", handle}, {"delete", "--yes", handle}}) {
    std::vector<std::string> with_store{"--store", store};
    with_store.insert(with_store.end(), command.begin(), command.end());
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(child >= 0);
    if (child == 0) _exit(run(with_store).exit_code);
    std::string shown;
    std::array<char, 256> part{};
    ssize_t got = 0;
    while (shown.find("PIN: ") == std::string::npos && (got = read(terminal, part.data(), part.size())) > 0)
      shown.append(part.data(), static_cast<std::size_t>(got));
    termios mode{};
    REQUIRE(tcgetattr(terminal, &mode) == 0);
    CHECK((mode.c_lflag & ECHO) == 0);
    // Once, at the first moment at which a user can press it.
    REQUIRE(write(terminal, "\x03", 1) == 1);
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; ended == 0 && i < 1000; ++i) {
      usleep(10000);
      ended = waitpid(child, &status, WNOHANG);
    }
    REQUIRE(ended == child);
    REQUIRE(tcgetattr(terminal, &mode) == 0);
    CHECK((mode.c_lflag & ECHO) != 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == kExitRefused);
    close(terminal);
  }
  CHECK(nlohmann::json::parse(run({"--store", store, "list", "--json"}).out).size() == 1);
}
