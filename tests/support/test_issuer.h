#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/crypto/private_key.h"
#include "sks-core/engine/device_identity.h"
#include "sks-core/engine/secure_key_store.h"

/// The issuer's half of sks-api.md chapter 3, written from its formulas and not from the engine's code.
namespace sks::test {

/// A device certificate that signed itself, with its key.
class TestIdentity final : public DeviceIdentity {
 public:
  explicit TestIdentity(std::string_view key_algorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256");
  const std::vector<Bytes>& certificate_path() const override { return path_; }
  Result<Bytes> sign(ByteView data) const override { return key_.sign(data); }
  const crypto::PublicKey& public_key() const { return key_.public_key(); }

 private:
  crypto::PrivateKey key_;
  std::vector<Bytes> path_;
};

/// A new key of a key generation algorithm.
crypto::PrivateKey generate_key(std::string_view algorithm);
/// A certificate for a key, different at every call.
Bytes certify(ByteView spki);
/// Authorizes a new key management key by the existing one. Spec: sks-api.md 3.6.
Bytes roll_over_authorization(const crypto::PrivateKey& kmk, ByteView new_kmk);

/// One provisioning session as its issuer sees it. Requests whose `mac` is empty get the right one; every MAC made and
/// every attestation of a successful call steps the sequence counter.
class TestIssuer {
 public:
  /// A request that a key store accepts, for the ephemeral key of this issuer.
  explicit TestIssuer(SecureKeyStore& store);
  TestIssuer(SecureKeyStore& store, crypto::PrivateKey ephemeral);

  SessionRequest request;

  /// Opens the session and derives the session key. `device_certificate` only matters without privacy.
  Result<ProvisioningHandle> open(ByteView device_certificate = {});
  /// Whether the session attestation is right. `device_key` null: privacy mode.
  bool session_attestation_holds(const crypto::PublicKey* device_key) const;

  Result<PukPolicyHandle> create_puk_policy(PukPolicyRequest puk);
  Result<PinPolicyHandle> create_pin_policy(PinPolicyRequest pin);
  /// Checks the attestation of the new key.
  Result<CreatedKey> create_key_entry(KeyEntryRequest key);
  Result<void> set_certificate_path(const CreatedKey& key, const std::string& id, const std::vector<Bytes>& path);
  /// For keys whose certificate path this issuer has set. `mac` empty: the right one.
  Result<void> import_symmetric_key(KeyHandle key, ByteView encrypted_key, Bytes mac = {});
  Result<void> import_private_key(KeyHandle key, ByteView encrypted_key, Bytes mac = {});
  Result<void> add_extension(KeyHandle key, ExtensionRequest extension);
  /// Operations on keys of closed sessions, authorized by target_authorization().
  Result<void> post_delete_key(TargetAuthorization target);
  Result<void> post_unlock_key(TargetAuthorization target);
  Result<void> post_update_key(KeyHandle key, TargetAuthorization target);
  Result<void> post_clone_key_protection(KeyHandle key, TargetAuthorization target);
  /// For keys of closed sessions, and for keys whose certificate path this issuer has set. `mac` empty: the right one.
  Result<std::uint8_t> activate(KeyHandle target, ByteView authorization = {}, Bytes mac = {});
  Result<std::uint8_t> deactivate(KeyHandle target, ByteView authorization = {}, Bytes mac = {});
  /// Checks the close attestation.
  Result<void> close(ByteView nonce);
  Result<void> close();

  /// Key entry with one certificate.
  Result<CreatedKey> create_certified_key(KeyEntryRequest key);

  Bytes encrypt(ByteView plaintext) const;
  /// Whole blocks that decrypt to these. Zeros at the end are no padding; random bytes decrypt to some at times.
  Bytes encrypt_unpadded(ByteView blocks) const;
  SecureBytes encrypted_pin(std::string_view pin) const;
  /// A signature by the key management key of the session that owns the key with this end-entity certificate. Spec:
  /// sks-api.md 3.6.
  Bytes target_authorization(const crypto::PrivateKey& kmk, ByteView end_entity) const;
  /// The end-entity certificate of a key, as it enters MACs; empty when this issuer has set none.
  const Bytes& end_entity(KeyHandle key) { return end_entities_[key]; }
  /// The MAC that the next call must carry, without making it.
  Bytes mac(std::string_view method, ByteView data) const;

  /// The store that calls go to, another one after a restart.
  void use(SecureKeyStore& store) { store_ = &store; }
  ProvisioningHandle handle() const { return created_.handle; }
  const CreatedSession& created() const { return created_; }
  const SecureBytes& session_key() const { return session_key_; }
  std::uint16_t counter() const { return counter_; }
  void set_counter(std::uint16_t counter) { counter_ = counter; }

 private:
  Bytes device_id() const;
  Bytes names() const;
  Bytes take_mac(std::string_view method, ByteView data);
  ActivationRequest activation(std::string_view method, KeyHandle target, ByteView authorization, Bytes mac);
  void fill_mac(std::string_view method, TargetAuthorization& target, ByteView new_end_entity);
  Bytes import_mac(std::string_view method, KeyHandle key, ByteView encrypted_key);

  SecureKeyStore* store_;
  crypto::PrivateKey ephemeral_;
  Bytes device_certificate_;
  CreatedSession created_;
  SecureBytes session_key_;
  std::uint16_t counter_ = 0;
  std::map<PukPolicyHandle, std::string> puk_ids_;
  struct KnownPolicy {
    std::string id;
    bool user_defined;
  };
  std::map<PinPolicyHandle, KnownPolicy> pin_policies_;
  std::map<KeyHandle, Bytes> end_entities_;
};

}  // namespace sks::test
