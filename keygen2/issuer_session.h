#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "keygen2/failure.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/x509.h"

namespace sks::keygen2 {

/// What an issuer wants created. Enumerations are the bytes of keygen2.md 4.14.
struct KeySpec {
  std::uint8_t app_usage = 0;
  std::string key_algorithm;  ///< SKS URI
  Bytes key_parameters;
  std::string friendly_name;
  std::vector<std::string> endorsed_algorithms;  ///< sorted on use
  std::uint8_t export_protection = 3;
  std::uint8_t delete_protection = 0;
  std::uint8_t biometric_protection = 0;
  bool enable_pin_caching = false;
  bool device_pin_protection = false;     ///< only outside a PIN policy
  std::optional<SecureBytes> preset_pin;  ///< only under a PIN policy; for all of its keys or for none
};

struct PinPolicySpec {
  std::uint16_t min_length = 4;
  std::uint16_t max_length = 8;
  std::uint16_t retry_limit = 3;
  std::uint8_t format = 0;
  bool user_modifiable = true;
  std::uint8_t grouping = 0;
  std::uint8_t input_method = 0;
  std::uint8_t pattern_restrictions = 0;
  std::vector<KeySpec> keys;
};

struct PukPolicySpec {
  SecureBytes puk;
  std::uint16_t retry_limit = 3;
  std::uint8_t format = 0;
  std::vector<PinPolicySpec> pin_policies;
};

struct IssuancePlan {
  std::string issuer_uri;
  bool privacy_enabled = false;
  std::uint16_t session_life_time = 10000;  ///< seconds
  Bytes key_management_key;                 ///< SPKI or empty
  std::vector<PukPolicySpec> puk_policies;
  std::vector<PinPolicySpec> pin_policies;  ///< without PUK
  std::vector<KeySpec> keys;                ///< without PIN policy
};

/// A key that the client has created and attested, in message order.
struct AttestedKey {
  std::string id;     ///< "Key.1", ...
  std::size_t index;  ///< position in message order (keygen2.md 4.8)
  crypto::PublicKey public_key;
};

/// What the issuer has to decide while a session runs. Failing ends the session with POLICY.
class IssuerDecisions {
 public:
  virtual ~IssuerDecisions() = default;
  /// Device certificate path, device first; asked before anything else of the response is used.
  virtual Result<void> accept_device(const std::vector<Bytes>& path) = 0;
  /// The certificate path (DER, end entity first) for a key.
  virtual Result<std::vector<Bytes>> certify(const AttestedKey& key) = 0;
};

struct IssuerContext {
  const Clock& clock;
  const Random& random;
  /// DER of every TLS leaf certificate the issuer may have shown (keygen2.md 9.1).
  std::vector<Bytes> server_certificates;
};

enum class IssuerPhase : std::uint8_t { invocation, initialization, key_creation, finalization, done };

/// One run of KeyGen2 as the issuer sees it. Takes a message, gives the next one; no I/O.
///
/// Between two messages a run is bytes: save() and restore() carry it over processes. Those bytes hold the session key,
/// so they are sealed by whoever keeps them.
class IssuerSession {
 public:
  /// Starts a run for `plan`. Fails with value when the plan breaks a rule of keygen2.md 4.9 or 4.14.
  static Outcome<IssuerSession> start(const IssuancePlan& plan, const IssuerContext& context);
  static Outcome<IssuerSession> restore(const SecureBytes& saved);
  SecureBytes save() const;

  IssuerSession(IssuerSession&&) noexcept;
  IssuerSession& operator=(IssuerSession&&) noexcept;
  ~IssuerSession();

  /// The first message: InvocationRequest.
  std::string invocation_request() const;

  /// Handles the next response and returns the next request; empty when the run is done and its credentials are valid.
  /// Fails with the class of the first check of keygen2.md 1.5 that does not hold; the run is then useless and its
  /// secrets are wiped.
  Outcome<std::string> receive(std::string_view message, IssuerDecisions& decisions, const IssuerContext& context);

  IssuerPhase phase() const;
  const std::string& server_session_id() const;
  const std::string& client_session_id() const;   ///< empty before initialization
  const std::vector<Bytes>& device_path() const;  ///< empty in privacy mode or before initialization

 private:
  struct Impl;
  explicit IssuerSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::keygen2
