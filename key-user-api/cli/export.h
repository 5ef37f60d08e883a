#pragma once

#include "key-user-api/cli/file_io.h"
#include "sealed-storage/secret_source.h"

namespace sks::cli {

enum class Exported : std::uint8_t { certificates, public_key, private_key, pkcs12 };

struct ExportOptions {
  std::string key;  ///< handle
  Exported what = Exported::certificates;
  OutputOptions output = {};
  std::vector<SecureBytes> passwords = {};  ///< the PIN or PUK as typed, or nothing
};
/// Writes the certificate path or the public key as PEM, or the private key, encrypted: as PEM of PKCS#8, or with its
/// certificate path as PKCS#12. `secrets` has the passphrase that it is encrypted with.
///
/// A private key leaves as its exportProtection lets it. Fails as export_key, and with option for a symmetric key.
Result<void> run_export(ExportOptions options, Format format, SecureKeyStore& store, SecretSource& secrets,
                        dialog::Terminal* terminal, std::ostream& out);

}  // namespace sks::cli
