#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "key-user-api/socket_place/socket_place.h"
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
    for (const char* const name : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "SKS_SOCKET", "SKS_PINENTRY", "GNUPGHOME"})
      ::unsetenv(name);
  }
  std::string doctor() const {
    const ProgramRun run = sks({"doctor"});
    CHECK(run.exit_code == 0);  // the key store is no worse for any of it
    return run.out;
  }
  bool says(const std::string& line) const {
    const std::string answer = doctor();
    CAPTURE(answer);
    const bool said = ("\n" + answer).find("\n" + line) != std::string::npos;
    CHECK(said);
    return said;
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
  machine.says("note: there is no sksd, neither beside this program nor in the folders of PATH");
  machine.says("note: there is no pinentry program in the folders of PATH");
  machine.says("note: there is no PKCS#11 module " + machine.dir.path() + "/lib");
  machine.make_program("sksd");
  machine.make_program("pinentry");
  machine.says("good: sksd is here, for applications to start\n");
  machine.says("good: PINs can be asked for by " + machine.dir.file("bin/pinentry") + "\n");
}

TEST_CASE("sks doctor: a socket that nobody serves, and one that somebody does") {
  const Machine machine;
  machine.says("good: sksd does not run; the first application starts it\n");
  machine.surround();
  const SocketPlaceOrProblem found = socket_of_store(machine.store);
  REQUIRE(found.place);
  const std::string socket = found.place->socket;
  const int fd = bind_socket(socket);
  machine.says("note: nobody answers behind the socket " + socket + "\n");
  REQUIRE(::listen(fd, 5) == 0);
  machine.says("good: sksd serves the key store on " + socket + "\n");
  ::close(fd);
  fs::remove_all(machine.dir.file("run"));
  write_file(machine.dir.file("run"), "no folder");
  CHECK(machine.doctor().find("sksd serves") == std::string::npos);
}

TEST_CASE("sks doctor: with whom the module is registered, and where that is out of date") {
  const Machine machine;
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
