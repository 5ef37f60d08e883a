#include "key-user-api/token/operations/parameters.h"

#include <algorithm>
#include <array>
#include <optional>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/cipher.h"

namespace sks::token {
namespace {

constexpr std::size_t kMaxOaepLabel = 65'533;
constexpr std::size_t kBitsOfByte = 8;

using Read = std::optional<Parameter> (*)(const Mechanism&, ByteView);

template <std::size_t... sizes>
std::optional<Parameter> of_size(const Mechanism&, ByteView parameter) {
  if (((parameter.size() != sizes) && ...)) return std::nullopt;
  Parameter read;
  read.sks = to_bytes(parameter);
  return read;
}

std::optional<Parameter> read_pss(const Mechanism& mechanism, ByteView parameter) {
  ByteReader in(parameter);
  Parameter read;
  read.hash = find_hash(in.u64());
  read.mgf = find_hash_of_mgf(in.u64());
  const std::uint64_t salt = in.u64();
  // The key store has one hash for the message and for MGF1, and SHA-2 only.
  if (!in.finish() || read.hash == nullptr || read.mgf != read.hash || salt > UINT16_MAX) return std::nullopt;
  if (read.hash->id == HashId::none || read.hash->id == HashId::sha1) return std::nullopt;
  if (mechanism.hash != 0 && mechanism.hash != read.hash->type) return std::nullopt;
  read.number = salt;
  read.sks = ByteWriter().u16(static_cast<std::uint16_t>(salt)).take();
  return read;
}

/// The number of a hash in the parameters of xmlenc11#rsa-oaep.
std::uint8_t oaep_number(const Hash& hash) { return static_cast<std::uint8_t>(hash.id); }
static_assert(static_cast<int>(HashId::sha1) == 1 && static_cast<int>(HashId::sha512) == 4);

std::optional<Parameter> read_oaep(const Mechanism&, ByteView parameter) {
  ByteReader in(parameter);
  Parameter read;
  read.hash = find_hash(in.u64());
  read.mgf = find_hash_of_mgf(in.u64());
  const ByteView label = in.blob();
  if (!in.finish() || read.hash == nullptr || read.mgf == nullptr || label.size() > kMaxOaepLabel) return std::nullopt;
  if (read.hash->id == HashId::none || read.mgf->id == HashId::none) return std::nullopt;
  read.sks = ByteWriter().u8(oaep_number(*read.hash)).u8(oaep_number(*read.mgf)).raw(label).take();
  return read;
}

std::optional<Parameter> read_counter(const Mechanism&, ByteView parameter) {
  ByteReader in(parameter);
  const std::uint64_t bits = in.u64();
  const ByteView block = in.rest();
  if (in.failed() || bits < 1 || bits > kBitsOfByte * crypto::kAesBlock || block.size() != crypto::kAesBlock)
    return std::nullopt;
  Parameter read;
  read.sks = ByteWriter().u8(static_cast<std::uint8_t>(bits)).raw(block).take();
  return read;
}

std::optional<Parameter> read_gcm(const Mechanism&, ByteView parameter) {
  ByteReader in(parameter);
  const ByteView iv = in.blob();
  const ByteView associated_data = in.blob();
  const std::uint64_t tag_bits = in.u64();
  const std::uint64_t tag = tag_bits / kBitsOfByte;
  const bool is_tag = tag_bits % kBitsOfByte == 0 && (tag == 4 || tag == 8 || (tag >= 12 && tag <= crypto::kGcmTag));
  if (!in.finish() || iv.empty() || iv.size() > crypto::kGcmMaxIv || !is_tag) return std::nullopt;
  Parameter read;
  read.number = tag;
  read.sks.reserve(3 + iv.size() + associated_data.size());
  read.sks = {0, static_cast<std::uint8_t>(iv.size())};
  read.sks.insert(read.sks.end(), iv.begin(), iv.end());
  read.sks.push_back(static_cast<std::uint8_t>(tag));
  read.sks.insert(read.sks.end(), associated_data.begin(), associated_data.end());
  return read;
}

std::optional<Parameter> read_mac_length(const Mechanism& mechanism, ByteView parameter) {
  ByteReader in(parameter);
  Parameter read;
  const std::uint64_t length = in.u64();
  // A MAC of no bytes would be right for every message.
  if (!in.finish() || length < 1 || length > find_hash(mechanism.hash)->size) return std::nullopt;
  read.number = length;
  return read;
}

struct ShapeRow {
  Shape shape;
  Read read;
};
constexpr auto kShapes = std::to_array<ShapeRow>({
    {Shape::none, of_size<0>},
    {Shape::pss, read_pss},
    {Shape::oaep, read_oaep},
    {Shape::iv, of_size<crypto::kAesBlock>},
    {Shape::counter, read_counter},
    {Shape::gcm, read_gcm},
    {Shape::wrap_iv, of_size<0, crypto::kWrapBlock>},
    {Shape::wrap_iv_prefix, of_size<0, crypto::kWrapBlock / 2>},
    {Shape::mac_length, read_mac_length},
});

Refusal no_parameter() { return {CKR_MECHANISM_PARAM_INVALID, "the parameter is none of this mechanism"}; }

}  // namespace

Outcome<Parameter> read_parameter(const Mechanism& mechanism, ByteView parameter) {
  const auto row = std::ranges::find(kShapes, mechanism.parameter, &ShapeRow::shape);
  SKS_CHECK(row != kShapes.end());
  std::optional<Parameter> read = row->read(mechanism, parameter);
  if (!read) return no_parameter();
  return std::move(*read);
}

Outcome<AgreementParameter> read_agreement_parameter(ByteView parameter) {
  ByteReader in(parameter);
  const CK_ULONG kdf = in.u64();
  AgreementParameter read;
  read.shared_data = in.blob();
  read.public_data = in.blob();
  if (!in.finish()) return no_parameter();
  if (kdf == CKD_NULL && read.shared_data.empty()) return read;
  read.kdf = find_hash_of_kdf(kdf);
  if (read.kdf == nullptr) return no_parameter();
  return read;
}

ByteView oaep_label(const Parameter& parameter) { return ByteView(parameter.sks).subspan(2); }

}  // namespace sks::token
