#include "sealed-storage/passphrase_file.h"

#include <algorithm>

#include "sks-core/crypto/hash.h"

namespace sks::sealed {
namespace {

constexpr std::size_t kVersionOffset = sizeof(PassphraseFileKind::magic);
constexpr std::size_t kHeaderSize = kPassphraseFileStart;

}  // namespace

std::array<std::uint8_t, kChecksumSize> checksum(ByteView content) {
  const crypto::Sha256Digest digest = crypto::sha256(content);
  std::array<std::uint8_t, kChecksumSize> prefix{};
  std::copy_n(digest.begin(), prefix.size(), prefix.begin());
  return prefix;
}

Result<SecureBytes> seal_passphrase_file(const PassphraseFileKind& kind, ByteView content, const std::string& path,
                                         SecretSource& secrets, const Random& random, crypto::ScryptCosts costs) {
  SecureBytes file(content.size() + kPassphraseFileOverhead);
  std::ranges::copy(kind.magic, file.data());
  file.data()[kVersionOffset] = kind.version;
  const EnvelopeContext context{file.view().first(kHeaderSize), path, kind.owner, path, secrets};
  SKS_LET(const SecureBytes envelope, seal_envelope(content, context, random, costs));
  std::ranges::copy(envelope.view(), file.data() + kHeaderSize);
  const std::size_t checked = file.size() - kChecksumSize;
  std::ranges::copy(checksum(file.view().first(checked)), file.data() + checked);
  return file;
}

Result<void> check_passphrase_file(const PassphraseFileKind& kind, ByteView start, const std::string& path) {
  if (start.size() < kHeaderSize || !equal(start.first(kVersionOffset), kind.magic))
    return Error{Status::option, path + " is not " + std::string(kind.noun)};
  if (start[kVersionOffset] > kind.version)
    return Error{Status::option, path + " is " + std::string(kind.noun) + " of version " +
                                     std::to_string(start[kVersionOffset]) + ": a newer program is needed to read it"};
  return {};
}

Result<SecureBytes> open_passphrase_file(const PassphraseFileKind& kind, ByteView file, const std::string& path,
                                         SecretSource& secrets) {
  SKS_TRY(check_passphrase_file(kind, file, path));
  if (file.size() < kPassphraseFileOverhead || file[kVersionOffset] == 0 ||
      !equal(file.last(kChecksumSize), checksum(file.first(file.size() - kChecksumSize))))
    return Error{Status::crypto, path + " is damaged"};
  const ByteView envelope = file.subspan(kHeaderSize, file.size() - kHeaderSize - kChecksumSize);
  return open_envelope(envelope, {file.first(kHeaderSize), path, kind.owner, path, secrets});
}

}  // namespace sks::sealed
