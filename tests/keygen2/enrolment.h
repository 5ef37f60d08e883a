#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attestation/device_identity.h"
#include "keygen2/client_session.h"
#include "keygen2/issuer_session.h"
#include "sks-core/engine/engine.h"
#include "tests/support/fakes.h"
#include "tests/support/storage_fakes.h"

/// A device, its user and an issuer in one process, and the messages between them.
namespace sks::test {

inline constexpr std::int64_t kNow = 1800000000;  // 2027-01-15T08:00:00Z
inline constexpr const char* kIssuerUri = "https://issuer.example.com/kg2";
inline constexpr const char* kP256 = "https://webpki.github.io/sks/algorithm#ec.nist.p256";
inline constexpr const char* kRsa2048 = "https://webpki.github.io/sks/algorithm#rsa2048";
inline constexpr const char* kEcdsaSha256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
inline constexpr const char* kEcdsaSha384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
inline constexpr const char* kRsaSha256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

SecureBytes secret(std::string_view text);

/// A user who gives the queued answers, and then cancels.
class ScriptedUser final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;
  void alert(const std::string& sentence) override { alerts.push_back(sentence); }

  bool agrees = true;
  bool accepts_many = false;
  std::deque<std::string> pins;
  bool runs_out_of_memory = false;  ///< instead of answering
  std::vector<keygen2::ConsentRequest> consents;
  std::vector<keygen2::PinRequest> requests;
  std::vector<std::string> problems;
  std::vector<std::string> alerts;
  std::size_t many = 0;
};

/// A certificate authority that certifies every attested key, and the signer for its key management keys.
class TestAuthority final : public keygen2::IssuerDecisions {
 public:
  TestAuthority();
  Result<void> accept_device(const crypto::CertificatePath& path) override;
  Result<void> accept_client_session(std::string_view client_session_id) override;
  Result<keygen2::CredentialSpec> certify(const keygen2::AttestedKey& key) override;
  Result<Bytes> sign(ByteView key_management_key, ByteView data) override;
  Result<void> recognize(const keygen2::FoundKey& key) override;
  Result<keygen2::Management> manage(const std::vector<keygen2::FoundKey>& keys) override;

  /// A new key management key; gives its SPKI.
  Bytes add_management_key(const char* algorithm = kP256);
  /// An older key that gives way to a newer one, with whatever rolls over to the older one.
  keygen2::RollOver roll_over(const Bytes& older, const Bytes& newer, std::vector<keygen2::RollOver> oldest = {});
  crypto::Certificate certificate_for(const crypto::PublicKey& key, const std::string& name) const;

  bool accepts = true;
  bool certifies = true;
  bool mistakes_key = false;  ///< certifies its own key instead
  bool runs_out_of_memory = false;
  std::size_t more_certificates = 0;  ///< of the authority itself, at the end of each path
  bool recognizes = true;
  std::vector<std::string> client_sessions_on_record;
  /// Changes what a key gets.
  std::function<void(const keygen2::AttestedKey&, keygen2::CredentialSpec&)> adjust;
  /// Decides about the keys that were found; without it, nothing happens to them.
  std::function<keygen2::Management(const std::vector<keygen2::FoundKey>&)> decide;
  std::vector<std::vector<Bytes>> devices;
  std::vector<std::string> certified;
  std::vector<keygen2::FoundKey> found;  ///< of the last discovery

 private:
  crypto::PrivateKey key_;
  crypto::Certificate certificate_;
  crypto::CertificatePath path_;
  std::map<Bytes, crypto::PrivateKey> management_keys_;  // by SPKI
};

/// Specs of keys and policies to vary.
keygen2::KeySpec key_spec(const char* algorithm = kP256, std::uint8_t app_usage = 1);
keygen2::IssuancePlan plan_with_key();
/// A plan without keys that looks for all keys of `key_management_key`, and stays manageable with it.
keygen2::IssuancePlan plan_with_lookup(const Bytes& key_management_key);

/// A key that a lookup of `plan` has found, as the target of an operation.
keygen2::TargetKey target_of(const keygen2::FoundKey& key, const keygen2::IssuancePlan& plan);

class Enrolment {
 public:
  explicit Enrolment(keygen2::IssuancePlan issuance_plan, const EngineConfig& config = {});

  /// Starts the issuer; gives the first message.
  std::string start();
  /// Ends the run and starts another one on the same device.
  std::string start_another(keygen2::IssuancePlan next);
  /// Passes `count` messages on, from the last one; gives the new last one. Ends the test on a failure.
  std::string pass(int count);
  /// Passes messages on until the issuer has no more.
  void pass_all();
  keygen2::Outcome<std::string> to_client(const std::string& message);
  keygen2::Outcome<std::string> to_issuer(const std::string& message);
  /// The issuer goes on with a suspended run.
  keygen2::Outcome<std::string> resume_issuer();
  /// A client that knows nothing of the run before, as after a restart.
  void replace_client();

  std::size_t count_sessions(SessionState state);
  std::vector<KeyHandle> keys();

  keygen2::IssuancePlan plan;
  FakeClock clock{kNow};
  FakeClock issuer_clock{kNow};
  InMemoryStorage storage;
  attestation::SoftwareIdentity identity;
  ScriptedKeySource key_source;
  std::unique_ptr<Engine> store;
  ScriptedUser user;
  TestAuthority authority;
  std::vector<Bytes> server_certificates{Bytes{1, 2, 3}};
  std::optional<keygen2::ClientSession> client;
  std::optional<keygen2::IssuerSession> issuer;
  /// The issuer is saved and restored before each message.
  bool saves_issuer = false;
  std::string last;
  std::vector<std::string> messages;

 private:
  keygen2::IssuerContext issuer_context() { return {issuer_clock, system_random(), server_certificates}; }
  int passed_ = 0;
};

}  // namespace sks::test
