#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "key-user-api/daemon/hardening.h"
#include "key-user-api/local_store.h"
#include "sks-core/wire/socket.h"
#include "tests/key-user-api/daemon/servers.h"
#include "tests/key-user-api/dialog/scripted_pinentry.h"
#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

/// sksd as a process, with the service of sksd_scripted.
namespace sks::test {
namespace {

using namespace std::chrono_literals;

bool soon(const std::function<bool()>& condition) {
  for (const auto until = std::chrono::steady_clock::now() + 10s; !condition();) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

/// A home with the store of the persona "work", and every sksd in it ended at the end.
class Home {
 public:
  Home() {
    std::filesystem::create_directories(folder.file("run"));
    REQUIRE(LocalStore::create(store, "Test device"));
  }
  ~Home() { end_servers_in(folder.file("run/sks")); }

  ProgramRun start(std::vector<std::string> arguments = {"--for", "work"}) const {
    return run_program_process(SKSD_SCRIPTED, std::move(arguments), [this] { set_environment(); });
  }
  void set_environment() const {
    ::setenv("XDG_DATA_HOME", folder.file("data").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", folder.file("run").c_str(), 1);
    ::setenv("XDG_STATE_HOME", folder.file("state").c_str(), 1);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  }

  /// The process behind the socket; 0: none.
  pid_t server() const { return server_behind(std::get<wire::UnixAddress>(address).path); }
  wire::Descriptor connect() const { return wire::connect(address, 1s).value(); }
  std::string log() const { return read_file(folder.file("state") + "/sks/work.log"); }

  TempDir folder;
  std::string store = folder.file("data") + "/sks/work";
  std::string socket = folder.file("run") + "/sks/work.sock";
  wire::Address address = wire::UnixAddress{socket};
  std::map<std::string, std::string> environment;
};

Bytes ask(const wire::Descriptor& connection, const Bytes& request) {
  if (!wire::send_frame(connection.number(), request, wire::patience_for(5s))) return {};
  auto answer = wire::receive_frame(connection.number(), wire::patience_for(20s));
  return answer ? to_bytes(answer->view()) : Bytes();
}

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":")) return line.substr(name.size() + 2);
  return {};
}

}  // namespace

