#include "key-user-api/daemon/program.h"

#include <csignal>
#include <iostream>
#include <thread>

#include "key-user-api/daemon/hardening.h"
#include "key-user-api/daemon/options.h"
#include "key-user-api/daemon/serving.h"
#include "key-user-api/daemon/stop_signals.h"
#include "key-user-api/passphrase_source.h"
#include "sks-core/crypto/library.h"
#include "sks-core/wire/server.h"

namespace sks::daemon {
namespace {

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

}  // namespace

int run_program(int argc, char** argv) {
  // An application starts sksd in its own environment, whose OPENSSL_CONF may name code to load.
  crypto::ignore_configuration_files();
  int exit_code = kExitOk;
  const std::optional<Options> options = read_options(argc, argv, std::cout, std::cerr, exit_code);
  if (!options) return exit_code;
  if (options->listen.empty()) return serve_applications(*options, std::cerr);
  keep_memory_private();
  std::signal(SIGPIPE, SIG_IGN);  // nobody may be listening to our one line
  const StopSignals signals;
  const Result<void> done = serve(*options, signals);
  if (done) return kExitOk;
  complain(std::cerr, done.error().detail);
  return kExitRefused;
}

}  // namespace sks::daemon
