#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "key-user-api/daemon/options.h"
#include "key-user-api/passphrase_source.h"
#include "sks-core/wire/server.h"

namespace sks::daemon {
namespace {

/// Keys and PINs are in this memory: no core file, and no other process of the user may look.
void keep_memory_private() {
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/// The signals that ask us to stop, from now on taken by wait() and by nothing else, in threads that start later too.
class StopSignals {
 public:
  StopSignals() {
    ::sigemptyset(&signals_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals_, number);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void wait() const {
    int number = 0;
    while (::sigwait(&signals_, &number) != 0) {
    }
  }

 private:
  sigset_t signals_{};
};

Result<std::unique_ptr<ServedStore>> open_store(const Options& options) {
  if (options.store == kMemoryStore) return ServedStore::in_memory(options.attestation_key, options.mode);
  UnattendedSecrets secrets(options.passphrase_file);
  return ServedStore::open(options.store, options.mode, secrets);
}

Result<void> serve(const Options& options, const StopSignals& signals) {
  SKS_LET(const std::unique_ptr<ServedStore> served, open_store(options));
  SKS_LET(const std::unique_ptr<wire::Server> server, wire::Server::open(options.listen, served->store()));
  if (options.mode == Mode::conformance && options.store != kMemoryStore)
    complain(std::cerr,
             "conformance mode: the device PIN of " + options.store + " is 1234, and biometrics are believed");
  std::string places;
  for (const wire::Address& address : server->addresses())
    places += (places.empty() ? "" : ", ") + wire::to_string(address);
  std::thread serving([&server] { server->run(); });
  std::cout << "sksd: serving " << options.store << " on " << places << std::endl;  // programs wait for this line
  signals.wait();
  server->stop();
  serving.join();
  return {};
}

int run(int argc, char** argv) {
  int exit_code = kExitOk;
  const std::optional<Options> options = read_options(argc, argv, std::cout, std::cerr, exit_code);
  if (!options) return exit_code;
  ::umask(077);
  keep_memory_private();
  std::signal(SIGPIPE, SIG_IGN);  // nobody may be listening to our one line
  const StopSignals signals;
  const Result<void> done = serve(*options, signals);
  if (done) return kExitOk;
  complain(std::cerr, done.error().detail);
  return kExitRefused;
}

}  // namespace
}  // namespace sks::daemon

int main(int argc, char** argv) {
  try {
    return sks::daemon::run(argc, argv);
  } catch (const std::exception& exception) {
    sks::daemon::complain(std::cerr, exception.what());
    return sks::daemon::kExitRefused;
  }
}
