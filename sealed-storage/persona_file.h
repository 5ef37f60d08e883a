#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "sealed-storage/passphrase_file.h"
#include "sealed-storage/record.h"
#include "sks-core/crypto/hash.h"

/// The head of an exported persona, without I/O; the image of the database follows it. Spec: spec/persona.md.
namespace sks::sealed {

inline constexpr std::size_t kPersonaNameField = 64;
inline constexpr std::uint64_t kMaxImage = std::uint64_t{1} << 33;
inline constexpr std::size_t kPersonaEnvelope = kMasterKeySize + kEnvelopeOverhead;
inline constexpr std::size_t kPersonaEnvelopeOffset = 8 + 1 + 1 + kPersonaNameField + kStoreIdSize + 8 + 32;
inline constexpr std::size_t kPersonaHead = kPersonaEnvelopeOffset + kPersonaEnvelope + kChecksumSize;

struct PersonaHead {
  std::string name;  ///< 1 to kPersonaNameField bytes, none of them zero; nothing else is known of them
  StoreId store_id{};
  std::uint64_t image_size = 0;  ///< 1 to kMaxImage
  crypto::Sha256Digest image_digest{};

  bool operator==(const PersonaHead&) const = default;
};

/// kPersonaHead bytes with `master_key` in them, under the new passphrase of `file_secrets`. Fails as seal_envelope.
Result<Bytes> seal_persona_head(const PersonaHead& head, ByteView master_key, const std::string& path,
                                SecretSource& file_secrets, const Random& random, crypto::ScryptCosts costs);

/// `bytes`: the first kPersonaHead bytes of a file, or all of a shorter one. `path` is for messages. Fails with option
/// when it is no exported persona or one of a higher version, crypto when it is damaged.
Result<PersonaHead> read_persona_head(ByteView bytes, const std::string& path);

/// The master key out of a head that was read. Fails as open_envelope.
Result<SecureBytes> open_persona_head(ByteView bytes, const std::string& path, SecretSource& file_secrets);

}  // namespace sks::sealed
