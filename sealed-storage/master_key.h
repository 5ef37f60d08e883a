#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sealed-storage/secret_source.h"
#include "sealed-storage/tpm2/pcr_selection.h"
#include "sks-core/base/random.h"

/// The file `master.key`, and the ways to protect what is in it. Spec: spec/sealed-record.md chapter 2.
namespace sks::sealed {

/// What a provider may need beside the key.
struct ProviderContext {
  ByteView file_header;      ///< the bytes of the file before the provider's own
  const std::string& path;   ///< of the file, for messages
  const std::string& store;  ///< the store's folder, for questions
  SecretSource& secrets;
  const Random& random;
  PcrSelection pcrs = 0;  ///< that a new file is to be bound to, for the provider that can
};

/// A way to keep a master key: a row of the table of providers. Another way is another row.
struct MasterKeyProvider {
  std::uint8_t number;    ///< in the file
  std::string_view name;  ///< as people choose it
  /// The provider's own bytes of a new file, at most kMaxProviderPart. Fails as the source of secrets.
  Result<SecureBytes> (*wrap)(ByteView master_key, const ProviderContext& context);
  /// The master key, kMasterKeySize bytes, out of the provider's own bytes: of a file without accidental damage, but
  /// maybe made to harm. Fails with crypto (altered), authorization (a wrong secret), no_key (what it is sealed to is
  /// another one) or as the source of secrets.
  Result<SecureBytes> (*unwrap)(ByteView part, const ProviderContext& context);
};

inline constexpr std::size_t kMaxProviderPart = 4080;

std::span<const MasterKeyProvider> master_key_providers();
/// The key in the file as it is.
const MasterKeyProvider& key_file_provider();
/// Null when there is none of this name.
const MasterKeyProvider* find_provider(std::string_view name);

/// How a master key is to be protected.
struct Protection {
  Protection(const MasterKeyProvider& way, PcrSelection registers = 0)  // NOLINT(google-explicit-constructor)
      : provider(&way), pcrs(registers) {}

  const MasterKeyProvider* provider;
  PcrSelection pcrs;  ///< for a TPM: the state of the machine that the key is bound to; empty: to no state
};

/// The master key file of one store.
class MasterKeyFile {
 public:
  /// `store`: the folder's name for people, which may differ from where the file is yet.
  MasterKeyFile(std::string path, std::string store) : path_(std::move(path)), store_(std::move(store)) {}

  /// Makes the file with a new key; it must not exist. Fails as the provider, or with storage.
  Result<SecureBytes> create(const Protection& protection, SecretSource& secrets, const Random& random) const;

  /// The same with a key that there is already.
  Result<void> create_with(ByteView master_key, const Protection& protection, SecretSource& secrets,
                           const Random& random) const;

  /// How the key is protected. Fails as load(), but asks for no secret.
  Result<const MasterKeyProvider*> provider() const;

  /// Fails with not_available when there is no file, storage when it cannot be read or others could read it, crypto
  /// when it is damaged or of an unknown kind, or as the provider.
  Result<SecureBytes> load(SecretSource& secrets) const;

  /// Puts `master_key` under another protection: at every instant there is the old file or the new one, whole. Fails as
  /// the provider, or with storage; a failure before the new file is in its place leaves the old one.
  Result<void> replace(ByteView master_key, const Protection& protection, SecretSource& secrets,
                       const Random& random) const;

  /// Removes what an interrupted replace() has left behind.
  void remove_leftovers() const;

 private:
  Result<SecureBytes> content(ByteView master_key, const Protection& protection, SecretSource& secrets,
                              const Random& random) const;
  std::string temporary() const { return path_ + ".new"; }

  std::string path_;
  std::string store_;
};

}  // namespace sks::sealed
