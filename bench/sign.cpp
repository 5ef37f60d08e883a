#include <benchmark/benchmark.h>

#include "bench/bare.h"
#include "bench/filled_store.h"

/// Signing a short message: the key store on disk against bare EVP.
namespace sks::bench {
namespace {

constexpr std::string_view kMessage = "a message of the usual length, a hundred bytes or so, like a challenge of TLS";
constexpr std::string_view kEcdsa = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
constexpr std::string_view kRsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

void bare_signature(benchmark::State& state, ossl::Pkey (*generate)()) {
  const ossl::Pkey key = generate();
  const ByteView message = as_bytes(kMessage);
  for (auto _ : state) benchmark::DoNotOptimize(bare_sign(key.get(), message.data(), message.size()));
}

void store_signature(benchmark::State& state, std::string_view key_algorithm, std::string_view algorithm,
                     std::string_view pin) {
  const DurableStore store;
  const KeyHandle key = store.provision(key_algorithm, pin);
  const Authorization authorization{SecureBytes::copy_of(as_bytes(pin))};
  for (auto _ : state) {
    const Result<Bytes> signature = store.engine().sign_data(key, algorithm, {}, authorization, as_bytes(kMessage));
    SKS_CHECK(static_cast<bool>(signature));
  }
}

// Every thread has a key of its own.
void parallel_signatures(benchmark::State& state) {
  static DurableStore* store = nullptr;
  static std::vector<KeyHandle> keys;
  if (state.thread_index() == 0) {
    store = new DurableStore;
    keys.clear();
    for (int i = 0; i < state.threads(); ++i) keys.push_back(store->provision("ec.nist.p256", {}));
  }
  // google-benchmark lets no thread begin its loop before all have come here.
  for (auto _ : state) {
    const KeyHandle key = keys[static_cast<std::size_t>(state.thread_index())];
    SKS_CHECK(static_cast<bool>(store->engine().sign_data(key, kEcdsa, {}, {}, as_bytes(kMessage))));
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    delete store;
    store = nullptr;
  }
}

void parallel_bare(benchmark::State& state) {
  const ossl::Pkey key = bare_p256();
  const ByteView message = as_bytes(kMessage);
  for (auto _ : state) benchmark::DoNotOptimize(bare_sign(key.get(), message.data(), message.size()));
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(bare_signature, p256, bare_p256);
BENCHMARK_CAPTURE(store_signature, p256, "ec.nist.p256", kEcdsa, "");
BENCHMARK_CAPTURE(store_signature, p256_pin, "ec.nist.p256", kEcdsa, "1234");
BENCHMARK_CAPTURE(bare_signature, rsa2048, bare_rsa2048);
BENCHMARK_CAPTURE(store_signature, rsa2048, "rsa2048", kRsa, "");
BENCHMARK_CAPTURE(store_signature, rsa2048_pin, "rsa2048", kRsa, "1234");
BENCHMARK(parallel_signatures)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(parallel_bare)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace sks::bench
