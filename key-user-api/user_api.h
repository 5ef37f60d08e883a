#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/crypto/x509.h"
#include "sks-core/engine/engine.h"

namespace sks {

/// What an application may know of one key without any authorization.
struct UserKey {
  KeyHandle handle;
  std::optional<PinGroupHandle> pin_group;  ///< none: the key has no PIN
  std::string friendly_name;                ///< empty if the issuer gave none
  std::string issuer_uri;
  std::vector<crypto::Certificate> path;  ///< end entity first, at least one
  crypto::PublicKey public_key;
  std::vector<std::string> endorsed_algorithms;  ///< ascending; empty: the issuer did not restrict the key
  bool imported = false;

  /// Whether the store would let this key execute the algorithm: supported, and endorsed or unrestricted.
  bool permits(std::string_view algorithm) const;
};

/// The state of the PIN that a key shares with its group.
struct PinState {
  std::uint8_t format = 0;  ///< Spec: sks-api.md 5.1
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint16_t retry_limit = 0;
  std::uint16_t error_count = 0;
  bool locked = false;
};

/// How applications see a key store: asymmetric keys with a certificate, grouped by PIN.
///
/// Refers to the store for as long as it lives. Thread-safe as far as the store is.
class UserApi {
 public:
  /// PIN groups are no part of the SKS API, so the caller says where they come from (Engine::pin_group).
  using PinGroupOf = std::function<Result<std::optional<PinGroupHandle>>(KeyHandle)>;

  UserApi(SecureKeyStore& store, PinGroupOf pin_group_of);

  /// The asymmetric keys of closed sessions in ascending handle order. A key whose certificate holds a kind of key that
  /// this library does not know is left out. Fails as the store's enumerations do.
  Result<std::vector<UserKey>> keys();

  /// Eight hexadecimal digits that identify the device, out of its certificate.
  Result<std::string> device_id();
  /// Bytes of data that one signing call takes.
  Result<std::size_t> data_limit();

  Result<PinState> pin_state(KeyHandle key);

  /// Fails as SecureKeyStore::verify_pin.
  Result<void> verify_pin(KeyHandle key, const SecureBytes& pin);

  /// Fails as SecureKeyStore::sign_hashed_data. An empty `pin` stands for none.
  Result<Bytes> sign_hash(KeyHandle key, std::string_view algorithm, ByteView hash, const SecureBytes& pin);
  /// Fails as SecureKeyStore::sign_data. An empty `pin` stands for none.
  Result<Bytes> sign_message(KeyHandle key, std::string_view algorithm, ByteView message, const SecureBytes& pin);

 private:
  SecureKeyStore& store_;
  PinGroupOf pin_group_of_;
};

}  // namespace sks
