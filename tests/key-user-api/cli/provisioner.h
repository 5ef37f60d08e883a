#pragma once

#include <string>
#include <vector>

#include "sks-core/engine/secure_key_store.h"

namespace sks::test {

/// The issuer's end of one session, written from sks-api.md chapter 3 with nothing but HMAC and ECDH: provisions keys
/// into a key store so that commands have something to work on. Ends the test when the key store refuses a step.
class Provisioner {
 public:
  struct Key {
    std::string id;
    std::string key_algorithm;  ///< the part behind '#'
    std::uint8_t app_usage = 0;
    std::string friendly_name = {};
    std::string pin = {};  ///< empty: no PIN
    std::uint8_t delete_protection = 0;
    std::string subject = "CN=Jo";
  };
  struct Session {
    std::string issuer_uri = "https://issuer.example/kg";
    std::string server_session_id = "server-1";
    std::uint32_t client_time = 1700000000;
    std::uint16_t life_time = 1000;
  };

  Provisioner(SecureKeyStore& store, Session session);

  const std::string& client_session_id() const { return client_session_id_; }
  ProvisioningHandle handle() const { return handle_; }

  /// Creates the keys, certifies them and closes the session. Keys with a PIN share a numeric policy of `retry_limit`
  /// tries and, when `puk` is not empty, a PUK. Returns the end-entity certificates.
  std::vector<Bytes> provision(const std::vector<Key>& keys, std::uint16_t retry_limit = 3,
                               const std::string& puk = "");

 private:
  Bytes mac(std::string_view method, ByteView data);
  KeyHandle create_key(const Key& key, PinPolicyHandle policy, Bytes& public_key);
  Bytes certify(const Key& key, ByteView public_key, KeyHandle handle);

  SecureKeyStore& store_;
  Session session_;
  Bytes session_key_;
  std::uint16_t counter_ = 0;
  std::string client_session_id_;
  ProvisioningHandle handle_;
};

}  // namespace sks::test
