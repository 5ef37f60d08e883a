#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "bench/bare.h"
#include "bench/filled_store.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/memory_storage.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/server.h"
#include "sks-core/wire/socket_channel.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_issuer.h"

/// Making sessions and keys. Where the storage is in memory, only the key store's half is on the clock, not the
/// issuer's.
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

// A session knows the ids of its keys: a new one after ten keys keeps it at the size of real ones.
constexpr int kKeysPerSession = 10;

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

/// A durable store, by itself or behind a server, with a session for each thread.
class Issuance {
 public:
  Issuance(bool served, int threads) {
    if (served) {
      server_ = std::move(wire::Server::open({wire::UnixAddress{folder_.file("sks")}}, store_.engine(), {}).value());
      serving_ = std::thread([this] { server_->run(); });
    }
    for (int i = 0; i < threads; ++i) workers_.push_back(std::make_unique<Worker>(*this));
  }
  ~Issuance() {
    workers_.clear();
    if (server_ == nullptr) return;
    server_->stop();
    serving_.join();
  }
  Issuance(const Issuance&) = delete;
  Issuance& operator=(const Issuance&) = delete;

  void create_key(int thread) { workers_.at(static_cast<std::size_t>(thread))->create_key(); }

 private:
  struct Worker {
    explicit Worker(const Issuance& work) {
      if (work.server_ != nullptr)
        remote.emplace(wire::SocketChannel::connect(work.server_->addresses().at(0)).value());
      store = remote ? static_cast<SecureKeyStore*>(&*remote) : &work.store_.engine();
    }
    void create_key() {
      if (made++ % kKeysPerSession == 0) {
        issuer.emplace(*store);
        SKS_CHECK(static_cast<bool>(issuer->open()));
      }
      KeyEntryRequest request = key_request("ec.nist.p256");
      request.id = "Key." + std::to_string(made);
      request.mac = issuer->mac("createKeyEntry", key_entry_data(request));
      SKS_CHECK(static_cast<bool>(store->create_key_entry(issuer->handle(), request)));
      issuer->set_counter(static_cast<std::uint16_t>(issuer->counter() + 2));
    }
    std::optional<wire::RemoteKeyStore> remote;
    SecureKeyStore* store = nullptr;
    std::optional<test::TestIssuer> issuer;
    int made = 0;
  };

  DurableStore store_;
  test::TempDir folder_;
  std::unique_ptr<wire::Server> server_;
  std::thread serving_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Every thread makes keys in sessions of its own, and each key is durable before the next one is asked for.
void durable_key_entries(benchmark::State& state, bool served) {
  static std::unique_ptr<Issuance> issuance;
  if (state.thread_index() == 0) issuance = std::make_unique<Issuance>(served, state.threads());
  for (auto _ : state) issuance->create_key(state.thread_index());
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) issuance.reset();
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
BENCHMARK_CAPTURE(durable_key_entries, engine, false)->Threads(1)->Threads(8)->UseRealTime();
BENCHMARK_CAPTURE(durable_key_entries, sksd, true)->Threads(1)->Threads(8)->UseRealTime();
BENCHMARK(bare_session)->UseManualTime();
BENCHMARK(store_session)->UseManualTime();

}  // namespace
}  // namespace sks::bench
