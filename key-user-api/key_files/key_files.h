#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// Reads the files in which people keep keys: PKCS#12; PEM and DER of PKCS#8 (also encrypted), PKCS#1 and SEC 1 keys,
/// certificates and PKCS#7 paths; OpenSSH private keys; JWK and JWK sets (RFC 7517, 7518, 8037).
namespace sks::key_files {

inline constexpr std::size_t kMaxFile = 1024 * 1024;  ///< bytes
inline constexpr std::size_t kMaxObjects = 100;       ///< keys and certificates

struct PrivateKey {
  SecureBytes pkcs8;                    ///< as crypto::PrivateKey::to_pkcs8() writes it
  Bytes public_key;                     ///< SPKI
  std::string label;                    ///< that the file gives it, UTF-8 from outside; may be empty
  std::vector<Bytes> certificate_path;  ///< DER, end entity first, as far as the file has it; may be empty
};

struct SymmetricKey {
  SecureBytes value;
  std::string label;
};

struct KeyFile {
  std::vector<PrivateKey> private_keys;
  std::vector<SymmetricKey> symmetric_keys;
  std::vector<Bytes> other_certificates;  ///< on the path of no key, DER
};

/// Called when a passphrase is needed, and at most once.
using AskPassphrase = std::function<Result<SecureBytes>()>;

/// Everything in `content`, in the order of the file. Certificates belong to the keys that they certify, however the
/// file arranges them.
///
/// Fails with option (too long, too many objects, none of the formats, damaged, encrypted in a way that takes too long
/// or that this program does not know), not_available (a key of a kind that no key store holds; a legacy algorithm that
/// OpenSSL has not here), authorization (wrong passphrase), or as `ask`.
Result<KeyFile> read_key_file(ByteView content, const AskPassphrase& ask);

/// The path of a key that is elsewhere out of `certificates` (DER): the certificate of this public key (SPKI), and its
/// issuers as far as they are there. Empty when none certifies it.
std::vector<Bytes> find_path(const std::vector<Bytes>& certificates, ByteView public_key);

}  // namespace sks::key_files
