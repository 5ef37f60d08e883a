#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "key-user-api/socket_place/socket_place.h"
#include "tests/key-user-api/daemon/sksd_process.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

/// What sks doctor tells of sksd, pinentry and the registration of the module.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

/// A machine with a program folder, a home folder and a folder for sockets of its own, and a key store.
struct Machine {
  Machine() {
    for (const char* const folder : {"home", "run", "bin"}) fs::create_directory(dir.file(folder));
    fs::permissions(dir.file("run"), fs::perms(0700));
    fs::copy(SKS_PROGRAM, program);
    CHECK(sks({"init"}).exit_code == 0);
  }

  ProgramRun sks(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--store", store});
    return run_program_process(program.c_str(), std::move(arguments), [&] { surround(); });
  }
  void surround() const {
    ::setenv("HOME", dir.file("home").c_str(), 1);
    ::setenv("PATH", dir.file("bin").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", dir.file("run").c_str(), 1);
    for (const char* const name :
         {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "SKS_SOCKET", "SKS_SKSD", "SKS_PINENTRY", "GNUPGHOME"})
      ::unsetenv(name);
  }
  std::string doctor(int exit_code = 0) const {
    const ProgramRun run = sks({"doctor"});
    CHECK(run.exit_code == exit_code);
    return run.out;
  }
  /// Exit code 1 with a PROBLEM of any kind, else 0.
  void says(const std::string& line) const { check_line(doctor(line.starts_with("PROBLEM") ? 1 : 0), line); }
  /// The same of an application, which knows the key store by its environment.
  void says_with(const char* variable, const std::string& value, const std::string& line) const {
    const ProgramRun run = run_program_process(program.c_str(), {"doctor"}, [&] {
      surround();
      ::setenv("SKS_STORE", store.c_str(), 1);
      ::setenv(variable, value.c_str(), 1);
    });
    CHECK(run.exit_code == (line.starts_with("PROBLEM") ? 1 : 0));
    check_line(run.out, line);
  }
  static void check_line(const std::string& answer, const std::string& line) {
    CAPTURE(answer);
    CAPTURE(line);
    CHECK(("\n" + answer).find("\n" + line) != std::string::npos);
  }
  void make_program(const std::string& name) const {
    write_file(dir.file("bin/" + name), "#!/bin/sh\n");
    fs::permissions(dir.file("bin/" + name), fs::perms(0755));
  }

  TempDir dir;
  std::string store = dir.file("store");
  std::string program = dir.file("bin/sks");
};

int bind_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  fs::create_directories(fs::path(path).parent_path());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

}  // namespace

TEST_CASE("sks doctor: a machine without sksd, pinentry and module is told what is missing") {
  const Machine machine;
  machine.says("PROBLEM: there is no sksd, neither beside this program nor in the folders of PATH");
  machine.make_program("sksd");
  machine.says("note: there is no pinentry program in the folders of PATH");
  machine.says("note: there is no PKCS#11 module " + machine.dir.path() + "/lib");
  machine.make_program("pinentry");
  machine.says("good: sksd is here, for applications to start\n");
  machine.says("good: PINs can be asked for by " + machine.dir.file("bin/pinentry") + "\n");
}

TEST_CASE("sks doctor: the sksd that SKS_SKSD names is the one that counts") {
  const Machine machine;
  const std::string missing = machine.dir.file("missing");
  machine.make_program("other");
  machine.says_with("SKS_SKSD", machine.dir.file("bin/other"), "good: sksd is here, for applications to start\n");
  machine.says_with("SKS_SKSD", "other", "good: sksd is here, for applications to start\n");
  machine.make_program("sksd");
  for (const std::string& name : {missing, std::string("missing")})
    machine.says_with("SKS_SKSD", name, "PROBLEM: SKS_SKSD names " + name + ", and there is no such program");
}

TEST_CASE("sks doctor: a socket that nobody serves, and one that somebody does") {
  const Machine machine;
  machine.make_program("sksd");
  machine.says("good: sksd does not run; the first application starts it\n");
  machine.surround();
  const SocketPlaceOrProblem found = socket_of_store(machine.store);
  REQUIRE(found.place);
  const std::string socket = found.place->socket;
  {
    const wire::Descriptor bound(bind_socket(socket));
    machine.says("note: nobody answers behind the socket " + socket + "\n");
    REQUIRE(::listen(bound.number(), 5) == 0);  // as a sksd that was stopped
    machine.says("PROBLEM: whoever listens on " + socket + " does not answer as sksd does");
  }
  fs::remove(socket);
  SksdProcess sksd({"--store", machine.store, "--listen", "unix:" + socket});
  REQUIRE_FALSE(sksd.ready_line().empty());
  machine.says("good: sksd serves the key store on " + socket + "\n");
  sksd.signal(SIGTERM);
  CHECK(sksd.exit_code() == 0);
  fs::remove_all(machine.dir.file("run"));
  write_file(machine.dir.file("run"), "no folder");
  CHECK(machine.doctor().find("sksd serves") == std::string::npos);
}

TEST_CASE("sks doctor: for a socket that SKS_SOCKET names nobody starts a sksd") {
  const Machine machine;
  const std::string socket = machine.dir.file("run/named.sock");
  const std::string nobody = "PROBLEM: nobody serves the socket " + socket + ", which SKS_SOCKET names";
  machine.says_with("SKS_SOCKET", socket, nobody);
  { const wire::Descriptor left(bind_socket(socket)); }
  machine.says_with("SKS_SOCKET", socket, nobody);
  machine.says_with("SKS_SOCKET", "named.sock", "PROBLEM: SKS_SOCKET is not an absolute name");
}

TEST_CASE("sks doctor: with whom the module is registered, and where that is out of date") {
  const Machine machine;
  machine.make_program("sksd");
  fs::create_directory(machine.dir.file("lib"));
  const std::string module = machine.dir.file("lib/libsks-pkcs11.so");
  write_file(module, "");
  machine.says("note: the PKCS#11 module is registered with no application\n");
  CHECK(machine.sks({"integrate", "p11-kit"}).exit_code == 0);
  CHECK(machine.sks({"integrate", "ssh"}).exit_code == 0);
  machine.says("good: the PKCS#11 module is registered with: p11-kit, ssh\n");
  const std::string config = machine.dir.file("home/.ssh/config");
  const std::string text = read_file(config);
  const std::size_t at = text.find(module);
  REQUIRE(at != std::string::npos);
  write_file(config, text.substr(0, at) + "/old" + text.substr(at));
  machine.says("note: the PKCS#11 module is not registered as it should be with: ssh\n");
}

}  // namespace sks::test
