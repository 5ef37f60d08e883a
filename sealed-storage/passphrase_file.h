#pragma once

#include <array>
#include <cstdint>

#include "sealed-storage/passphrase_envelope.h"

/// A file that is one envelope under a passphrase: what leaves a key store. Spec: spec/backup.md chapter 2.
namespace sks::sealed {

inline constexpr std::size_t kChecksumSize = 4;

/// Tells a damaged file from a wrong passphrase: the start of SHA-256. It is no protection.
std::array<std::uint8_t, kChecksumSize> checksum(ByteView content);

/// A kind of such files: `magic`, a version, the envelope and a checksum.
struct PassphraseFileKind {
  std::array<std::uint8_t, 8> magic;
  std::uint8_t version;    ///< the highest that this program reads; versions start at 1
  std::string_view noun;   ///< in messages: "... is not `noun`", such as "a backup of a key store"
  std::string_view owner;  ///< in messages: "the passphrase of `owner` is wrong"
};

/// The magic and the version.
inline constexpr std::size_t kPassphraseFileStart = 8 + 1;
/// By how many bytes such a file is longer than its content.
inline constexpr std::size_t kPassphraseFileOverhead = kPassphraseFileStart + kEnvelopeOverhead + kChecksumSize;
inline constexpr std::size_t kMaxPassphraseFile = kMaxEnvelopeContent + kPassphraseFileOverhead;

/// The whole file. `path` is for messages and questions. Fails as seal_envelope.
Result<SecureBytes> seal_passphrase_file(const PassphraseFileKind& kind, ByteView content, const std::string& path,
                                         SecretSource& secrets, const Random& random,
                                         crypto::ScryptCosts costs = kDefaultCosts);

/// What the beginning of a file tells, as much of it as there is. Fails with option when the file is of another kind or
/// of a newer version.
Result<void> check_passphrase_file(const PassphraseFileKind& kind, ByteView start, const std::string& path);

/// The content. Fails as check_passphrase_file, with crypto when the file is damaged, or as open_envelope. Only then
/// the passphrase is asked for.
Result<SecureBytes> open_passphrase_file(const PassphraseFileKind& kind, ByteView file, const std::string& path,
                                         SecretSource& secrets);

}  // namespace sks::sealed
