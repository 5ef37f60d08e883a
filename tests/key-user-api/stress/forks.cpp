#include <algorithm>
#include <atomic>
#include <latch>
#include <shared_mutex>
#include <thread>

#include "tests/key-user-api/stress/scene.h"
#include "tests/support/pkcs11/keys.h"

namespace sks::stress {
namespace {

constexpr unsigned kForksAtATime = 8;

/// OpenSSL, which judges the signatures here, may not be in use by another thread at a fork. The module may.
class ForkGate {
 public:
  bool is_signature(EVP_PKEY* key, ByteView hash, ByteView signature) {
    const std::shared_lock lock(gate_);
    return client::is_p256_signature(key, hash, signature);
  }
  Bytes hash(std::uint64_t number) {
    const std::shared_lock lock(gate_);
    return client::test_hash(number);
  }
  std::shared_mutex& gate() { return gate_; }

 private:
  std::shared_mutex gate_;
};

/// What a parent's session says in a child before C_Initialize there.
void use_inherited(const Options& options, const Signer& signer, const client::Session& session, Tally& tally) {
  Bytes signature;
  const Bytes hash = client::test_hash(1);
  const auto answer = session.sign(signer.private_key, CKM_ECDSA, hash, signature);
  if (answer) {
    if (!options.sessions_survive_fork) tally.wrong("a child signs before C_Initialize");
    if (!client::is_p256_signature(signer.judge.get(), hash, signature)) tally.wrong("a wrong signature in a child");
  } else if (answer.error().code != CKR_CRYPTOKI_NOT_INITIALIZED) {
    tally.wrong("before C_Initialize in a child: " + answer.error().text());
  }
}

/// Handles are those of an application, and the child is another one.
client::Answer<void> find_and_sign(const Options& options, const client::Session& session, ByteView hash,
                                   Bytes& signature) {
  SKS_LET(const CK_OBJECT_HANDLE key, session.find_one(signing_key(options, CKO_PRIVATE_KEY)));
  return session.sign(key, CKM_ECDSA, hash, signature);
}

client::Answer<void> sign_in_child(const Options& options, const Signer& signer, std::atomic<unsigned>& initialized,
                                   std::latch& all) {
  const auto answer = signer.module.initialize();
  if (answer) ++initialized;
  auto session = client::Session::open(signer.module, options.token);
  Bytes signature;
  const Bytes hash = client::test_hash(2);
  const auto signed_well =
      session ? find_and_sign(options, *session, hash, signature) : client::Answer<void>(session.error());
  // The login goes with the last session, so nobody leaves before all are done.
  all.arrive_and_wait();
  if (!answer && answer.error().code != CKR_CRYPTOKI_ALREADY_INITIALIZED) return answer;
  SKS_TRY(signed_well);
  if (!client::is_p256_signature(signer.judge.get(), hash, signature)) return client::Refused{"a wrong signature"};
  return {};
}

/// Many threads of a child call C_Initialize at the same time: one of them succeeds, and all of them can sign then.
void start_over(const Options& options, const Signer& signer, Tally& tally) {
  std::atomic<unsigned> initialized = 0;
  std::latch all(static_cast<std::ptrdiff_t>(options.threads));
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.threads; ++i)
      threads.emplace_back([&] {
        const auto done = sign_in_child(options, signer, initialized, all);
        if (done)
          tally.good();
        else
          tally.wrong("in a child: " + done.error().text());
      });
  }
  if (initialized != 1 && !options.sessions_survive_fork)
    tally.wrong(std::to_string(initialized) + " threads of a child initialize the module");
  const auto done = signer.module.finalize();
  if (!done) tally.wrong("in a child: " + done.error().text());
}

test::Sample be_child(const Options& options, const Signer& signer, const client::Session& session, unsigned number) {
  Tally tally;
  // Some begin with what they inherit, some start over, and some leave at once.
  if (number % 2 == 0) use_inherited(options, signer, session, tally);
  if (number % 4 < 3)
    start_over(options, signer, tally);
  else
    tally.good();
  return tally.sum();
}

/// Signs in the parent for as long as children are made.
void sign_meanwhile(const Options& options, const Signer& signer, ForkGate& gate, const std::atomic<bool>& over,
                    Tally& tally) {
  auto session = client::Session::open(signer.module, options.token);
  if (!session) return tally.wrong(session.error().text());
  Bytes signature;
  for (std::uint64_t number = 0; !over; ++number) {
    const Bytes hash = gate.hash(number);
    const auto answer = session->sign(signer.private_key, CKM_ECDSA, hash, signature);
    if (!answer)
      tally.wrong("in the parent: " + answer.error().text());
    else if (!gate.is_signature(signer.judge.get(), hash, signature))
      tally.wrong("a wrong signature in the parent");
    else
      tally.good();
  }
}

test::Sample storm(const Options& options) {
  const auto signer = open_signer(options);
  if (!signer) return {0, 1, signer.error().text()};
  ForkGate gate;
  Tally tally;
  std::atomic<bool> over = false;
  std::vector<test::Sample> children;
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.threads; ++i)
      threads.emplace_back([&] { sign_meanwhile(options, *signer, gate, over, tally); });
    for (unsigned done = 0; done < options.forks; done += kForksAtATime) {
      std::vector<test::Job> jobs;
      for (unsigned i = done; i < std::min(options.forks, done + kForksAtATime); ++i)
        jobs.push_back([&, i](const std::function<void()>&) { return be_child(options, *signer, signer->session, i); });
      const std::unique_lock lock(gate.gate());
      for (test::Sample& sample : test::run_together(jobs, std::chrono::seconds(30)))
        children.push_back(std::move(sample));
    }
    over = true;
  }
  children.push_back(tally.sum());
  return test::sum_of(children);
}

}  // namespace

test::Sample run_forks(const Options& options) {
  return test::run_together({[&](const std::function<void()>&) { return storm(options); }},
                            std::chrono::seconds(30 + options.forks * 4))
      .front();
}

}  // namespace sks::stress
