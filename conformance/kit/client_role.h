#pragma once

#include "conformance/kit/device.h"
#include "conformance/kit/placeholders.h"
#include "conformance/kit/scenario.h"

/// The client that an issuer is examined with. It judges what the issuer asks for, and does it with a key store of its
/// own, which judges every MAC.
namespace sks::conformance {

/// One session.
class ClientRole {
 public:
  /// `certificate` is the DER of the issuer's TLS leaf. The session member of a scenario's steps says what the key
  /// store is to do otherwise: clock, privacy, exponent, issuer_uri, certificate.
  ClientRole(Device& device, std::string issuer_uri, Bytes certificate, Json otherwise);

  /// Judges a message of the issuer and gives the response. Whatever is wrong adds findings; none is given when nothing
  /// can be answered.
  std::optional<Json> answer(const std::string& text, Findings& findings);

  /// Makes the attestations in the last response once more, after it was edited: they are then right for what it holds.
  /// Fails with option when what it holds cannot be attested.
  Result<void> attest(Json& response) const;

  /// Whether the last response was that of a closed session.
  bool finished() const { return phase_ == Phase::finished; }
  const std::string& client_session_id() const { return client_session_id_; }
  /// The credentials that were issued, as a CredentialDiscoveryResponse lists them. Only after the session.
  Json issued();
  /// For the values of edits.
  Placeholders& placeholders() { return placeholders_; }

 private:
  enum class Phase : std::uint8_t { start, invoked, initialized, discovered, created, finished };
  struct Handler;
  class Creator;
  class KeyCounter;
  static const std::vector<Handler>& handlers();

  bool answer_invocation(const Node& request, Json& response);
  bool answer_initialization(const Node& request, Json& response);
  bool answer_discovery(const Node& request, Json& response);
  bool answer_creation(const Node& request, Json& response);
  bool answer_finalization(const Node& request, Json& response);

  Json answer_capability(const std::string& query, const DeviceInfo& device) const;
  Result<CreatedSession> create_session(const Node& request, std::uint32_t time);
  bool roll_over(const Node& newer, const Node& older_ones);
  Json find_credentials(const Bytes& management_key);
  bool finish_credential(const Node& credential);
  bool import_keys(const Node& credential, KeyHandle key);
  bool add_extensions(const Node& credential, KeyHandle key);
  bool run_post_operations(const Node& request);
  std::optional<KeyHandle> find_target(const Node& target);
  void check_certificate(const Node& credential, const std::vector<Bytes>& path);
  bool accept(const Node& at, const std::string& call, const Result<void>& result);
  Result<void> attest_session(Json& response) const;
  Result<void> attest_keys(Json& response) const;
  Result<SecureBytes> session_key() const;
  SecureKeyStore& store() { return device_.store(); }

  Device& device_;
  std::string issuer_uri_;
  Bytes certificate_;
  Json otherwise_;
  Placeholders placeholders_;
  std::map<std::string, crypto::PrivateKey> keys_;
  Phase phase_ = Phase::start;
  std::string server_session_id_;
  std::string client_session_id_;
  bool privacy_ = false;
  std::string action_;
  ProvisioningHandle session_;
  SecureBytes ephemeral_key_;             ///< of the client, in PKCS #8
  std::map<std::string, Json> asked_;     ///< messages of the issuer, by @qualifier
  std::map<std::string, Bytes> created_;  ///< public keys by id
};

}  // namespace sks::conformance
