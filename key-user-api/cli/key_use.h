#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/file_io.h"
#include "key-user-api/cli/listed_key.h"
#include "sks-core/crypto/algorithms.h"

/// The commands that use a key: sks sign, verify, encrypt and decrypt.
namespace sks::cli {

/// What two of the commands have to do with each other.
enum class Purpose : std::uint8_t { signing, encryption };

/// How a key is used, by the name that users know.
struct Mechanism {
  std::string_view name;
  std::string_view pkcs11;  ///< as pkcs11-tool spells it; empty: PKCS#11 has none that is the same
  std::string_view uri;     ///< of an algorithm of the key store

  const Algorithm& algorithm() const;
};

/// A key with what its use depends on.
struct UsableKey {
  ListedKey listed;
  std::size_t symmetric_bytes = 0;
  std::optional<crypto::PublicKey> public_key;  ///< of asymmetric keys
  std::vector<std::string> endorsed_algorithms;
};

/// Fails as find_key(), and when its public key is of a kind that this program does not know.
Result<UsableKey> find_usable_key(SecureKeyStore& store, const std::string& handle);

/// The mechanism of this name (its own, that of PKCS#11, or the URI), or the default of the key when it is empty. Fails
/// with option: there is none of this name, it does not fit the key, or the key does nothing of the kind; with
/// not_allowed: the issuer has not endorsed it.
Result<const Mechanism*> choose_mechanism(const UsableKey& key, Purpose purpose, const std::string& name);

/// All names, separated by commas.
std::string mechanism_names(Purpose purpose);

struct UseOptions {
  std::string key;        ///< handle
  std::string mechanism;  ///< empty: the default of the key
  std::string input;      ///< a file; empty: the standard input
  std::string signature;  ///< the file with the signature, to verify
  bool raw = false;       ///< ECDSA signatures as r and s of fixed length, not DER
  OutputOptions output = {};
  std::vector<SecureBytes> pins = {};  ///< the one PIN as typed, or nothing
};

/// Asks for the PIN where the key has one.
Result<Authorization> authorize_use(const UsableKey& key, const std::vector<SecureBytes>& pins,
                                    dialog::Terminal* terminal);
/// The error of a use as a sentence with what is left of the tries.
Error explain_refused_use(SecureKeyStore& store, const UsableKey& key, Error error);

Result<void> run_sign(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                      std::ostream& out);
/// Needs no PIN but for a MAC. Fails with crypto after it has told that the signature is wrong.
Result<void> run_verify(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                        std::ostream& out);
/// Needs no PIN but for a symmetric key.
Result<void> run_encrypt(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                         std::ostream& out);
Result<void> run_decrypt(const UseOptions& options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                         std::ostream& out);

/// Writes a result: as it is, or in a JSON object under `name`, in base64url, unless it went into a file.
Result<void> deliver_result(const UsableKey& key, const Mechanism& mechanism, std::string_view name, ByteView content,
                            const UseOptions& options, Format format, std::ostream& out);

}  // namespace sks::cli
