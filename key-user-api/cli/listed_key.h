#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sks-core/crypto/x509.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::cli {

/// A key of a closed session as its user sees it.
struct ListedKey {
  KeyHandle handle;
  std::string fingerprint;  ///< SHA-256 of the end-entity certificate, lower-case hexadecimal
  std::string friendly_name;
  std::string subject;
  std::string issuer_uri;
  std::string_view app_usage;  ///< as KeyGen2 spells it
  std::string algorithm;       ///< end of the key generation URI, such as "ec.nist.p256"
  KeyProtectionInfo protection;
  ProvisioningHandle session;

  bool pin_protected() const { return (protection.protection_status & (kPinProtected | kDevicePin)) != 0; }
  bool locked() const { return (protection.protection_status & kPinBlocked) != 0; }
};

/// All keys in ascending order of handles. Fails as the methods of the key store, and with crypto when a certificate in
/// it does not decode.
Result<std::vector<ListedKey>> list_keys(SecureKeyStore& store);

/// All sessions in one state, in ascending order of handles.
Result<std::vector<SessionInfo>> list_sessions(SecureKeyStore& store, SessionState state);

/// The key with this handle (decimal) or certificate fingerprint (64 hexadecimal digits). Fails with no_key, or option
/// when the text is neither.
Result<ListedKey> find_key(SecureKeyStore& store, std::string_view handle_or_fingerprint);

/// "2 tries are left", for a key with a PIN policy of its own.
std::string remaining_tries(std::uint16_t retry_limit, std::uint16_t error_count);

/// A refused PIN as a sentence with what is left of the tries, read anew from the key store.
Error explain_wrong_pin(SecureKeyStore& store, KeyHandle key);
/// The same for a PUK.
Error explain_wrong_puk(SecureKeyStore& store, KeyHandle key);

/// What stands in the place of the end of a URI for a symmetric key, such as "symmetric256".
std::string symmetric_algorithm(std::size_t bytes);

/// The end of the URI that makes such keys; `symmetric_bytes` 0: an asymmetric key.
Result<std::string> algorithm_of(const crypto::Certificate& certificate, std::size_t symmetric_bytes);

/// As KeyGen2 spells it; at most 3.
std::string_view app_usage_name(std::uint8_t app_usage);

}  // namespace sks::cli
