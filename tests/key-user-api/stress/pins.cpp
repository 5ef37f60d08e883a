#include <algorithm>
#include <array>
#include <csignal>
#include <optional>
#include <random>
#include <thread>

#include "tests/key-user-api/stress/scene.h"
#include "tests/support/pkcs11/daemon.h"

namespace sks::stress {
namespace {

/// How near to its lock a token says it is.
enum class Nearness { untouched, count_low, final_try, locked };

Nearness nearness_of(CK_FLAGS flags) {
  if ((flags & CKF_USER_PIN_LOCKED) != 0) return Nearness::locked;
  if ((flags & CKF_USER_PIN_FINAL_TRY) != 0) return Nearness::final_try;
  if ((flags & CKF_USER_PIN_COUNT_LOW) != 0) return Nearness::count_low;
  return Nearness::untouched;
}

const char* name_of(Nearness nearness) {
  constexpr std::array<const char*, 4> kNames{"no wrong PIN", "COUNT_LOW", "FINAL_TRY", "LOCKED"};
  return kNames[static_cast<std::size_t>(nearness)];
}

/// Asks until the module has reached a daemon that runs.
client::Answer<Nearness> look(const client::Session& session) {
  CK_RV code = CKR_OK;
  for (int i = 0; i < 50; ++i) {
    CK_TOKEN_INFO info{};
    code = session.functions().C_GetTokenInfo(session.slot(), &info);
    if (code == CKR_OK) return nearness_of(info.flags);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return client::Refused{"C_GetTokenInfo", code};
}

class Guesser {
 public:
  Guesser(const Options& options, const client::Session& session, Tally& tally)
      : options_(options), session_(session), tally_(tally) {}

  /// Guesses while the daemon dies, until the token is as near to its lock as wanted. No guess may be answered that the
  /// token has not counted.
  client::Answer<void> guess_until(Nearness wanted) {
    SKS_LET(Nearness before, look(session_));
    unsigned answered = 0;
    // A guess that the kill has beaten may cost nothing, or an attempt: it cannot go on for ever.
    for (int i = 0; before < wanted && i < 1000; ++i) {
      const CK_RV code = guess_while_daemon_dies();
      SKS_LET(const Nearness after, look(session_));
      if (after < before) tally_.wrong(std::string("granted back: ") + name_of(before) + ", then " + name_of(after));
      if (code == CKR_OK) tally_.wrong("a wrong PIN is accepted");
      if (code == CKR_PIN_INCORRECT && after == Nearness::untouched) tally_.wrong("an answered guess is not counted");
      if (code == CKR_PIN_LOCKED && after != Nearness::locked) tally_.wrong("locked, and the flags do not say so");
      if (code == CKR_PIN_INCORRECT) ++answered;
      tally_.expected("C_Login with a wrong PIN: " + client::name_of(code));
      before = after;
    }
    const unsigned most = wanted == Nearness::locked ? options_.tries : options_.tries - 1;
    if (before < wanted) tally_.wrong("the token does not come near to its lock");
    if (answered > most)
      tally_.wrong(std::to_string(answered) + " guesses are answered before " + name_of(wanted));
    else
      tally_.good();
    return {};
  }

  /// The right PIN without a kill sets the count back.
  client::Answer<void> reset() {
    CK_RV code = CKR_OK;
    for (int i = 0; i < 50; ++i) {
      const auto answer = session_.login(options_.token.pin);
      code = answer ? CKR_OK : answer.error().code;
      if (code != CKR_DEVICE_ERROR && code != CKR_DEVICE_REMOVED) break;
    }
    SKS_TRY(client::check("C_Login with the right PIN", code));
    SKS_TRY(client::check("C_Logout", session_.functions().C_Logout(session_.handle())));
    SKS_LET(const Nearness now, look(session_));
    if (now != Nearness::untouched) tally_.wrong(std::string("after the right PIN: ") + name_of(now));
    return {};
  }

  client::Answer<void> expect_locked() {
    const auto answer = session_.login(options_.token.pin);
    if (answer || answer.error().code != CKR_PIN_LOCKED)
      tally_.wrong("the right PIN for a locked token: " + (answer ? "CKR_OK" : answer.error().text()));
    return {};
  }

 private:
  CK_RV guess_while_daemon_dies() {
    // The killer must not search for the process while the guess runs.
    const std::optional<pid_t> daemon =
        options_.kill_command.empty() ? client::listener_of(options_.socket) : std::nullopt;
    if (!daemon && options_.kill_command.empty()) tally_.expected("no daemon to kill");
    // More often while the daemon is at the PIN than behind it.
    const double part = std::uniform_real_distribution<double>(0, 1)(random_);
    const std::chrono::microseconds delay(static_cast<int>(4000 * part * part));
    const std::jthread killer([&, delay, daemon] {
      std::this_thread::sleep_for(delay);
      if (daemon)
        ::kill(*daemon, SIGKILL);
      else if (!options_.kill_command.empty())
        kill_daemon(options_);
    });
    const std::string wrong =
        options_.token.pin.substr(0, options_.token.pin.size() - 1) + (options_.token.pin.back() == '0' ? '1' : '0');
    const auto answer = session_.login(wrong);
    return answer ? CKR_OK : answer.error().code;
  }

  const Options& options_;
  const client::Session& session_;
  Tally& tally_;
  std::mt19937 random_{std::random_device{}()};
};

client::Answer<void> guess(const Options& options, Tally& tally) {
  SKS_LET(const client::Module module, client::Module::load(options.module));
  SKS_TRY(module.initialize());
  SKS_LET(const client::Session session, client::Session::open_public(module, options.token));
  Guesser guesser(options, session, tally);
  SKS_TRY(guesser.reset());
  for (unsigned round = 0; round < options.rounds; ++round) {
    SKS_TRY(guesser.guess_until(Nearness::final_try));
    SKS_TRY(guesser.reset());
  }
  if (!options.lock) return {};
  SKS_TRY(guesser.guess_until(Nearness::locked));
  return guesser.expect_locked();
}

}  // namespace

test::Sample run_pins(const Options& options) {
  return test::run_together({[&](const std::function<void()>&) -> test::Sample {
                              Tally tally;
                              const auto done = guess(options, tally);
                              if (!done) tally.wrong(done.error().text());
                              return tally.sum();
                            }},
                            std::chrono::seconds(60 + 30 * options.rounds))
      .front();
}

}  // namespace sks::stress
