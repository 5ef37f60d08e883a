#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/bare.h"
#include "bench/filled_store.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/memory_storage.h"
#include "tests/support/test_issuer.h"

/// Making sessions and keys, on storage in memory. Only the key store's half is on the clock, not the issuer's.
namespace sks::bench {
namespace {

using std::chrono::steady_clock;

template <class Work>
void on_the_clock(benchmark::State& state, Work work) {
  const auto start = steady_clock::now();
  work();
  state.SetIterationTime(std::chrono::duration<double>(steady_clock::now() - start).count());
}

void bare_key_entry(benchmark::State& state) {
  const std::array<unsigned char, 400> data{};
  for (auto _ : state) {
    on_the_clock(state, [&] {
      benchmark::DoNotOptimize(bare_p256());
      bare_hmac(data.data(), data.size());
      bare_hmac(data.data(), data.size());
    });
  }
}

// What createKeyEntry's MAC covers: sks-api.md 3.4, for a key without PIN.
Bytes key_entry_data(const KeyEntryRequest& request) {
  ByteWriter data;
  data.text(request.id).text(request.key_entry_algorithm).array(request.server_seed).text("").array({});
  data.boolean(false).boolean(false).u8(0).u8(0).u8(0).u8(0);
  data.text(request.friendly_name).text(request.key_algorithm).array(request.key_parameters);
  return data.take();
}

void store_key_entry(benchmark::State& state) {
  MemoryStorage storage;
  const test::TestIdentity identity;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity}).value());
  // A session knows the ids of its keys: a new one after ten keys keeps it at the size of real ones.
  constexpr int kKeysPerSession = 10;
  std::optional<test::TestIssuer> issuer;
  int made = 0;
  for (auto _ : state) {
    if (made++ % kKeysPerSession == 0) {
      if (issuer) SKS_CHECK(static_cast<bool>(engine->abort_provisioning_session(issuer->handle())));
      issuer.emplace(*engine);
      SKS_CHECK(static_cast<bool>(issuer->open()));
    }
    KeyEntryRequest request = key_request("ec.nist.p256");
    request.id = "Key." + std::to_string(made);
    request.mac = issuer->mac("createKeyEntry", key_entry_data(request));
    on_the_clock(state, [&] { SKS_CHECK(static_cast<bool>(engine->create_key_entry(issuer->handle(), request))); });
    issuer->set_counter(static_cast<std::uint16_t>(issuer->counter() + 2));
  }
}

void bare_session(benchmark::State& state) {
  const ossl::Pkey server = bare_p256();
  const ossl::Pkey attestation = bare_p256();
  const std::array<unsigned char, 600> data{};
  for (auto _ : state) {
    on_the_clock(state, [&] {
      const ossl::Pkey client = bare_p256();
      benchmark::DoNotOptimize(bare_agree(client.get(), server.get()));
      benchmark::DoNotOptimize(bare_sign(attestation.get(), data.data(), data.size()));
    });
  }
}

void store_session(benchmark::State& state) {
  MemoryStorage storage;
  const test::TestIdentity identity;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity}).value());
  SessionRequest request = test::TestIssuer(*engine).request;
  request.privacy_enabled = false;
  for (auto _ : state) {
    std::optional<CreatedSession> session;
    on_the_clock(state, [&] { session = std::move(engine->create_provisioning_session(request).value()); });
    SKS_CHECK(static_cast<bool>(engine->abort_provisioning_session(session->handle)));
  }
}

BENCHMARK(bare_key_entry)->UseManualTime();
BENCHMARK(store_key_entry)->UseManualTime();
BENCHMARK(bare_session)->UseManualTime();
BENCHMARK(store_session)->UseManualTime();

}  // namespace
}  // namespace sks::bench
