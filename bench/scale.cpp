#include <benchmark/benchmark.h>

#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>

#include "bench/filled_store.h"
#include "sks-core/engine/memory_storage.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/server.h"
#include "sks-core/wire/socket_channel.h"

/// How the size of a store matters: the same steps with 10 and with 100,000 keys.
namespace sks::bench {
namespace {

void key_counts(benchmark::internal::Benchmark* benchmark) { benchmark->Arg(10)->Arg(100000); }

std::uint32_t key_count(const benchmark::State& state) { return static_cast<std::uint32_t>(state.range(0)); }

/// An engine that was just opened over a filled store: on disk, or in memory.
class OpenedStore {
 public:
  OpenedStore(std::uint32_t keys, bool durable) {
    if (durable)
      disk_ = std::move(SqliteStore::open(filled_folder(keys)).value());
    else
      fill(memory_, keys);
    Storage& storage = durable ? static_cast<Storage&>(*disk_) : memory_;
    engine_ = std::move(Engine::open({storage, identity_}).value());
  }
  Engine& engine() { return *engine_; }

 private:
  test::TestIdentity identity_;
  MemoryStorage memory_;
  std::unique_ptr<SqliteStore> disk_;
  std::unique_ptr<Engine> engine_;
};

// Lists the keys one after the other, as a program does that shows them, over and over.
void enumerate(benchmark::State& state, bool durable) {
  OpenedStore store(key_count(state), durable);
  KeyHandle at;
  for (auto _ : state) {
    const std::optional<EnumeratedKey> next = store.engine().enumerate_keys(at).value();
    at = next ? next->handle : KeyHandle{};
  }
}

// The attributes of any key: those of a large store do not fit into the cache.
void attributes(benchmark::State& state, bool durable) {
  OpenedStore store(key_count(state), durable);
  std::mt19937 choice(1);
  std::uniform_int_distribution<std::uint32_t> handles(1, key_count(state));
  for (auto _ : state) SKS_CHECK(static_cast<bool>(store.engine().get_key_attributes(KeyHandle{handles(choice)})));
}

// The same for a program that is served by sksd, through a socket.
void served_attributes(benchmark::State& state) {
  OpenedStore store(key_count(state), true);
  const test::TempDir folder;
  const auto server = wire::Server::open({wire::UnixAddress{folder.file("sks")}}, store.engine(), {}).value();
  std::thread serving([&server] { server->run(); });
  {
    wire::RemoteKeyStore remote(wire::SocketChannel::connect(server->addresses().at(0)).value());
    std::mt19937 choice(1);
    std::uniform_int_distribution<std::uint32_t> handles(1, key_count(state));
    for (auto _ : state) SKS_CHECK(static_cast<bool>(remote.get_key_attributes(KeyHandle{handles(choice)})));
  }
  server->stop();
  serving.join();
}

// The attributes of every key, once, in a store that was just opened: the first look of a program at its keys.
void first_look(benchmark::State& state, bool durable) {
  const std::uint32_t keys = key_count(state);
  std::unique_ptr<OpenedStore> store;
  KeyHandle at;
  for (auto _ : state) {
    if (!at) {
      state.PauseTiming();
      store.reset();
      store = std::make_unique<OpenedStore>(keys, durable);
      state.ResumeTiming();
    }
    const std::optional<EnumeratedKey> next = store->engine().enumerate_keys(at).value();
    at = next ? next->handle : KeyHandle{};
    if (next) SKS_CHECK(static_cast<bool>(store->engine().get_key_attributes(at)));
  }
}

// In a process of its own, so that its memory is that of the open store.
void open_store(benchmark::State& state) {
  const std::string& folder = filled_folder(key_count(state));
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "'" + program + "' --open-store '" + folder + "'";
  double peak = 0;
  for (auto _ : state) {
    std::FILE* const child = popen(command.c_str(), "r");
    SKS_CHECK(child != nullptr);
    double seconds = 0;
    SKS_CHECK(std::fscanf(child, "%lf %lf", &seconds, &peak) == 2);
    SKS_CHECK(pclose(child) == 0);
    state.SetIterationTime(seconds);
  }
  state.counters["peak_bytes"] = peak;
}

BENCHMARK_CAPTURE(enumerate, memory, false)->Apply(key_counts);
BENCHMARK_CAPTURE(enumerate, durable, true)->Apply(key_counts);
BENCHMARK_CAPTURE(attributes, memory, false)->Apply(key_counts);
BENCHMARK_CAPTURE(attributes, durable, true)->Apply(key_counts);
BENCHMARK(served_attributes)->Apply(key_counts)->UseRealTime();
BENCHMARK_CAPTURE(first_look, durable, true)->Apply(key_counts);
BENCHMARK(open_store)->Apply(key_counts)->UseManualTime()->Iterations(5);

}  // namespace
}  // namespace sks::bench
