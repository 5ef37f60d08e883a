#pragma once

#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/random.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/private_key.h"

namespace sks::issuer {

/// Seals the secret files of an issuer under its key encryption key with AES-256-GCM, so that a copy of them alone is
/// of no use. What is sealed is bound to the name of its file: one cannot take the place of another.
///
/// A sealed file is a PEM block "OPENSKS SEALED FILE" of nonce || cipher text || tag. A file without such a block is
/// read as it is: keys made elsewhere can be put in place, and sealed later.
class FileSeal {
 public:
  /// `kek` has kKekSize bytes.
  FileSeal(SecureBytes kek, const Random& random);

  /// The content of the file `name`, a name without folders, for what it holds.
  std::string seal(std::string_view name, ByteView content) const;
  /// Fails with option when the block is malformed, with crypto when it was altered, belongs to another file, or was
  /// sealed under another key.
  Result<SecureBytes> open(std::string_view name, SecureBytes content) const;
  static bool is_sealed(ByteView content);

 private:
  SecureBytes key_for(std::string_view name) const;

  SecureBytes kek_;
  const Random& random_;
};

/// What a secret file holds, sealed or not. Fail as read_secret_file() and FileSeal::open(), with the file in the
/// sentence.
Result<SecureBytes> read_sealable_file(const std::string& file, const FileSeal& seal);
/// One private key in PEM form (PKCS#8). Fails with option on anything else, and as PrivateKey::from_pkcs8().
Result<crypto::PrivateKey> read_key_file(const std::string& file, const FileSeal& seal);

/// The PEM text of a key. Fails with crypto.
Result<SecureBytes> key_to_pem(const crypto::PrivateKey& key);

/// Whether there is such a file and it is not sealed. Fails as read_secret_file().
Result<bool> is_plain_file(const std::string& file);
/// Seals a file in its place, unless it is sealed already. Fails as read_secret_file() and replace_file().
Result<void> seal_file(const std::string& file, const FileSeal& seal);

}  // namespace sks::issuer
