#include "key-user-api/daemon/serving.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "key-user-api/daemon/application_server.h"
#include "key-user-api/daemon/dialog_helper.h"
#include "key-user-api/daemon/hardening.h"
#include "key-user-api/daemon/on_demand.h"
#include "key-user-api/daemon/stop_signals.h"
#include "key-user-api/daemon/use_log.h"
#include "key-user-api/passphrase_source.h"
#include "key-user-api/ssh_agent/server.h"
#include "sealed-storage/store_folder.h"

namespace sks::daemon {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/// How long to wait for another process that has the store: a command of sks, or a sksd that is about to serve or to
/// end.
constexpr auto kStorePatience = 5s;
constexpr auto kStorePause = 10ms;

/// A passphrase that waits somewhere, else one that the user is asked for.
class StartSecrets final : public SecretSource {
 public:
  StartSecrets(std::string file, DialogHelper& dialog) : unattended_(std::move(file)), dialog_(dialog) {}

  Result<SecureBytes> get(Secret secret, const std::string& store) override {
    auto waiting = unattended_.get(secret, store);
    if (waiting || waiting.error().status != Status::not_available) return waiting;
    const token::Program us{"sksd", static_cast<std::uint32_t>(::getpid())};
    auto typed = dialog_.ask({us, std::filesystem::path(store).filename().string(), "passphrase", ""});
    if (typed) return std::move(*typed);
    Error error = std::move(waiting).error();
    const std::string failure = dialog_.failure();
    error.detail += failure.empty() ? ", and nobody has typed it" : ", and nobody could be asked: " + failure;
    return error;
  }

 private:
  UnattendedSecrets unattended_;
  DialogHelper& dialog_;
};

/// Threads are many and do little each.
void size_for_many_threads() {
  pthread_attr_t attributes;
  constexpr std::size_t kStack = std::size_t{1} << 20;
  if (::pthread_attr_init(&attributes) == 0 && ::pthread_attr_setstacksize(&attributes, kStack) == 0)
    static_cast<void>(::pthread_setattr_default_np(&attributes));
  // Two would wait for each other when two threads sign; four keep more that nobody uses.
  static_cast<void>(::mallopt(M_ARENA_MAX, 3));
  constexpr rlim_t kDescriptors = 4096;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kDescriptors) return;
  limit.rlim_cur = std::min(kDescriptors, limit.rlim_max);
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

/// The store, or null when somebody else serves it already.
Result<std::unique_ptr<ServedStore>> open_store(const Options& options, const std::string& socket,
                                                SecretSource& secrets) {
  const std::string lock = sealed::Files(options.store).lock;
  for (const auto until = steady_clock::now() + kStorePatience;;) {
    auto opened = ServedStore::open(options.store, options.mode, secrets, {});
    if (opened || opened.error().status != Status::not_available || !sealed::FolderLock::holder(lock)) return opened;
    if (!socket.empty() && is_served(socket)) return std::unique_ptr<ServedStore>();
    if (steady_clock::now() >= until) return opened;
    std::this_thread::sleep_for(kStorePause);
  }
}

Result<std::unique_ptr<UseLog>> open_log(const Options& options, bool in_foreground) {
  UseLogOptions log;
  log.file = !options.log_file.empty() ? options.log_file : in_foreground ? "" : log_file_of(options.name);
  return UseLog::open(std::move(log));
}

/// A use of the SSH agent, as the log has uses. The object is the private key.
Use use_of(const ssh::AgentUse& done) {
  constexpr std::uint64_t kObjectsPerKey = 256;
  Use use;
  use.time = std::chrono::system_clock::now();
  use.peer = std::make_shared<const Peer>(Peer{::geteuid(), done.program});
  use.record.method = done.request;
  use.record.subject = done.handle ? done.handle->value * kObjectsPerKey + 1 : 0;
  use.record.result = done.failure ? static_cast<std::uint64_t>(done.failure->status) : 0;
  use.record.is_use = true;
  use.duration = done.duration;
  return use;
}

/// The sockets of a run that systemd has bound; the others are our own.
struct BoundDoors {
  std::optional<wire::Descriptor> applications;
  std::optional<wire::Descriptor> agent;
};

/// Two that are beside one another are that of applications and that of the agent, in whatever order they come.
BoundDoors doors_of(std::vector<BoundSocket> sockets) {
  BoundDoors doors;
  for (BoundSocket& bound : sockets) {
    const bool is_agent = std::ranges::any_of(
        sockets, [&](const BoundSocket& other) { return bound.path == ssh::agent_socket_of(other.path); });
    std::optional<wire::Descriptor>& door = is_agent ? doors.agent : doors.applications;
    if (!door) door = std::move(bound.socket);
  }
  return doors;
}

/// What one run of the server needs, in the order in which it comes into being.
class Serving {
 public:
  Serving(const Options& options, bool on_demand, bool in_foreground)
      : options_(options), on_demand_(on_demand), in_foreground_(in_foreground) {}

