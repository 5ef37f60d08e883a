#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keygen2/messages.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks {

/// The issuer of what the owner of a key store puts there without anybody else. It names no host: nobody could be asked
/// there. Spec: spec/backup.md chapter 5.
inline constexpr std::string_view kLocalIssuerUri = "urn:sks:local-issuer";

/// An issuer inside of this process: keys that are not enrolled take the same path into the key store as those that
/// are, through one provisioning session whose MACs it makes and whose attestations it verifies.
///
/// Nothing lasts before close() succeeds; an object that dies before aborts its session. Without a key management key
/// no issuer can manage the keys later. Every method fails as the method of the key store that it calls, which then has
/// aborted the session, or with crypto when an attestation is wrong. Only close() waits for a disk: what it makes
/// durable comes after everything else of the session.
class LocalIssuer {
 public:
  /// The most uses of the session key that an issuer may ask for, sks-api.md 3.7.
  static constexpr std::size_t kOperations = 32767;

  /// `key_management_key`: SPKI, or empty.
  static Result<LocalIssuer> open(SecureKeyStore& store, const Clock& clock = system_clock(),
                                  const Random& random = system_random(), ByteView key_management_key = {});

  LocalIssuer(LocalIssuer&& other) noexcept;
  LocalIssuer& operator=(LocalIssuer&&) = delete;
  ~LocalIssuer();

  /// `encrypted_puk` holds `puk` from then on; neither it nor `mac` need be set.
  Result<PukPolicyHandle> create_puk_policy(keygen2::PukPolicySpecifier& policy, const SecureBytes& puk);

  struct PukChoice {
    const keygen2::PukPolicySpecifier* policy = nullptr;
    PukPolicyHandle handle;
  };
  /// A policy for PINs that the user chooses. `mac` need not be set. `puk` as it is: no PUK.
  Result<PinPolicyHandle> create_pin_policy(const keygen2::PinPolicySpecifier& pin, const PukChoice& puk);

  struct PinChoice {
    const keygen2::PinPolicySpecifier* policy = nullptr;
    PinPolicyHandle handle;
    const SecureBytes* value = nullptr;
  };
  /// `pin` as it is: no PIN. `mac` need not be set.
  Result<CreatedKey> create_key(const keygen2::KeyEntrySpecifier& key, const PinChoice& pin);

  /// For keys of create_key(), each once and before what follows.
  Result<void> set_certificate_path(const CreatedKey& key, const std::string& id, const std::vector<Bytes>& path);

  Result<void> import_private_key(KeyHandle key, const SecureBytes& pkcs8);
  Result<void> import_symmetric_key(KeyHandle key, const SecureBytes& value);

  struct ClearExtension {
    std::string_view type;
    std::uint8_t sub_type;
    std::string_view qualifier;
    ByteView data;  ///< in the clear
  };
  Result<void> add_extension(KeyHandle key, const ClearExtension& extension);

  /// Makes a signature with the key management key of a session, sks-api.md 3.6.
  using Authorize = std::function<Result<Bytes>(ByteView data)>;
  /// `key`, which has no PIN, gets the PIN that `target` has when the session closes. `target_certificate`: its
  /// end-entity certificate. Fails also as `authorize`. Spec: sks-api.md 4.16.
  Result<void> clone_protection(KeyHandle key, KeyHandle target, ByteView target_certificate,
                                const Authorize& authorize);

  /// Commits everything. Fails also when the close attestation is wrong: what was made stays then.
  Result<void> close();

 private:
  LocalIssuer(SecureKeyStore& store, const Random& random) : store_(&store), random_(random) {}

  Result<void> agree(const Clock& clock, ByteView key_management_key);
  template <class Call>
  auto without_waiting(const Call& call);
  Bytes next_mac(std::string_view method, ByteView data);
  Bytes encrypt(ByteView plaintext) const;

  SecureKeyStore* store_;  ///< null: nothing is left to abort
  const Random& random_;
  ProvisioningHandle session_;
  Bytes device_certificate_;
  keygen2::SessionIds ids_;
  SecureBytes session_key_;
  std::uint16_t counter_ = 0;
  std::map<KeyHandle, Bytes> end_entities_;
};

/// A certificate for a key that nobody else certifies: SKS wants one before a key can be used, and only its public half
/// is known then. Its issuer is an authority that lives as long as this process and that nobody trusts, whose name is
/// kLocalAuthorityName. `common_name` has 1 to 64 characters.
inline constexpr std::string_view kLocalAuthorityName = "Local issuer";
Result<Bytes> certify_locally(ByteView public_key_spki, const std::string& common_name, std::int64_t not_before);

}  // namespace sks
