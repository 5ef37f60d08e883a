#include "key-user-api/key_files/key_files.h"

#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"
#include "tests/fuzz/checks.h"

/// Key files that users bring: what is accepted holds keys that decode, within the limits, each with its own path.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  int asked = 0;
  const auto ask = [&]() -> Result<SecureBytes> {
    ++asked;
    return SecureBytes::copy_of(as_bytes("Correct-Horse-1"));
  };
  const auto file = key_files::read_key_file({data, size}, ask);
  fuzz::require(asked <= 1, "a passphrase is asked for once");
  if (!file) return 0;
  fuzz::require(file->private_keys.size() + file->symmetric_keys.size() + file->other_certificates.size() <=
                    key_files::kMaxObjects,
                "a file has at most a hundred objects");
  for (const key_files::PrivateKey& key : file->private_keys) {
    const auto decoded = crypto::PrivateKey::from_pkcs8(key.pkcs8.view());
    fuzz::require(decoded && decoded->public_key().spki() == key.public_key, "a key is written as it is read");
    if (key.certificate_path.empty()) continue;
    const auto certificate = crypto::Certificate::from_der(key.certificate_path.front());
    fuzz::require(certificate && certificate->public_key() && certificate->public_key()->spki() == key.public_key,
                  "a path begins with the certificate of its key");
    fuzz::require(static_cast<bool>(crypto::parse_path(key.certificate_path)), "each certificate issued by the next");
  }
  for (const key_files::SymmetricKey& key : file->symmetric_keys)
    fuzz::require(!key.value.empty(), "no symmetric key is empty");
  return 0;
}
