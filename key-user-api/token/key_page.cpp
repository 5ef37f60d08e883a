#include "key-user-api/token/key_page.h"

#include <array>

namespace sks::token {
namespace {

/// What a program of another version would find out about a key may differ. The number is that of the form, and of
/// whatever goes into a record, within one version.
constexpr std::string_view kForm = SKS_VERSION "/1";
constexpr std::uint8_t kNoKind = 0xFF;
constexpr std::uint8_t kLastKind = static_cast<std::uint8_t>(KeyKind::x448);
constexpr std::uint8_t kLastProtection = static_cast<std::uint8_t>(DeleteProtection::forbidden);

/// The yes-or-no members of a record, by bits.
constexpr auto kFlags = std::to_array<bool KeyRecord::*>({&KeyRecord::has_objects, &KeyRecord::is_imported,
                                                          &KeyRecord::is_extractable, &KeyRecord::always_authenticate,
                                                          &KeyRecord::has_properties, &KeyRecord::has_own_certificate});

std::uint8_t flags_of(const KeyRecord& record) {
  unsigned flags = 0;
  for (std::size_t i = 0; i < kFlags.size(); ++i)
    if (record.*kFlags.at(i)) flags |= 1U << i;
  return static_cast<std::uint8_t>(flags);
}

void write_digests(ByteWriter& out, const Digests& digests) {
  for (const Digest digest : digests) out.u64(digest);
}

Digests read_digests(ByteReader& in) {
  Digests digests;
  for (Digest& digest : digests) digest = in.u64();
  return digests;
}

}  // namespace

PageWriter::PageWriter(const Digester& digester) { out_.text(kForm).array(digester.key()); }

void PageWriter::add(KeyHandle key, std::uint32_t slot, const KeyRecord& record,
                     const std::vector<const Digests*>& authorities) {
  SKS_CHECK(authorities.size() == record.authorities.size() && authorities.size() <= kMaxAuthorities);
  empty_ = false;
  out_.u32(key.value).u32(slot).u64(record.mark);
  out_.u8(record.kind ? static_cast<std::uint8_t>(*record.kind) : kNoKind).u32(record.size).u64(record.key_type);
  out_.u16(record.usages).u8(flags_of(record)).u8(static_cast<std::uint8_t>(record.delete_protection));
  write_digests(out_, record.digests);
  out_.u8(static_cast<std::uint8_t>(authorities.size()));
  for (std::size_t i = 0; i < authorities.size(); ++i) {
    out_.u64(record.authorities[i]);
    write_digests(out_, *authorities[i]);
  }
}

SecureBytes PageWriter::take() && { return empty_ ? SecureBytes() : SecureBytes::copy_of(out_.view()); }

PageReader::PageReader(std::uint32_t number, ByteView page) : number_(number), in_(page) {
  const bool is_ours = equal(in_.array(), as_bytes(kForm));
  const ByteView key = in_.array();
  if (is_ours && key.size() == Digester::kKeySize)
    digester_key_ = key;
  else
    in_ = ByteReader({});
}

std::optional<NotedKey> PageReader::next() {
  if (in_.failed() || in_.at_end()) return std::nullopt;
  NotedKey noted;
  KeyRecord& record = noted.record;
  noted.key = KeyHandle{in_.u32()};
  noted.slot = in_.u32();
  record.mark = in_.u64();
  const std::uint8_t kind = in_.u8();
  if (kind != kNoKind) record.kind = static_cast<KeyKind>(kind);
  record.size = in_.u32();
  record.key_type = in_.u64();
  record.usages = in_.u16();
  const unsigned flags = in_.u8();
  for (std::size_t i = 0; i < kFlags.size(); ++i) record.*kFlags.at(i) = (flags >> i & 1U) != 0;
  const std::uint8_t protection = in_.u8();
  record.delete_protection = static_cast<DeleteProtection>(protection);
  record.digests = read_digests(in_);
  const std::size_t authorities = in_.u8();
  for (std::size_t i = 0; i < authorities && !in_.failed(); ++i) {
    record.authorities.push_back(in_.u64());
    noted.authorities.push_back(read_digests(in_));
  }
  const bool is_sound = !in_.failed() && noted.key > last_ && page_of(noted.key) == number_ && record.mark != 0 &&
                        (kind <= kLastKind || kind == kNoKind) && flags >> kFlags.size() == 0 &&
                        protection <= kLastProtection && authorities <= kMaxAuthorities;
  if (!is_sound) {
    in_ = ByteReader({});
    return std::nullopt;
  }
  last_ = noted.key;
  return noted;
}

}  // namespace sks::token
