#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "bench/p11/operations.h"
#include "tests/support/pkcs11/keys.h"

namespace sks::bench {
namespace {

using client::Answer;
using client::Attributes;
using client::Session;

// SoftHSM2 answers one in twenty parallel C_GenerateKeyPair with CKR_GENERAL_ERROR.
constexpr int kTries = 5;

Attributes any_pair() {
  Attributes wanted;
  return wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).add(CKA_LABEL, kPairLabel);
}

Answer<void> add_pair(const Session& session, std::size_t number) {
  std::optional<client::Refused> last;
  for (int i = 0; i < kTries; ++i) {
    const auto pair = client::generate_p256(session, client::Lifetime::token, pair_id(number), std::string(kPairLabel));
    if (pair) return {};
    last = pair.error();
  }
  return *last;
}

}  // namespace

Answer<void> fill(const Scene& scene, unsigned threads) {
  SKS_LET(const Session session, Session::open(scene.module, scene.token));
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> present, session.find(any_pair()));
  std::atomic<std::size_t> next{present.size()};
  std::mutex guard;
  std::optional<client::Refused> problem;
  const auto work = [&]() -> Answer<void> {
    SKS_LET(const Session own, Session::open(scene.module, scene.token));
    for (std::size_t number = next++; number < scene.pairs; number = next++) SKS_TRY(add_pair(own, number));
    return {};
  };
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i)
      workers.emplace_back([&] {
        const Answer<void> done = work();
        const std::lock_guard lock(guard);
        if (!done && !problem) problem = done.error();
      });
  }
  if (problem) return *problem;
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> filled, session.find(any_pair()));
  if (filled.size() < scene.pairs)
    return client::Refused{"there are " + std::to_string(filled.size()) + " pairs, not " + std::to_string(scene.pairs)};
  return {};
}

}  // namespace sks::bench
