#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/local_store.h"
#include "key-user-api/ssh_agent/consent.h"
#include "key-user-api/ssh_agent/server.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"

/// A program for openssh.sh: makes a key store in FOLDER and serves an SSH agent over it at SOCKET until SIGTERM.
/// Writes the certificates of the keys to FOLDER.LABEL.pem, and a line for each use to the standard output.
/// usage: ssh_agent_serve FOLDER SOCKET never|forwarded|always
///
/// PINs are the lines of $ANSWERS, one for each question; the questions go to the standard output.
namespace {

using namespace sks;

class FileDialog final : public token::TrustedDialog {
 public:
  explicit FileDialog(const char* path) : in_(path) {}
  std::optional<SecureBytes> ask(const Question& question) override {
    std::cout << "asked for " << question.what << " of " << question.token_label << " by "
              << question.program.executable << ": " << question.problem << std::endl;
    std::string line;
    if (!std::getline(in_, line)) return std::nullopt;
    return SecureBytes::copy_of(as_bytes(line));
  }
  bool confirm(const Question& question) override {
    dialog::PinentrySettings settings;
    auto program = dialog::find_pinentry();
    if (!program) return false;
    settings.program = *program;
    const Result<bool> agreed = ssh::ask_consent(settings, question);
    return agreed && *agreed;
  }

 private:
  std::ifstream in_;
};

struct WantedKey {
  const char* label;
  const char* algorithm;
  const char* pin;
};
constexpr WantedKey kKeys[] = {
    {"rsa", "rsa2048", ""},          {"rsa3072", "rsa3072", ""},         {"p256", "ec.nist.p256", ""},
    {"p384", "ec.nist.p384", ""},    {"p521", "ec.nist.p521", ""},       {"ed25519", "ed25519", ""},
    {"pin", "ec.nist.p256", "2468"}, {"encryption", "ec.nist.p256", ""},
};

Result<void> make_store(const std::string& folder) {
  SKS_TRY(LocalStore::create(folder, "SSH agent test device"));
  SKS_LET(LocalStore store, LocalStore::open(folder));
  for (const WantedKey& wanted : kKeys) {
    LocalKeySpec spec;
    spec.label = wanted.label;
    if (spec.label == "encryption") spec.app_usage = AppUsage::encryption;
    LocalPin pin;
    if (*wanted.pin != 0) {
      NewPin made;
      made.value = SecureBytes::copy_of(as_bytes(wanted.pin));
      made.format = pin::Format::numeric;
      pin = std::move(made);
    }
    const std::string algorithm = "https://webpki.github.io/sks/algorithm#" + std::string(wanted.algorithm);
    SKS_LET(const LocalKey key, create_key(store.engine(), {algorithm}, std::move(spec), pin));
    std::ofstream(folder + "." + wanted.label + ".pem") << to_pem(key.certificate, "CERTIFICATE");
  }
  return {};
}

void record(const ssh::AgentUse& use) {
  static std::mutex mutex;
  const std::lock_guard guard(mutex);
  std::cout << use.request << " " << use.scheme << " " << use.key << " at";
  for (const std::string& host : use.hosts) std::cout << " " << host;
  std::cout << ": " << (use.failure ? use.failure->detail : "done") << std::endl;
}

Result<void> serve(const std::string& folder, const std::string& socket, const std::string& confirm) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  SKS_LET(LocalStore store, LocalStore::open(folder));
  const char* const answers = std::getenv("ANSWERS");
  FileDialog dialog(answers == nullptr ? "/dev/null" : answers);
  ssh::ServerOptions options;
  options.confirm = confirm == "always"      ? ssh::Confirm::always
                    : confirm == "forwarded" ? ssh::Confirm::forwarded
                                             : ssh::Confirm::never;
  const auto pin_group_of = [&](KeyHandle key) { return store.engine().pin_group(key); };
  SKS_LET(const auto agent,
          ssh::SshAgentServer::open(
              socket, {store.engine(), pin_group_of, dialog, system_clock(), system_random(), record}, options));
  std::thread serving([&] { agent->run(); });
  std::cout << "serving" << std::endl;
  int number = 0;
  while (::sigwait(&signals, &number) != 0) {
  }
  agent->stop();
  serving.join();
  return {};
}

Result<void> run(const std::string& folder, const std::string& socket, const std::string& confirm) {
  if (!std::ifstream(folder + ".rsa.pem")) SKS_TRY(make_store(folder));
  return serve(folder, socket, confirm);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const Result<void> done = run(argv[1], argv[2], argv[3]);
  if (!done) std::cerr << "ssh_agent_serve: " << done.error().detail << std::endl;
  return done ? 0 : 1;
}
