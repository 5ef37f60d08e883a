#include "sealed-storage/master_key.h"

#include <algorithm>
#include <array>

#include "sealed-storage/files.h"
#include "sealed-storage/passphrase_file.h"
#include "sealed-storage/passphrase_provider.h"
#include "sealed-storage/record.h"

namespace sks {
namespace {

class NoSecrets final : public SecretSource {
  Result<SecureBytes> get(Secret /*secret*/, const std::string& store) override {
    return Error{Status::not_available, "the key store in " + store + " is protected by a secret that nobody gave"};
  }
};

}  // namespace

SecretSource& no_secrets() {
  static NoSecrets* const none = new NoSecrets;  // never destroyed: modules may be called while a program ends
  return *none;
}

}  // namespace sks

namespace sks::sealed {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'S', 'K', 'S', 'M', 'K', 'E', 'Y', 0};
constexpr std::uint8_t kFileVersion = 1;

constexpr std::size_t kVersionOffset = kMagic.size();
constexpr std::size_t kProviderOffset = kVersionOffset + 1;
constexpr std::size_t kPartOffset = kProviderOffset + 1;
constexpr std::size_t kReadLimit = kPartOffset + kMaxProviderPart + kChecksumSize;

Result<SecureBytes> keep_as_it_is(ByteView master_key, const ProviderContext& /*context*/) {
  return SecureBytes::copy_of(master_key);
}

Result<SecureBytes> take_as_it_is(ByteView part, const ProviderContext& context) {
  if (part.size() != kMasterKeySize) return Error{Status::crypto, context.path + " is damaged"};
  return SecureBytes::copy_of(part);
}

/// Number 3 is that of a TPM 2.0.
constexpr auto kProviders = std::to_array<MasterKeyProvider>({
    {1, "file", keep_as_it_is, take_as_it_is},
    {2, "passphrase", wrap_with_passphrase, unwrap_with_passphrase},
});

struct Parts {
  const MasterKeyProvider* provider;
  ByteView header;
  ByteView part;
};

Result<Parts> take_apart(ByteView file, const std::string& path) {
  if (file.size() < kPartOffset || !equal(file.first(kMagic.size()), kMagic))
    return Error{Status::crypto, path + " is not a master key file"};
  const Error unknown{Status::crypto, path + " is a master key file of a kind that this program does not know"};
  if (file[kVersionOffset] != kFileVersion) return unknown;
  if (file.size() < kPartOffset + kChecksumSize ||
      !equal(file.last(kChecksumSize), checksum(file.first(file.size() - kChecksumSize))))
    return Error{Status::crypto, path + " is damaged"};
  const auto provider = std::ranges::find(kProviders, file[kProviderOffset], &MasterKeyProvider::number);
  if (provider == kProviders.end()) return unknown;
  return Parts{&*provider, file.first(kPartOffset),
               file.subspan(kPartOffset, file.size() - kPartOffset - kChecksumSize)};
}

}  // namespace

std::span<const MasterKeyProvider> master_key_providers() { return kProviders; }

const MasterKeyProvider& key_file_provider() { return kProviders.front(); }

const MasterKeyProvider* find_provider(std::string_view name) {
  const auto found = std::ranges::find(kProviders, name, &MasterKeyProvider::name);
  return found == kProviders.end() ? nullptr : &*found;
}

Result<SecureBytes> MasterKeyFile::content(ByteView master_key, const MasterKeyProvider& provider,
                                           SecretSource& secrets, const Random& random) const {
  std::array<std::uint8_t, kPartOffset> header{};
  std::ranges::copy(kMagic, header.begin());
  header[kVersionOffset] = kFileVersion;
  header[kProviderOffset] = provider.number;
  SKS_LET(const SecureBytes part, provider.wrap(master_key, {header, path_, store_, secrets, random}));
  SKS_CHECK(part.size() <= kMaxProviderPart);

  SecureBytes file(header.size() + part.size() + kChecksumSize);
  std::ranges::copy(header, file.data());
  std::ranges::copy(part.view(), file.data() + header.size());
  const std::size_t checked = header.size() + part.size();
  std::ranges::copy(checksum(file.view().first(checked)), file.data() + checked);
  return file;
}

Result<SecureBytes> MasterKeyFile::create(const MasterKeyProvider& provider, SecretSource& secrets,
                                          const Random& random) const {
  SecureBytes key(kMasterKeySize);
  random.fill(key.span());
  SKS_LET(const SecureBytes file, content(key.view(), provider, secrets, random));
  SKS_TRY(write_new_file(path_, file.view()));
  return key;
}

Result<SecureBytes> MasterKeyFile::load(SecretSource& secrets) const {
  SKS_LET(const SecureBytes file, read_private_file(path_, kReadLimit));
  SKS_LET(const Parts parts, take_apart(file.view(), path_));
  SKS_LET(SecureBytes key, parts.provider->unwrap(parts.part, {parts.header, path_, store_, secrets, system_random()}));
  SKS_CHECK(key.size() == kMasterKeySize);
  return key;
}

Result<void> MasterKeyFile::replace(ByteView master_key, const MasterKeyProvider& provider, SecretSource& secrets,
                                    const Random& random) const {
  SKS_LET(const SecureBytes file, content(master_key, provider, secrets, random));
  return replace_file(path_, temporary(), file.view());
}

void MasterKeyFile::remove_leftovers() const { wipe_file(temporary()); }

}  // namespace sks::sealed
