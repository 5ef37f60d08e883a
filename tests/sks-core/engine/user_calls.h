#pragma once

#include <string>
#include <vector>

#include "tests/sks-core/engine/device.h"

/// The six user crypto methods in one form, for tests that treat them alike. Spec: sks-api.md 4.27.
namespace sks::test {

inline const std::string kXmlEnc = "http://www.w3.org/2001/04/xmlenc#";
inline const std::string kHmacSha1 = "http://www.w3.org/2000/09/xmldsig#hmac-sha1";
inline const std::string kHmacSha256 = kDsigMore + "hmac-sha256";

struct Call {
  KeyHandle key;
  std::string algorithm;
  Bytes data;
  Bytes parameters = {};
  std::string pin = {};
  bool biometric = false;
  CipherMode mode = CipherMode::encrypt;
};

struct UserMethod {
  std::string name;
  bool limits_data;  ///< step 3 of 4.27
  Result<Bytes> (*run)(SecureKeyStore& store, const Call& call);
};

const std::vector<UserMethod>& user_methods();
const UserMethod& user_method(const std::string& name);

/// The status of a refused call of the method; none when it succeeded.
std::optional<Status> status_of_call(SecureKeyStore& store, const std::string& method, const Call& call);

/// A key of a closed session. `algorithm` is the part after "#" of a key generation algorithm.
KeyHandle provision_key(SecureKeyStore& store, const std::string& algorithm, std::vector<std::string> endorsed = {});
KeyHandle provision_symmetric_key(SecureKeyStore& store, ByteView key, std::vector<std::string> endorsed = {});
/// A key pair made elsewhere.
KeyHandle provision_known_key(Device& device, ByteView pkcs8);

/// The public key in the certificate of a key.
crypto::PublicKey public_key_of(SecureKeyStore& store, KeyHandle key);
/// Verifies with OpenSSL directly. `md` null: EdDSA.
bool verifies(const crypto::PublicKey& key, const EVP_MD* md, ByteView message, ByteView signature);

}  // namespace sks::test
