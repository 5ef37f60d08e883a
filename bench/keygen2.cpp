#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>

#include "keygen2/messages.h"
#include "tests/keygen2/enrolment.h"

/// KeyGen2 without HTTP and database: one enrolment of a P-256 key over an attested session, by each half alone while
/// the other one is off the clock, and the JSON of its messages.
namespace sks::bench {
namespace {

using std::chrono::steady_clock;

// A store that has grown says more about itself than about the protocol.
constexpr int kSessionsPerStore = 500;

/// What one half spends on a session.
class Stopwatch {
 public:
  template <class Work>
  auto run(Work work) {
    const auto start = steady_clock::now();
    auto result = work();
    seconds_ += std::chrono::duration<double>(steady_clock::now() - start).count();
    return result;
  }
  double seconds() const { return seconds_; }

 private:
  double seconds_ = 0;
};

std::string sent(keygen2::Outcome<std::string> message) {
  SKS_CHECK(static_cast<bool>(message));
  return std::move(message).value();
}

/// One enrolment. The issuer's decisions, here to issue a certificate, are part of its time.
struct Times {
  Stopwatch issuer;
  Stopwatch client;

  explicit Times(test::Enrolment& run) {
    client.run([&] {
      run.replace_client();
      return 0;
    });
    std::string message = issuer.run([&] { return run.start(); });
    while (!message.empty()) {
      const std::string response = client.run([&] { return sent(run.to_client(message)); });
      message = issuer.run([&] { return sent(run.to_issuer(response)); });
    }
  }
};

using Half = Stopwatch Times::*;

void session(benchmark::State& state, Half half, bool saves_issuer) {
  std::unique_ptr<test::Enrolment> run;
  int made = 0;
  for (auto _ : state) {
    if (made++ % kSessionsPerStore == 0) run = std::make_unique<test::Enrolment>(test::plan_with_key());
    run->saves_issuer = saves_issuer;
    state.SetIterationTime((Times(*run).*half).seconds());
  }
  state.SetItemsProcessed(state.iterations());
}

/// The messages of one enrolment, in turn from the issuer and from the client.
const std::vector<std::string>& messages() {
  static const std::vector<std::string> all = [] {
    test::Enrolment run(test::plan_with_key());
    run.start();
    run.pass(7);
    return run.messages;
  }();
  return all;
}

template <class T>
T decoded(const std::string& text) {
  return keygen2::IncomingMessage::parse(text, keygen2::kMaxMessageToClient).value().decode<T>().value();
}

/// The messages of one direction, decoded.
struct Requests {
  keygen2::InvocationRequest invocation = decoded<keygen2::InvocationRequest>(messages().at(0));
  keygen2::ProvisioningInitializationRequest initialization =
      decoded<keygen2::ProvisioningInitializationRequest>(messages().at(2));
  keygen2::KeyCreationRequest creation = decoded<keygen2::KeyCreationRequest>(messages().at(4));
  keygen2::ProvisioningFinalizationRequest finalization =
      decoded<keygen2::ProvisioningFinalizationRequest>(messages().at(6));
};

struct Responses {
  keygen2::InvocationResponse invocation = decoded<keygen2::InvocationResponse>(messages().at(1));
  keygen2::ProvisioningInitializationResponse initialization =
      decoded<keygen2::ProvisioningInitializationResponse>(messages().at(3));
  keygen2::KeyCreationResponse creation = decoded<keygen2::KeyCreationResponse>(messages().at(5));
  keygen2::ProvisioningFinalizationResponse finalization =
      decoded<keygen2::ProvisioningFinalizationResponse>(messages().at(7));
};

template <class Messages>
void write(const Messages& out) {
  benchmark::DoNotOptimize(out.invocation.encode());
  benchmark::DoNotOptimize(out.initialization.encode());
  benchmark::DoNotOptimize(out.creation.encode());
  benchmark::DoNotOptimize(out.finalization.encode());
}

/// What a half does with the JSON of a session: it reads one direction and writes the other. Reading includes the
/// decoding of public keys.
template <class Read, class Written>
void json(benchmark::State& state) {
  const Written out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Read());
    write(out);
  }
}

template <class Written>
void json_writing(benchmark::State& state) {
  const Written out;
  for (auto _ : state) write(out);
}

/// Parsing alone, without looking at a single property.
void json_parsing(benchmark::State& state, std::size_t first) {
  for (auto _ : state)
    for (std::size_t i = first; i < messages().size(); i += 2)
      benchmark::DoNotOptimize(keygen2::IncomingMessage::parse(messages()[i], keygen2::kMaxMessageToClient));
}

BENCHMARK_CAPTURE(session, issuer, &Times::issuer, false)->Name("keygen2/issuer session")->UseManualTime();
BENCHMARK_CAPTURE(session, saved, &Times::issuer, true)->Name("keygen2/issuer session, saved")->UseManualTime();
BENCHMARK_CAPTURE(session, client, &Times::client, false)->Name("keygen2/client session")->UseManualTime();
BENCHMARK_TEMPLATE(json, Responses, Requests)->Name("keygen2/issuer JSON");
BENCHMARK_TEMPLATE(json, Requests, Responses)->Name("keygen2/client JSON");
BENCHMARK_TEMPLATE(json_writing, Requests)->Name("keygen2/issuer JSON, writing");
BENCHMARK_TEMPLATE(json_writing, Responses)->Name("keygen2/client JSON, writing");
BENCHMARK_CAPTURE(json_parsing, issuer, 1)->Name("keygen2/issuer JSON, parsing");
BENCHMARK_CAPTURE(json_parsing, client, 0)->Name("keygen2/client JSON, parsing");

}  // namespace
}  // namespace sks::bench
