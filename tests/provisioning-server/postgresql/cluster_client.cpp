// Runs many enrolments at the same time against issuers behind a load balancer, each on a device of its own, and
// repeats every request word for word until it is answered.
//
// usage: cluster_client CA_FILE <LINES
// A line: URL of the first GET, main URL, and cookie, with a space in between. For each of them one line comes out as
// soon as it is over: "complete FINGERPRINT..." with the certificates that the device has got, or "failed REASON".

#include <atomic>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "attestation/device_identity.h"
#include "key-user-api/cli/https_client.h"
#include "key-user-api/cli/reply.h"
#include "keygen2/client_session.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/engine/engine.h"
#include "sks-core/engine/memory_storage.h"

namespace sks::test {
namespace {

/// Longer than any machine needs, so that a request nobody ever answers ends the program.
constexpr auto kPatience = std::chrono::minutes(4);
constexpr auto kPause = std::chrono::milliseconds(50);

struct Link {
  cli::Url init;
  cli::Url main;
  std::string issuer_uri;
  std::string cookie;
};

class Dialog final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string&) override {
    return SecureBytes::copy_of(as_bytes("482913"));
  }
  bool accept_many_keys(std::size_t) override { return true; }
};

/// Every request over a connection of its own, so that the load balancer hands it to whomever it likes.
class RepeatingClient {
 public:
  RepeatingClient(std::string ca_file, const Link& link) : ca_file_(std::move(ca_file)), link_(link) {}

  /// The next message, or nothing when the issuer has ended the session as it should.
  Result<std::optional<std::string>> exchange(cli::HttpRequest request) {
    request.cookie = link_.cookie;
    std::string problem = "no answer";
    while (std::chrono::steady_clock::now() < deadline_) {
      SKS_LET(const std::unique_ptr<cli::HttpsClient> client, cli::HttpsClient::create({ca_file_}));
      const auto response = client->exchange(request);
      if (!response) {
        // Cut off in the middle of a handshake, TLS cannot tell a server that was killed from one that misbehaves.
        problem = response.error().detail;
        std::this_thread::sleep_for(kPause);
        continue;
      }
      server_certificate_ = client->server_certificate();
      const cli::Reply reply = cli::classify(*response, request.url, system_clock().now());
      if (std::holds_alternative<cli::MessageReply>(reply)) return std::optional(response->body);
      if (const auto* const end = std::get_if<cli::TerminationReply>(&reply)) {
        if (end->location.find("outcome=complete") != std::string::npos) return std::optional<std::string>();
        return Error{Status::external, "ended at " + end->location};
      }
      if (const auto* const bad = std::get_if<cli::BadReply>(&reply)) return Error{Status::external, bad->detail};
      problem = std::get<cli::BusyReply>(reply).detail;
      std::this_thread::sleep_for(kPause);
    }
    return Error{Status::external, problem};
  }
  const Bytes& server_certificate() const { return server_certificate_; }

 private:
  const std::string ca_file_;
  const Link& link_;
  const std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + kPatience;
  Bytes server_certificate_;
};

Result<std::string> fingerprints_of(Engine& engine) {
  std::string found;
  KeyHandle handle;
  for (;;) {
    SKS_LET(const auto next, engine.enumerate_keys(handle));
    if (!next) return found;
    handle = next->handle;
    SKS_LET(const auto attributes, engine.get_key_attributes(handle));
    found += ' ' + to_hex(crypto::sha256(attributes.certificate_path.front()));
  }
}

Result<std::string> enrol(const std::string& ca_file, const Link& link) {
  MemoryStorage storage;
  SKS_LET(attestation::SoftwareIdentity identity,
          attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, system_clock()));
  SKS_LET(const std::unique_ptr<Engine> engine,
          Engine::open({storage, identity, system_key_source(), system_random(), system_clock()}));
  RepeatingClient issuer(ca_file, link);
  SKS_LET(std::optional<std::string> message, issuer.exchange({cli::HttpRequest::Method::get, link.init, "", ""}));
  Dialog dialog;
  keygen2::ClientSession client(*engine, dialog, system_clock(),
                                {link.issuer_uri, link.main.host, issuer.server_certificate()});
  while (message) {
    auto answer = client.receive(*message);
    if (!answer) return Error{Status::external, answer.error().detail};
    SKS_LET(message, issuer.exchange({cli::HttpRequest::Method::post, link.main, "", *answer}));
  }
  if (!client.terminated()) return Error{Status::external, "ended too early"};
  return fingerprints_of(*engine);
}

Result<Link> parse_link(const std::string& line) {
  std::istringstream words(line);
  std::string init;
  std::string main;
  std::string cookie;
  words >> init >> main >> cookie;
  SKS_LET(cli::Url first, cli::parse_url(init));
  SKS_LET(cli::Url later, cli::parse_url(main));
  return Link{std::move(first), std::move(later), main, cookie};
}

int run(const std::string& ca_file) {
  std::mutex lock;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (std::string line; std::getline(std::cin, line);)
      threads.emplace_back([&, line] {
        const auto once = [&]() -> Result<std::string> {
          SKS_LET(const Link link, parse_link(line));
          return enrol(ca_file, link);
        };
        const auto done = once();
        if (!done) ++failures;
        const std::lock_guard guard(lock);
        std::cout << (done ? "complete" + *done : "failed " + done.error().detail) << std::endl;
      });
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sks::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: cluster_client CA_FILE <LINES\n";
    return 2;
  }
  return sks::test::run(argv[1]);
}
