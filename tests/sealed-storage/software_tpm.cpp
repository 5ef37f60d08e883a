#include "tests/sealed-storage/software_tpm.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

namespace sks::test {
namespace {

pid_t start_program(std::vector<std::string> arguments, const std::string& output) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int failure = ::posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  REQUIRE_MESSAGE(failure == 0, "cannot run " << arguments[0]);
  return pid;
}

/// Whether a program listens there. The file alone tells less: it is made before anybody listens.
bool takes_connections(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof(address.sun_path));
  std::copy(path.begin(), path.end(), address.sun_path);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(socket >= 0);
  const int failure = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(socket);
  return failure == 0;
}

}  // namespace

SoftwareTpm::SoftwareTpm() {
  std::filesystem::create_directory(dir_.file("state"));
  start();
}

void SoftwareTpm::start() {
  const std::string control = socket() + ".ctrl";
  std::filesystem::remove(socket());
  std::filesystem::remove(control);
  pid_ = start_program(
      {"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + dir_.file("state"), "--server",
       "type=unixio,path=" + socket(), "--ctrl", "type=unixio,path=" + control, "--flags", "startup-clear"},
      dir_.file("log"));
  constexpr int kMaxWaits = 12000;
  for (int waits = 0; !takes_connections(socket()) || !takes_connections(control); ++waits) {
    REQUIRE_MESSAGE(waits < kMaxWaits, "swtpm does not start");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void SoftwareTpm::stop() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void SoftwareTpm::restart() {
  stop();
  start();
}

bool SoftwareTpm::run_tool(const std::string& command) const {
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < command.size();) {
    const std::size_t end = std::min(command.find(' ', at), command.size());
    arguments.push_back(command.substr(at, end - at));
    at = end + 1;
  }
  arguments.insert(arguments.begin() + 1, {"-T", tcti()});
  int status = 0;
  REQUIRE(::waitpid(start_program(arguments, dir_.file("log")), &status, 0) > 0);
  return status == 0;
}

void SoftwareTpm::tool(const std::string& command) const {
  REQUIRE_MESSAGE(run_tool(command), command << ": " << read_file(dir_.file("log")));
}

void SoftwareTpm::lock_out() const {
  tool("tpm2_dictionarylockout -s -n 1 -t 1000 -l 1000");
  tool("tpm2_nvdefine 0x01800001 -C o -s 8 -p right -a authread|authwrite");
  REQUIRE_FALSE(run_tool("tpm2_nvread 0x01800001 -C 0x01800001 -P wrong"));
  REQUIRE_FALSE(run_tool("tpm2_nvwrite 0x01800001 -C 0x01800001 -P right -i /dev/null"));
}

void SoftwareTpm::fill_memory() const {
  int index = 0x01810000;
  // Some room is for counters alone.
  for (const char* const kind : {"-s 2048", "-s 256", "-s 32", "-s 8 -a authread|authwrite|nt=counter"}) {
    while (run_tool("tpm2_nvdefine " + std::to_string(index) + " -C o " + kind)) ++index;
  }
}

UseTpm::UseTpm(const std::string& tcti) { ::setenv("SKS_TPM2_TCTI", tcti.c_str(), 1); }
UseTpm::~UseTpm() { ::unsetenv("SKS_TPM2_TCTI"); }

}  // namespace sks::test
