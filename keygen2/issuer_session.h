#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "keygen2/messages.h"
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
  Bytes server_seed;  ///< at most 64 bytes
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

/// Keys to be created, with the policies around them.
struct KeyPlan {
  std::vector<PukPolicySpec> puk_policies;
  std::vector<PinPolicySpec> pin_policies;  ///< without PUK
  std::vector<KeySpec> keys;                ///< without PIN policy
};

/// Keys of earlier sessions that the client is asked to look for: those of sessions with this key management key.
struct LookupSpec {
  Bytes key_management_key;            ///< SPKI of an RSA or P-256 key, which signs the lookup
  std::optional<SearchFilter> filter;  ///< absent: all of them
};

/// A key management key of an older generation, to be replaced by the one above it. Spec: keygen2.md 7.10.
struct RollOver {
  Bytes key_management_key;     ///< SPKI
  Bytes authorization;          ///< by this key over the one above it; made beforehand
  std::vector<RollOver> older;  ///< keys to be replaced by this one
};

/// What a session may do beyond creating and certifying its keys, at most. The use of the session key is limited before
/// the issuer knows what it will find. Spec: keygen2.md 7.9.
struct SessionReserve {
  std::uint16_t imported_keys = 0;
  std::uint16_t extensions = 0;  ///< of all kinds but the encrypted ones
  std::uint16_t encrypted_extensions = 0;
  std::uint16_t target_operations =
      0;  ///< updates, clones, keys delivered suspended, and what TargetOperations contains
};

struct IssuancePlan : KeyPlan {
  std::string issuer_uri;
  std::uint8_t action = 0;  ///< position in kActions; with unlock no keys are created
  bool privacy_enabled = false;
  std::vector<std::string> preferred_languages;
  std::vector<std::uint8_t> target_key_containers;  ///< positions in kKeyContainers
  /// Asked beside what the plan needs; the answers are for IssuerDecisions.
  std::vector<std::string> capability_queries;
  std::uint16_t session_life_time = 10000;  ///< seconds
  Bytes key_management_key;                 ///< SPKI or empty: the keys can never be managed then
  std::vector<RollOver> roll_overs;         ///< keys to be replaced by key_management_key
  std::vector<LookupSpec> lookups;          ///< empty: no discovery
  bool deferred_issuance = false;           ///< the session is suspended when the keys are created
  SessionReserve reserve;
};

/// A key that the client has created and attested, in message order.
struct AttestedKey {
  std::string id;     ///< "Key.1", ...
  std::size_t index;  ///< position in message order (keygen2.md 4.8)
  crypto::PublicKey public_key;
};

/// A key of an earlier session that an operation is for.
struct TargetKey {
  Bytes certificate;                      ///< DER of its end-entity certificate
  SessionIds owner;                       ///< the session that owns it now
  Bytes key_management_key;               ///< SPKI: the one under which a lookup has found it
  std::optional<std::uint8_t> app_usage;  ///< where the issuer knows it: an update must keep it
};

/// What happens to keys of earlier sessions when the session closes. Spec: keygen2.md 7.11, sks-extensions.md.
struct TargetOperations {
  std::vector<TargetKey> unlock;
  std::vector<TargetKey> remove;
  std::vector<TargetKey> activate;    ///< only when the client has announced kKeySuspension
  std::vector<TargetKey> deactivate;  ///< likewise
};

/// What an issuer decides after discovery.
struct Management {
  TargetOperations operations;
  std::optional<KeyPlan> keys;  ///< instead of those of the plan; an empty one creates none
};

/// An object beside the certificate. Spec: keygen2.md 4.12.
struct ExtensionSpec {
  std::uint8_t kind = 0;  ///< position in kExtensionKinds
  std::string type;       ///< URI
  std::string mime_type;  ///< of a logotype
  SecureBytes content;    ///< of all but property bags; of an encrypted extension the plaintext
  std::vector<Property> properties;
};

/// What a key gets.
struct CredentialSpec {
  crypto::CertificatePath certificate_path;
  bool trust_anchor = false;                 ///< the last certificate is one; self-signed and a CA
  std::optional<SecureBytes> symmetric_key;  ///< 1..128 bytes; excludes private_key
  std::optional<SecureBytes> private_key;    ///< PKCS #8; the certificate certifies this key
  std::vector<ExtensionSpec> extensions;
  std::optional<TargetKey> update;  ///< the key whose place the new one takes; excludes clone
  std::optional<TargetKey> clone;   ///< the key whose PIN the new one shares
  bool deactivated = false;         ///< delivered suspended; only when the client has announced kKeySuspension
};

/// A key that a lookup has found. Client data that nothing vouches for.
struct FoundKey {
  std::size_t lookup;  ///< position in IssuancePlan::lookups
  MatchingCredential credential;
};

/// What the issuer has to decide while a session runs. Failing ends the session with POLICY, where nothing else is
/// said.
class IssuerDecisions {
 public:
  virtual ~IssuerDecisions() = default;
  /// Device certificate path with sound links; asked before anything else of the response is used.
  virtual Result<void> accept_device(const crypto::CertificatePath& path) = 0;
  /// Whether no session of this issuer has this client session id yet. Failing ends the session with SESSION. An issuer
  /// that does not say may also refuse to record the session.
  virtual Result<void> accept_client_session(std::string_view client_session_id);
  /// What a key gets. Fails also for a public key that another entry was certified for.
  virtual Result<CredentialSpec> certify(const AttestedKey& key) = 0;
  /// Signs with a key management key: RSA PKCS#1 v1.5 or raw ECDSA, with SHA-256. For lookups and target keys.
  virtual Result<Bytes> sign(ByteView key_management_key, ByteView data);
  /// Whether a found key is one of this issuer's, with the session ids on record.
  virtual Result<void> recognize(const FoundKey& key);
  /// What to do about the keys that were found, all of them recognized; in the order of the answers.
  virtual Result<Management> manage(const std::vector<FoundKey>& found);
};

struct IssuerContext {
  const Clock& clock;
  const Random& random;
  /// DER of every TLS leaf certificate the issuer may have shown (keygen2.md 9.1).
  std::vector<Bytes> server_certificates;
};

/// What a session waits for. suspended: for resume().
enum class IssuerPhase : std::uint8_t {
  invocation,
  initialization,
  discovery,
  key_creation,
  suspended,
  finalization,
  done,
};

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

  /// Handles the next response and returns the next request; empty when the run is done and its credentials are valid,
  /// or when it is suspended. Fails with the class of the first check of keygen2.md 1.5 that does not hold; the run is
  /// then useless and its secrets are wiped.
  Outcome<std::string> receive(std::string_view message, IssuerDecisions& decisions, const IssuerContext& context);

  /// The request that a suspended run goes on with. Fails with state when the run is not suspended, with session when
  /// its life time is over, or as receive() does. Spec: keygen2.md 8.8.
  Outcome<std::string> resume(IssuerDecisions& decisions, const IssuerContext& context);

  IssuerPhase phase() const;
  /// When the session key expires, in seconds since 1970; 0 before initialization.
  std::int64_t expires() const;
  /// Answers to all queries; empty before they have come. A run that fails because a needed one is missing keeps them.
  const std::vector<ClientCapability>& capabilities() const;
  const std::string& server_session_id() const;
  const std::string& client_session_id() const;   ///< empty before initialization
  const std::vector<Bytes>& device_path() const;  ///< empty in privacy mode or before initialization

 private:
  struct Impl;
  explicit IssuerSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::keygen2
