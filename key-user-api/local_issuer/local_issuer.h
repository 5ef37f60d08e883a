#pragma once

#include <map>
#include <string>
#include <string_view>

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
/// Nothing lasts before close() succeeds; an object that dies before aborts its session. Its keys have no key
/// management key, so that no issuer can manage them later. Every method fails as the method of the key store that it
/// calls, which then has aborted the session, or with crypto when an attestation is wrong.
class LocalIssuer {
 public:
  /// The most uses of the session key that an issuer may ask for, sks-api.md 3.7.
  static constexpr std::size_t kOperations = 32767;

  static Result<LocalIssuer> open(SecureKeyStore& store, const Clock& clock = system_clock(),
                                  const Random& random = system_random());

  LocalIssuer(LocalIssuer&& other) noexcept;
  LocalIssuer& operator=(LocalIssuer&&) = delete;
  ~LocalIssuer();

  /// A policy for PINs that the user chooses. `mac` need not be set.
  Result<PinPolicyHandle> create_pin_policy(const keygen2::PinPolicySpecifier& pin);

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

  /// Commits everything. Fails also when the close attestation is wrong: what was made stays then.
  Result<void> close();

 private:
  LocalIssuer(SecureKeyStore& store, const Random& random) : store_(&store), random_(random) {}

  Result<void> agree(const Clock& clock);
  Bytes next_mac(std::string_view method, ByteView data);
  Bytes encrypt(ByteView plaintext) const;

  SecureKeyStore* store_;  ///< null: nothing is left to abort
  const Random& random_;
  ProvisioningHandle session_;
  keygen2::SessionIds ids_;
  SecureBytes session_key_;
  std::uint16_t counter_ = 0;
  std::map<KeyHandle, Bytes> end_entities_;
};

/// A certificate for a key pair that was made in the key store and that nobody certifies: for keys whose symmetric
/// half is all that matters. Signed by a key that is then thrown away.
Result<Bytes> certify_locally(ByteView public_key_spki, const std::string& common_name, std::int64_t not_before);

}  // namespace sks
