#include "sealed-storage/persona_file.h"

#include <algorithm>

namespace sks::sealed {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'S', 'K', 'S', 'P', 'E', 'R', 'S', 0};
constexpr std::uint8_t kVersion = 1;

constexpr std::size_t kVersionOffset = kMagic.size();
constexpr std::size_t kNameSizeOffset = kVersionOffset + 1;
constexpr std::size_t kNameOffset = kNameSizeOffset + 1;
constexpr std::size_t kStoreIdOffset = kNameOffset + kPersonaNameField;
constexpr std::size_t kImageSizeOffset = kStoreIdOffset + kStoreIdSize;
constexpr std::size_t kImageDigestOffset = kImageSizeOffset + sizeof(std::uint64_t);
static_assert(kImageDigestOffset + crypto::kSha256Size == kPersonaEnvelopeOffset);
constexpr std::size_t kChecksumOffset = kPersonaEnvelopeOffset + kPersonaEnvelope;
static_assert(kPersonaHead == 213);

constexpr std::string_view kOwner = "the exported persona";

}  // namespace

Result<Bytes> seal_persona_head(const PersonaHead& head, ByteView master_key, const std::string& path,
                                SecretSource& file_secrets, const Random& random, crypto::ScryptCosts costs) {
  SKS_CHECK(!head.name.empty() && head.name.size() <= kPersonaNameField && master_key.size() == kMasterKeySize);
  SKS_CHECK(head.image_size >= 1 && head.image_size <= kMaxImage);
  Bytes out(kPersonaHead);
  std::uint8_t* const at = out.data();
  std::ranges::copy(kMagic, at);
  out[kVersionOffset] = kVersion;
  out[kNameSizeOffset] = static_cast<std::uint8_t>(head.name.size());
  std::ranges::copy(head.name, at + kNameOffset);
  std::ranges::copy(head.store_id, at + kStoreIdOffset);
  for (std::size_t i = 0; i < sizeof(head.image_size); ++i)
    out[kImageSizeOffset + i] = static_cast<std::uint8_t>(head.image_size >> (56 - 8 * i));
  std::ranges::copy(head.image_digest, at + kImageDigestOffset);
  const ByteView header = ByteView(out).first(kPersonaEnvelopeOffset);
  SKS_LET(const SecureBytes envelope,
          seal_envelope(master_key, {header, path, kOwner, path, file_secrets}, random, costs));
  std::ranges::copy(envelope.view(), at + kPersonaEnvelopeOffset);
  std::ranges::copy(checksum(ByteView(out).first(kChecksumOffset)), at + kChecksumOffset);
  return out;
}

Result<PersonaHead> read_persona_head(ByteView bytes, const std::string& path) {
  if (bytes.size() < kMagic.size() || !equal(bytes.first(kMagic.size()), kMagic))
    return Error{Status::option, path + " is not an exported persona"};
  if (bytes.size() > kVersionOffset && bytes[kVersionOffset] > kVersion) {
    return Error{Status::option, path + " is an exported persona of version " + std::to_string(bytes[kVersionOffset]) +
                                     "; this program knows version " + std::to_string(kVersion)};
  }
  const Error damaged{Status::crypto, path + " is damaged"};
  if (bytes.size() != kPersonaHead || bytes[kVersionOffset] != kVersion ||
      !equal(bytes.subspan(kChecksumOffset), checksum(bytes.first(kChecksumOffset))))
    return damaged;

  PersonaHead head;
  const std::size_t name_size = bytes[kNameSizeOffset];
  if (name_size == 0 || name_size > kPersonaNameField) return damaged;
  const ByteView field = bytes.subspan(kNameOffset, kPersonaNameField);
  const std::size_t zeros = static_cast<std::size_t>(std::ranges::count(field.subspan(name_size), 0));
  if (zeros != kPersonaNameField - name_size || std::ranges::count(field.first(name_size), 0) != 0) return damaged;
  head.name = to_string(field.first(name_size));
  std::ranges::copy(bytes.subspan(kStoreIdOffset, kStoreIdSize), head.store_id.begin());
  for (std::size_t i = 0; i < sizeof(head.image_size); ++i)
    head.image_size = head.image_size << 8 | bytes[kImageSizeOffset + i];
  if (head.image_size < 1 || head.image_size > kMaxImage) return damaged;
  std::ranges::copy(bytes.subspan(kImageDigestOffset, crypto::kSha256Size), head.image_digest.begin());
  return head;
}

Result<SecureBytes> open_persona_head(ByteView bytes, const std::string& path, SecretSource& file_secrets) {
  SKS_CHECK(bytes.size() == kPersonaHead);
  SKS_LET(SecureBytes master_key,
          open_envelope(bytes.subspan(kPersonaEnvelopeOffset, kPersonaEnvelope),
                        {bytes.first(kPersonaEnvelopeOffset), path, kOwner, path, file_secrets}));
  SKS_CHECK(master_key.size() == kMasterKeySize);
  return master_key;
}

}  // namespace sks::sealed
