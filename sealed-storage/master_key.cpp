#include "sealed-storage/master_key.h"

#include <algorithm>
#include <array>

#include "sealed-storage/files.h"
#include "sealed-storage/record.h"
#include "sks-core/crypto/hash.h"

namespace sks::sealed {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'S', 'K', 'S', 'M', 'K', 'E', 'Y', 0};
constexpr std::uint8_t kFileVersion = 1;
constexpr std::uint8_t kProviderKeyFile = 1;

constexpr std::size_t kVersionOffset = kMagic.size();
constexpr std::size_t kProviderOffset = kVersionOffset + 1;
constexpr std::size_t kKeyOffset = kProviderOffset + 1;
constexpr std::size_t kChecksumOffset = kKeyOffset + kMasterKeySize;
constexpr std::size_t kChecksumSize = 4;
constexpr std::size_t kFileSize = kChecksumOffset + kChecksumSize;

/// Files of other versions and providers may be longer, and are to be told from damaged ones.
constexpr std::size_t kReadLimit = 4096;

std::array<std::uint8_t, kChecksumSize> checksum(ByteView content) {
  const crypto::Sha256Digest digest = crypto::sha256(content.first(kChecksumOffset));
  std::array<std::uint8_t, kChecksumSize> prefix{};
  std::copy_n(digest.begin(), prefix.size(), prefix.begin());
  return prefix;
}

}  // namespace

Result<SecureBytes> KeyFile::create(const std::string& path, const Random& random) {
  SecureBytes key(kMasterKeySize);
  random.fill(key.span());

  SecureBytes content(kFileSize);
  std::copy(kMagic.begin(), kMagic.end(), content.data());
  content.data()[kVersionOffset] = kFileVersion;
  content.data()[kProviderOffset] = kProviderKeyFile;
  std::copy_n(key.data(), key.size(), content.data() + kKeyOffset);
  const auto sum = checksum(content.view());
  std::copy(sum.begin(), sum.end(), content.data() + kChecksumOffset);

  SKS_TRY(write_new_file(path, content.view()));
  return key;
}

Result<SecureBytes> KeyFile::load() const {
  SKS_LET(const SecureBytes content, read_private_file(path_, kReadLimit));
  const ByteView file = content.view();
  if (file.size() < kKeyOffset || !equal(file.first(kMagic.size()), kMagic)) {
    return Error{Status::crypto, path_ + " is not a master key file"};
  }
  if (file[kVersionOffset] != kFileVersion || file[kProviderOffset] != kProviderKeyFile) {
    return Error{Status::crypto, path_ + " is a master key file of a kind that this program does not know"};
  }
  if (file.size() != kFileSize || !equal(file.subspan(kChecksumOffset), checksum(file))) {
    return Error{Status::crypto, path_ + " is damaged"};
  }
  return SecureBytes::copy_of(file.subspan(kKeyOffset, kMasterKeySize));
}

}  // namespace sks::sealed