TEST_CASE("on demand: sksd serves when its starter ends, and a second start finds that") {
  const Home home;
  const ProgramRun first = home.start();
  CHECK(first.exit_code == 0);
  CHECK(first.err.empty());
  const pid_t pid = home.server();
  REQUIRE(pid > 0);
  CHECK(::getsid(pid) == pid);
  struct stat made {};
  REQUIRE(::stat(home.socket.c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0600);
  REQUIRE(::stat((home.folder.file("run") + "/sks").c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0700);
  CHECK(ask(home.connect(), {199, 1}) == Bytes{0, 0, 199, 1});
  CHECK(home.start().exit_code == 0);
  CHECK(home.server() == pid);
}

TEST_CASE("on demand: of ten that are started at once one serves, and all say that it does") {
  const Home home;
  std::vector<pid_t> starters;
  for (int i = 0; i < 10; ++i) {
    const pid_t starter = ::fork();
    if (starter == 0) {
      home.set_environment();
      ::execl(SKSD_SCRIPTED, SKSD_SCRIPTED, "--for", "work", nullptr);
      ::_exit(127);
    }
    starters.push_back(starter);
  }
  for (const pid_t starter : starters) {
    int status = -1;
    REQUIRE(::waitpid(starter, &status, 0) == starter);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(home.server() > 0);
  }
  CHECK(soon([&] {
    const std::string log = home.log();
    return log.find("serving") != std::string::npos && log.find("serving") == log.rfind("serving");
  }));
}

TEST_CASE("on demand: one sentence says why not") {
  const Home home;
  const ProgramRun other = home.start({"--for", "other"});
  CHECK(other.exit_code == 1);
  CHECK(other.err == "sksd: no key store in " + home.folder.file("data") + "/sks/other; make one with 'sks init'\n");
  CHECK(home.start({"--for", "Not a name"}).exit_code == 2);
  CHECK(home.start({"--for", "work", "--listen", "unix:/tmp/x"}).exit_code == 2);
  CHECK(home.start({"--foreground"}).exit_code == 2);
  CHECK(home.start({}).exit_code == 2);
  std::filesystem::create_directories(home.folder.file("run") + "/sks");
  std::filesystem::permissions(home.folder.file("run") + "/sks", std::filesystem::perms(0777));
  const ProgramRun open = home.start();
  CHECK(open.exit_code == 1);
  CHECK(open.err.find("others may write there") != std::string::npos);
}

TEST_CASE("on demand: a store that another process holds is waited for, and then named with its holder") {
  const Home home;
  auto held = LocalStore::open(home.store);
  REQUIRE(held);
  const ProgramRun refused = home.start();
  CHECK(refused.exit_code == 1);
  CHECK(refused.err == "sksd: " + home.store + ": store in use by process " + std::to_string(::getpid()) + "\n");
  std::optional<LocalStore> holder = std::move(*held);
  std::thread leaving([&] {
    std::this_thread::sleep_for(300ms);
    holder.reset();
  });
  CHECK(home.start().exit_code == 0);
  leaving.join();
}

TEST_CASE("on demand: nothing of the program that starts it is kept, be it files or what it does with signals") {
  const Home home;
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);  // inherited
  const ProgramRun started = run_program_process(SKSD_SCRIPTED, {"--for", "work"}, [&] {
    home.set_environment();
    for (const int signal : {SIGTERM, SIGCHLD}) std::signal(signal, SIG_IGN);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
  });
  CHECK(started.exit_code == 0);
  ::close(ends[1]);
  CHECK(wire::wait_for(ends[0], POLLIN, wire::patience_for(2s)));  // the end of the pipe
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
  const pid_t pid = home.server();
  REQUIRE(pid > 0);
  ::kill(pid, SIGTERM);
  CHECK(soon([&] { return !std::filesystem::exists(home.socket); }));
}

TEST_CASE("on demand: the socket of a server that was killed is replaced") {
  const Home home;
  REQUIRE(home.start().exit_code == 0);
  const pid_t killed = home.server();
  ::kill(killed, SIGKILL);
  REQUIRE(soon([&] { return home.server() == 0; }));
  CHECK(std::filesystem::exists(home.socket));
  CHECK(home.start().exit_code == 0);
  const pid_t next = home.server();
  CHECK(next > 0);
  CHECK(next != killed);
}

TEST_CASE("on demand: a store in a folder of its own has its own socket") {
  Home home;
  const std::string store = home.folder.file("mine");
  REQUIRE(LocalStore::create(store, "Test device"));
  REQUIRE(home.start({"--for-store", store}).exit_code == 0);
  std::vector<std::string> sockets;
  for (const auto& entry : std::filesystem::directory_iterator(home.folder.file("run") + "/sks"))
    if (entry.path().filename().string().starts_with("store-") && entry.path().extension() == ".sock")
      sockets.push_back(entry.path().string());
  REQUIRE(sockets.size() == 1);
  home.address = wire::UnixAddress{sockets[0]};
  CHECK(home.server() > 0);
}

TEST_CASE("hardening: a process that serves may not be looked at, has no new privileges and is filtered") {
  const Home home;
  REQUIRE(home.start().exit_code == 0);
  const pid_t pid = home.server();
  CHECK(status_line(pid, "NoNewPrivs") == "1");
  CHECK(status_line(pid, "Seccomp") == (daemon::can_filter_system_calls() ? "2" : "0"));
  struct stat proc {};
  REQUIRE(::stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &proc) == 0);
  CHECK(proc.st_uid == 0);  // not dumpable: root's, whoever runs it
  std::ifstream limits("/proc/" + std::to_string(pid) + "/limits");
  std::string line;
  while (std::getline(limits, line) && !line.starts_with("Max core file size")) {
  }
  CHECK(line.find(" 0 ") != std::string::npos);
}

TEST_CASE("stop: SIGTERM lets calls end, removes the socket and frees the store") {
  const Home home;
  REQUIRE(home.start().exit_code == 0);
  const pid_t pid = home.server();
  const wire::Descriptor connection = home.connect();
  REQUIRE(ask(connection, {199}) == Bytes{0, 0, 199});
  ::kill(pid, SIGTERM);
  CHECK(soon([&] { return !std::filesystem::exists(home.socket); }));
  CHECK(soon([&] { return static_cast<bool>(LocalStore::open(home.store)); }));
  CHECK(home.log().find("\"note\":\"ending\"") != std::string::npos);
  CHECK(home.log().find("\"method\":\"scripted\"") != std::string::npos);
  CHECK(home.log().find("/on_demand_test\"") != std::string::npos);
}

TEST_CASE("idle: a server that was started on demand ends by itself, one in the foreground stays") {
  const Home home;
  REQUIRE(home.start({"--for", "work", "--idle-exit", "1"}).exit_code == 0);
  {
    const wire::Descriptor connection = home.connect();
    std::this_thread::sleep_for(1500ms);
    CHECK(ask(connection, {199}) == Bytes{0, 0, 199});
  }
  CHECK(soon([&] { return !std::filesystem::exists(home.socket); }));
}

