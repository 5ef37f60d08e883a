#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <thread>

#include "tests/key-user-api/stress/scene.h"
#include "tests/support/pkcs11/keys.h"

namespace sks::stress {
namespace {

constexpr double kRecovery = 120;  // seconds after the last kill in which every thread must have signed again

/// The answers that a daemon that died may cause; whatever else comes is wrong.
bool is_interruption(CK_RV code) { return code == CKR_DEVICE_ERROR || code == CKR_DEVICE_REMOVED; }
/// The login was that of the daemon that died, and private keys are hidden without it.
bool is_lost_login(CK_RV code) { return code == CKR_USER_NOT_LOGGED_IN || code == CKR_KEY_HANDLE_INVALID; }

class Worker {
 public:
  Worker(const Options& options, const Signer& signer, Tally& tally, std::uint64_t first)
      : options_(options), signer_(signer), tally_(tally), number_(first) {}

  void run(Clock::time_point end) {
    const auto last = end + std::chrono::duration_cast<Clock::duration>(seconds(kRecovery));
    while (!session_ && Clock::now() < last) open();
    if (!session_) return tally_.wrong("no session");
    while (Clock::now() < end) use();
    while (Clock::now() < last)
      if (use()) return;
    tally_.wrong("no signature after the last kill");
  }

 private:
  void open() {
    auto session = client::Session::open(signer_.module, options_.token);
    if (session)
      session_.emplace(std::move(session).value());
    else if (session.error().code == CKR_TOKEN_NOT_PRESENT)
      tally_.expected(session.error().text());  // a module whose daemon cannot be reached has no tokens
    else
      judge(session.error());
    if (!session_) give_way();
  }

  /// As an application would, and so that all of them do not keep a daemon from starting that runs on one processor.
  static void give_way() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

  /// True when an operation has been done.
  bool use() {
    const bool search = ++number_ % 8 == 0;
    const client::Answer<void> answer = search ? find() : sign();
    if (answer) {
      tally_.good();
      return true;
    }
    judge(answer.error());
    give_way();
    return false;
  }

  client::Answer<void> sign() {
    const Bytes hash = client::test_hash(number_);
    Bytes signature;
    SKS_TRY(session_->sign(signer_.private_key, CKM_ECDSA, hash, signature));
    if (!client::is_p256_signature(signer_.judge.get(), hash, signature)) return client::Refused{"a wrong signature"};
    return {};
  }

  /// Public keys are seen by all, before and after every kill.
  client::Answer<void> find() {
    client::Attributes wanted;
    SKS_LET(const CK_OBJECT_HANDLE found,
            session_->find_one(wanted.number(CKA_CLASS, CKO_PUBLIC_KEY).add(CKA_LABEL, options_.key_label)));
    if (found != signer_.public_key) return client::Refused{"the search finds another key"};
    return {};
  }

  void judge(const client::Refused& refused) {
    if (is_interruption(refused.code)) return tally_.expected(refused.text());
    if (!is_lost_login(refused.code)) return tally_.wrong(refused.text());
    tally_.expected(refused.text());
    if (!session_) return;
    const auto again = session_->login(options_.token.pin);
    if (!again && !is_interruption(again.error().code)) tally_.wrong("login after a kill: " + again.error().text());
    if (again) tally_.expected("login after a kill");
  }

  const Options& options_;
  const Signer& signer_;
  Tally& tally_;
  std::uint64_t number_;
  std::optional<client::Session> session_;
};

test::Sample work(const Options& options, unsigned process, const std::function<void()>& ready) {
  const auto signer = open_signer(options);
  if (!signer) return {0, 1, signer.error().text()};
  ready();
  Tally tally;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds(options.seconds));
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.threads; ++i)
      threads.emplace_back([&, i] {
        Worker(options, *signer, tally, (std::uint64_t{process} << 48) + (std::uint64_t{i} << 32)).run(end);
      });
  }
  return tally.sum();
}

/// Kills the daemon again and again, and stops before the others do.
test::Sample kill_again_and_again(const Options& options, const std::function<void()>& ready) {
  ready();
  std::mt19937 random(std::random_device{}());
  std::uniform_real_distribution<double> pause(0.1 * options.kill_every, 1.9 * options.kill_every);
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds(options.seconds));
  std::size_t kills = 0;
  for (;;) {
    std::this_thread::sleep_for(seconds(pause(random)));
    if (Clock::now() >= end) break;
    if (kill_daemon(options)) ++kills;
  }
  if (kills == 0) return {0, 1, "there was no daemon to kill"};
  return {0, 0, std::to_string(kills) + " kills"};
}

}  // namespace

test::Sample run_kills(const Options& options) {
  std::vector<test::Job> jobs;
  for (unsigned i = 0; i < options.processes; ++i)
    jobs.push_back([&, i](const std::function<void()>& ready) { return work(options, i, ready); });
  jobs.push_back([&](const std::function<void()>& ready) { return kill_again_and_again(options, ready); });
  const std::chrono::seconds longest(static_cast<long>(options.seconds + kRecovery) + 60);
  std::vector<test::Sample> samples = test::run_together(jobs, longest);
  const test::Sample killer = samples.back();
  samples.pop_back();
  test::Sample sum = test::sum_of(samples);
  sum.errors += killer.errors;
  sum.problem = killer.problem + " | " + sum.problem;
  return sum;
}

}  // namespace sks::stress