  /// False: somebody else serves already.
  Result<bool> open(BoundDoors bound) {
    SKS_LET(dialog_, DialogHelper::start());  // before anything that its process must not have
    keep_memory_private();
    size_for_many_threads();
    const std::optional<std::string> unlocked = lock_memory();
    StartSecrets secrets(options_.passphrase_file, *dialog_);
    SKS_LET(store_, open_store(options_, bound.applications ? "" : options_.socket, secrets));
    if (!store_) return false;
    SKS_LET(log_, open_log(options_, in_foreground_));
    if (unlocked) log_->note(*unlocked);
    Engine& engine = store_->engine();
    SKS_LET(service_, token::Service::open({engine, [&engine](KeyHandle key) { return engine.pin_group(key); },
                                            system_clock(), system_random(), *dialog_, &engine}));
    router_.emplace(RouterPorts{engine, *service_, [&engine](KeyHandle key) { return engine.pin_group(key); },
                                [&engine](ProvisioningHandle session) { return engine.key_count(session); },
                                [this] { return release(); }, *log_});
    open_agent(std::move(bound.agent));
    SKS_TRY(open_door(std::move(bound.applications)));
    notify_systemd("READY=1");  // later there are no new sockets
    if (can_filter_system_calls()) SKS_TRY(filter_system_calls({store_->uses_tpm()}));
    return true;
  }

  void run(const StopSignals& signals) {
    log_->note("serving " + options_.store);
    std::thread stopping([&] {
      signals.wait();
      dialog_->stop();
      server_->stop();
    });
    std::thread serving_agent([this] {
      if (agent_) agent_->run();
    });
    server_->run();
    dialog_->stop();
    if (agent_) agent_->stop();
    serving_agent.join();
    ::pthread_kill(stopping.native_handle(), SIGTERM);  // it may wait yet
    stopping.join();
    if (const auto noted = service_->write_notes(); !noted)
      log_->note("the next start takes longer: " + noted.error().detail);
    log_->note("ending");
  }

 private:
  /// Applications are served without it too.
  void open_agent(std::optional<wire::Descriptor> bound) {
    Engine& engine = store_->engine();
    ssh::ServerOptions options;
    options.confirm = options_.ssh_confirm;
    ssh::ServerPorts ports{engine,
                           [&engine](KeyHandle key) { return engine.pin_group(key); },
                           *dialog_,
                           system_clock(),
                           system_random(),
                           [this](const ssh::AgentUse& use) { log_->add(use_of(use)); },
                           [](int socket) { return std::make_shared<WorkingFor>(socket); }};
    auto opened = bound ? ssh::SshAgentServer::open(std::move(*bound), std::move(ports), options)
                        : ssh::SshAgentServer::open(ssh::agent_socket_of(options_.socket), std::move(ports), options);
    if (opened)
      agent_ = std::move(*opened);
    else
      log_->note("no SSH agent: " + opened.error().detail);
  }

  Result<void> open_door(std::optional<wire::Descriptor> bound) {
    ApplicationServerOptions server;
    if (on_demand_) server.idle_limit = options_.idle_limit;
    server.is_needed = [this] { return agent_ && agent_->used(); };
    if (bound) {
      SKS_LET(server_, ApplicationServer::open(std::move(*bound), *router_, server));
      return {};
    }
    SKS_LET(wire::Listener listener, wire::Listener::open(wire::UnixAddress{options_.socket}));
    SKS_LET(server_, ApplicationServer::open(std::move(listener), *router_, server));
    return {};
  }

  Result<void> release() {
    if (!on_demand_) return Error{Status::not_allowed, "sksd serves the key store, and was not started on demand"};
    return server_->stop_unless_used();
  }

  const Options& options_;
  const bool on_demand_;
  const bool in_foreground_;
  std::unique_ptr<DialogHelper> dialog_;
  std::unique_ptr<ServedStore> store_;
  std::unique_ptr<UseLog> log_;
  std::unique_ptr<token::Service> service_;
  std::optional<Router> router_;
  std::unique_ptr<ssh::SshAgentServer> agent_;
  std::unique_ptr<ApplicationServer> server_;
};

int serve(const Options& options, bool in_foreground, BoundDoors bound, StartReport report, std::ostream& err) {
  const StopSignals signals;
  const bool on_demand = bound.applications || !in_foreground;
  Serving serving(options, on_demand, in_foreground);
  notify_systemd("STATUS=opening the key store");
  const Result<bool> opened = serving.open(std::move(bound));
  if (!opened) {
    complain(err, opened.error().detail);
    report.failed(opened.error().detail);
    return kExitRefused;
  }
  report.ready();
  if (*opened) serving.run(signals);
  return kExitOk;
}

}  // namespace

int serve_applications(const Options& options, std::ostream& err) {
  // Whatever the program that starts us has made of signals.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  BoundDoors bound = doors_of(take_systemd_sockets());
  const bool in_foreground = options.foreground || bound.applications;
  if (in_foreground) return serve(options, true, std::move(bound), {}, err);
  if (is_served(options.socket)) return kExitOk;
  if (const auto made = make_socket_folder(options.socket); !made) {
    complain(err, made.error().detail);
    return kExitRefused;
  }
  Result<Detached> detached = detach(err);
  if (!detached) {
    complain(err, detached.error().detail);
    return kExitRefused;
  }
  if (detached->is_starter) return detached->exit_code;
  return serve(options, false, {}, std::move(detached->report), err);
}

}  // namespace sks::daemon