TEST_CASE("systemd: the socket that is handed over is served, and left for the next one") {
  const Home home;
  std::filesystem::create_directories(home.folder.file("run") + "/sks");
  const wire::Descriptor listener = bound_socket(home.socket);
  const wire::Descriptor notified = wire::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string notify = home.folder.file("notify");
  REQUIRE(wire::bind_socket(notified.number(), wire::UnixAddress{notify}) == 0);
  const wire::Descriptor early = home.connect();  // before it runs
  const auto start = [&] {
    const pid_t pid = ::fork();
    if (pid == 0) {
      home.set_environment();
      ::setenv("NOTIFY_SOCKET", notify.c_str(), 1);
      hand_over({listener.number()});
      ::execl(SKSD_SCRIPTED, SKSD_SCRIPTED, "--for", "work", "--idle-exit", "1", nullptr);
      ::_exit(127);
    }
    return pid;
  };
  const pid_t pid = start();
  CHECK(ask(early, {199}) == Bytes{0, 0, 199});
  std::string told;
  while (told.find("READY=1") == std::string::npos) {
    std::array<char, 256> message{};
    REQUIRE(wire::wait_for(notified.number(), POLLIN, wire::patience_for(10s)));
    const ssize_t size = ::recv(notified.number(), message.data(), message.size(), 0);
    REQUIRE(size > 0);
    told.append(message.data(), static_cast<std::size_t>(size));
  }
  const_cast<wire::Descriptor&>(early).close();
  int status = -1;
  REQUIRE(::waitpid(pid, &status, 0) == pid);  // idle
  CHECK(status == 0);
  CHECK(std::filesystem::exists(home.socket));
  const wire::Descriptor later = home.connect();
  const pid_t next = start();
  CHECK(ask(later, {199}) == Bytes{0, 0, 199});
  ::kill(next, SIGTERM);
  REQUIRE(::waitpid(next, &status, 0) == next);
  CHECK(status == 0);
}

TEST_CASE("systemd: the socket of the SSH agent is handed over too, and they come in any order") {
  for (const bool agent_first : {false, true}) {
    const Home home;
    std::filesystem::create_directories(home.folder.file("run") + "/sks");
    const std::string agent = home.folder.file("run") + "/sks/work.ssh";
    const wire::Descriptor applications = bound_socket(home.socket), ssh = bound_socket(agent);
    const wire::Descriptor early = wire::connect(wire::UnixAddress{agent}, 1s).value();  // before it runs
    const pid_t pid = ::fork();
    if (pid == 0) {
      home.set_environment();
      if (agent_first) hand_over({ssh.number(), applications.number()});
      if (!agent_first) hand_over({applications.number(), ssh.number()});
      ::execl(SKSD_SCRIPTED, SKSD_SCRIPTED, "--for", "work", nullptr);
      ::_exit(127);
    }
    CHECK(ask(home.connect(), {199}) == Bytes{0, 0, 199});
    CHECK(ask(early, {11}) == Bytes{12, 0, 0, 0, 0});  // no identities
    ::kill(pid, SIGTERM);
    int status = -1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    CHECK(std::filesystem::exists(agent));
  }
}

TEST_CASE("dialog: a served process asks through pinentry, though it may start no program itself") {
  ScriptedPinentry pinentry(Script{Process{{"GETPIN", "D 4711\nOK"}}});
  Home home;
  home.environment["SKS_PINENTRY"] = pinentry.settings().program;
  REQUIRE(home.start().exit_code == 0);
  CHECK(ask(home.connect(), {210}) == Bytes{0, 1, '4', '7', '1', '1'});
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(pinentry.logged("1 SETDESC ").find(self) != std::string::npos);
  CHECK(pinentry.logged("1 arguments ").find("files [0, 1, 2") == std::string("[] ").size());
}

TEST_CASE("passphrase: a store that needs one is opened with what the user types") {
  ScriptedPinentry pinentry(Script{Process{{"GETPIN", kCanceled}}, Process{{"GETPIN", "D Sesam\nOK"}}});
  Home home;
  home.environment["SKS_PINENTRY"] = pinentry.settings().program;
  class Fixed final : public SecretSource {
   public:
    Result<SecureBytes> get(Secret /*secret*/, const std::string& /*store*/) override {
      return SecureBytes::copy_of(as_bytes("Sesam"));
    }
  } secrets;
  REQUIRE(LocalStore::reprotect(home.store, sealed::Protection(*sealed::find_provider("passphrase")), secrets));
  const ProgramRun cancelled = home.start();
  CHECK(cancelled.exit_code == 1);
  CHECK(cancelled.err.find("passphrase") != std::string::npos);
  CHECK(home.start().exit_code == 0);
  CHECK(home.server() > 0);
}

}  // namespace sks::test
