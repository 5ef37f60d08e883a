#pragma once

#include <functional>
#include <optional>

#include "sks-core/wire/channel.h"
#include "tests/keygen2/enrolment.h"

/// A device that goes through many runs, against issuers that manage what they have issued.
namespace sks::test {

/// A user who follows a script, and remembers what was said.
class LabUser final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;
  bool disclose(const std::vector<std::string>& attributes) override;
  void alert(const std::string& sentence) override { alerts.push_back(sentence); }
  void creating_key(const keygen2::KeyCreationProgress& progress) override;

  bool agrees = true;
  bool discloses = true;
  std::optional<std::string> pin = "2468";  ///< none: cancels
  bool throws = false;                      ///< instead of answering anything
  std::vector<keygen2::ConsentRequest> consents;
  std::vector<std::vector<std::string>> disclosures;
  std::vector<std::string> alerts;
  std::vector<keygen2::KeyCreationProgress> progress;
};

/// An issuer that certifies every key and recognizes everything it is shown. Two functions add what a test wants.
class LabDecisions final : public keygen2::IssuerDecisions {
 public:
  Result<void> accept_device(const crypto::CertificatePath&) override { return {}; }
  Result<keygen2::CredentialSpec> certify(const keygen2::AttestedKey& key) override;
  Result<Bytes> sign(ByteView key_management_key, ByteView data) override;
  Result<void> recognize(const keygen2::FoundKey&) override { return {}; }
  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>& found) override;

  /// A new P-256 or RSA key management key; its SPKI.
  Bytes new_management_key(const char* algorithm = kP256);
  const crypto::PrivateKey& management_key(ByteView spki) const;

  std::function<void(keygen2::CredentialSpec&)> adapt;  ///< a credential before it is delivered
  std::function<keygen2::Management(const std::vector<keygen2::FoundKey>&)> decide;
  std::vector<keygen2::FoundKey> found;  ///< by the last discovery

 private:
  std::vector<crypto::PrivateKey> management_keys_;
};

/// The byte stream to a key store, under a test's control.
class WatchedChannel final : public wire::Channel {
 public:
  explicit WatchedChannel(SecureKeyStore& store) : store_(store) {}
  Result<SecureBytes> transact(ByteView request) override;

  std::vector<std::string> calls;        ///< names of methods
  std::optional<std::string> fails_at;   ///< this method breaks the connection instead of running
  std::optional<std::string> throws_at;  ///< this one runs out of memory
  bool has_extensions = true;            ///< knows the methods of sks-extensions.md

 private:
  SecureKeyStore& store_;
};

class ClientLab {
 public:
  ClientLab();

  /// A run of a new client and issuer; `last` is then its first message.
  void start(const keygen2::IssuancePlan& plan);
  /// Passes `count` messages on, from the last one; gives the new last one. Ends the test on a failure.
  std::string pass(int count);
  keygen2::Outcome<std::string> to_client(const std::string& message) { return client->receive(message); }
  /// The rest of a run, with `last` as a message to the client.
  void finish();
  /// A whole run.
  void run(const keygen2::IssuancePlan& plan);
  /// A new client that knows nothing of earlier runs.
  void new_client();

  /// One key under a PIN policy and one without, managed by `management_key`.
  keygen2::IssuancePlan plan(Bytes management_key) const;
  /// The same after a lookup of all keys under `old_management_key`.
  keygen2::IssuancePlan discovery_plan(Bytes management_key, Bytes old_management_key) const;

  /// All that the key store tells about its sessions and keys.
  std::string contents();
  std::vector<SessionInfo> sessions(SessionState state);
  std::vector<KeyHandle> keys();
  bool signs(KeyHandle key, std::string_view pin);

  FakeClock clock{kNow};
  InMemoryStorage storage;
  attestation::SoftwareIdentity identity;
  std::unique_ptr<Engine> store;
  LabUser user;
  LabDecisions decisions;
  keygen2::ClientContext context{kIssuerUri, "issuer.example.com", Bytes{1, 2, 3}};
  std::unique_ptr<SecureKeyStore> remote;  ///< what the client calls, over `channel`
  WatchedChannel* channel = nullptr;
  std::optional<keygen2::ClientSession> client;
  std::optional<keygen2::IssuerSession> issuer;
  std::string last;
  bool to_client_next = true;
};

/// What an issuer knows of a key that a lookup has found.
keygen2::TargetKey target_of(const keygen2::FoundKey& found, ByteView management_key);

/// Which failure an outcome is, for comparing: "none" if it is none.
template <class T>
std::string failure_class(const keygen2::Outcome<T>& outcome) {
  return std::string(outcome ? "none" : to_string(outcome.error().error_class));
}

}  // namespace sks::test
