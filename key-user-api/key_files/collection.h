#pragma once

#include <openssl/evp.h>

#include <optional>
#include <string>

#include "key-user-api/key_files/key_files.h"
#include "sks-core/crypto/ossl.h"
#include "sks-core/crypto/x509.h"

/// What the readers of formats have in common. Private to this folder.
namespace sks::key_files {

/// What was found in the file so far.
class Collection {
 public:
  /// Fails with option or crypto when it does not decode, not_available when no key store holds such keys.
  Result<void> add_private_key(ByteView pkcs8, std::string label);
  Result<void> add_private_key(EVP_PKEY* key, std::string label);
  Result<void> add_symmetric_key(SecureBytes value, std::string label);
  Result<void> add_certificate(ByteView der);
  /// Something that is in the file and of no interest.
  Result<void> skip() { return count(); }

  /// Gives the certificates to the keys.
  Result<KeyFile> finish() &&;

 private:
  Result<void> count();

  KeyFile file_;
  std::vector<crypto::Certificate> certificates_;
  std::size_t objects_ = 0;
};

/// Asks for the passphrase when it is needed for the first time.
class Passphrase {
 public:
  explicit Passphrase(const AskPassphrase& ask) : ask_(ask) {}
  Result<ByteView> get();

  /// Counts what it costs to make keys of passphrases. Fails with option when that is too much.
  Result<void> spend(std::uint64_t iterations);

 private:
  const AskPassphrase& ask_;
  std::optional<SecureBytes> known_;
  std::uint64_t spent_ = 0;
};

struct Reading {
  Collection found;
  Passphrase passphrase;
};

Error wrong_passphrase();
/// `what`: "a certificate", "the PKCS#12 file".
Error damaged(std::string_view what);

/// The path of a key out of `certificates`: its own certificate, the longest valid one of several, and its issuers.
/// Positions in `certificates`; empty when none certifies the key.
std::vector<std::size_t> path_of(ByteView public_key, const std::vector<crypto::Certificate>& certificates);

}  // namespace sks::key_files
