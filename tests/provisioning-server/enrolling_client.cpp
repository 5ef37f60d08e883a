#include "tests/provisioning-server/enrolling_client.h"

#include <chrono>
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

class Dialog final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string&) override {
    return SecureBytes::copy_of(as_bytes("482913"));
  }
  bool accept_many_keys(std::size_t) override { return true; }
};

class RepeatingClient {
 public:
  RepeatingClient(std::string ca_file, const EnrolmentLink& link, Connections connections)
      : ca_file_(std::move(ca_file)), link_(link), connections_(connections) {}

  /// The next message, or nothing when the issuer has ended the session as it should.
  Result<std::optional<std::string>> exchange(cli::HttpRequest request) {
    request.cookie = link_.cookie;
    std::string problem = "no answer";
    for (; std::chrono::steady_clock::now() < deadline_; std::this_thread::sleep_for(kPause)) {
      if (client_ == nullptr || connections_ == Connections::one_each) {
        SKS_LET(client_, cli::HttpsClient::create({ca_file_}));
      }
      const auto response = client_->exchange(request);
      if (!response) {
        // Cut off in the middle of a handshake, TLS cannot tell a server that was killed from one that misbehaves.
        problem = response.error().detail;
        continue;
      }
      server_certificate_ = client_->server_certificate();
      const cli::Reply reply = cli::classify(*response, request.url, system_clock().now());
      if (std::holds_alternative<cli::MessageReply>(reply)) return std::optional(response->body);
      if (const auto* const end = std::get_if<cli::TerminationReply>(&reply)) {
        if (end->location.find("outcome=complete") != std::string::npos) return std::optional<std::string>();
        return Error{Status::external, "ended at " + end->location};
      }
      if (const auto* const bad = std::get_if<cli::BadReply>(&reply)) return Error{Status::external, bad->detail};
      problem = std::get<cli::BusyReply>(reply).detail;
    }
    return Error{Status::external, problem};
  }
  const Bytes& server_certificate() const { return server_certificate_; }

 private:
  const std::string ca_file_;
  const EnrolmentLink& link_;
  const Connections connections_;
  const std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + kPatience;
  std::unique_ptr<cli::HttpsClient> client_;
  Bytes server_certificate_;
};

Result<std::vector<std::string>> fingerprints_of(Engine& engine) {
  std::vector<std::string> found;
  KeyHandle handle;
  for (;;) {
    SKS_LET(const auto next, engine.enumerate_keys(handle));
    if (!next) return found;
    handle = next->handle;
    SKS_LET(const auto attributes, engine.get_key_attributes(handle));
    found.push_back(to_hex(crypto::sha256(attributes.certificate_path.front())));
  }
}

}  // namespace

Result<std::vector<std::string>> enrol_new_device(const std::string& ca_file, const EnrolmentLink& link,
                                                  Connections connections) {
  MemoryStorage storage;
  SKS_LET(attestation::SoftwareIdentity identity,
          attestation::SoftwareIdentity::create("Test device", attestation::AttestationKeyType::p256, system_clock()));
  SKS_LET(const std::unique_ptr<Engine> engine,
          Engine::open({storage, identity, system_key_source(), system_random(), system_clock()}));
  RepeatingClient issuer(ca_file, link, connections);
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

}  // namespace sks::test
