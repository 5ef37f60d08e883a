#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "sks-core/crypto/ossl.h"
#include "tests/support/children.h"
#include "tests/support/pkcs11/client.h"

/// What the modes of pkcs11_stress have in common. Each mode answers with a Sample: what was done, how many answers
/// were wrong, and the first of them.
namespace sks::stress {

namespace client = pkcs11_client;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string module;
  client::TokenChoice token;
  std::string key_label = "stress";  ///< of the P-256 pair for signatures; made when it is not there
  unsigned threads = 4;
  unsigned processes = 1;
  double seconds = 5;
  std::size_t sessions = 4000;
  unsigned forks = 200;
  bool sessions_survive_fork = false;  ///< as in SoftHSM2, whose child processes go on with them
  std::string socket;                  ///< of the daemon that is killed
  std::string kill_command;            ///< instead: a shell command that kills it
  double kill_every = 0.2;             ///< seconds, on average
  unsigned tries = 5;                  ///< wrong PINs that the token takes before it locks
  unsigned rounds = 10;
  bool lock = false;
};

/// Counts what happens in many threads.
class Tally {
 public:
  void good() { add(1, 0, {}); }
  void wrong(std::string what);
  void expected(const std::string& what);  ///< neither good nor wrong: counted by its name

  /// The sums, with the names of what was expected in front of the first wrong answer.
  test::Sample sum() const;

 private:
  void add(std::size_t good, std::size_t wrong, std::string what);

  mutable std::mutex guard_;
  std::size_t good_ = 0;
  std::size_t wrong_ = 0;
  std::string first_;
  std::vector<std::pair<std::string, std::size_t>> expected_;
};

/// A module that is initialized, and its pair for signatures.
struct Signer {
  client::Module module;
  client::Session session;  ///< holds the login
  CK_OBJECT_HANDLE private_key;
  CK_OBJECT_HANDLE public_key;
  ossl::Pkey judge;  ///< the public key as OpenSSL has it
};

/// What finds one key of the pair.
client::Attributes signing_key(const Options& options, CK_OBJECT_CLASS object_class);

/// Makes the pair if it is not there. For one process, before others start.
test::Sample ensure_key(const Options& options);
client::Answer<Signer> open_signer(const Options& options);

/// Kills the daemon with SIGKILL. False: there was none, or the command failed.
bool kill_daemon(const Options& options);

std::chrono::duration<double> seconds(double count);

/// The modes.
test::Sample run_cycles(const Options& options);
test::Sample run_sessions(const Options& options);
test::Sample run_forks(const Options& options);
test::Sample run_kills(const Options& options);
test::Sample run_pins(const Options& options);

}  // namespace sks::stress
