#include "sks-core/engine/method_parameters.h"

#include <algorithm>
#include <array>

#include "sks-core/base/byte_reader.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/hash.h"

namespace sks::engine {
namespace {

struct Form {
  Parameters form;
  bool (*holds)(const Algorithm&, ByteView parameters);
  std::string_view asks_for;
};

template <std::size_t... sizes>
bool has_size(const Algorithm&, ByteView parameters) {
  return ((parameters.size() == sizes) || ...);
}

constexpr auto kForms = std::to_array<Form>({
    {Parameters::none, has_size<0>, "no parameters"},
    {Parameters::iv, has_size<crypto::kAesBlock>, "an initialisation vector of 16 bytes"},
    {Parameters::counter, [](const Algorithm&, ByteView p) { return read_ctr(p).has_value(); },
     "the bits of the counter, 1 to 128, and a counter block of 16 bytes"},
    {Parameters::gcm, [](const Algorithm&, ByteView p) { return read_gcm(p).has_value(); },
     "an initialisation vector of 1 to 128 bytes with its length, a tag length of 4, 8 or 12 to 16, and additional "
     "data"},
    {Parameters::wrap_iv, has_size<0, crypto::kWrapBlock>, "nothing or an initialisation vector of 8 bytes"},
    {Parameters::wrap_iv_prefix, has_size<0, crypto::kWrapBlock / 2>,
     "nothing or the 4 bytes at the beginning of an initialisation vector"},
    {Parameters::pss, [](const Algorithm& row, ByteView p) { return read_salt_length(row.hash, p).has_value(); },
     "nothing or the length of the salt, in 2 bytes"},
    {Parameters::oaep, [](const Algorithm&, ByteView p) { return read_oaep(p).has_value(); },
     "the number of the hash, that of the hash of MGF1, and a label"},
});

// Their numbers are those of sks-extensions.md, RSAES-OAEP; 0 is no hash.
constexpr std::array kOaepHashes{HashId::none, HashId::sha1, HashId::sha256, HashId::sha384, HashId::sha512};

HashId oaep_hash(std::uint8_t number) { return number < kOaepHashes.size() ? kOaepHashes[number] : HashId::none; }

bool is_tag_size(std::size_t size) { return size == 4 || size == 8 || (size >= 12 && size <= crypto::kGcmTag); }

}  // namespace

Result<void> check_parameters(const Algorithm& algorithm, ByteView parameters) {
  const auto form = std::ranges::find(kForms, algorithm.parameters, &Form::form);
  SKS_CHECK(form != kForms.end());
  if (!form->holds(algorithm, parameters))
    return Error{Status::option, std::string(algorithm.uri) + " takes " + std::string(form->asks_for)};
  return {};
}

std::optional<CtrParameters> read_ctr(ByteView parameters) {
  constexpr std::size_t kMaxBits = 8 * crypto::kAesBlock;
  ByteReader in(parameters);
  const CtrParameters read{in.u8(), in.rest()};
  if (read.counter_bits < 1 || read.counter_bits > kMaxBits || read.block.size() != crypto::kAesBlock)
    return std::nullopt;
  return read;
}

std::optional<GcmParameters> read_gcm(ByteView parameters) {
  ByteReader in(parameters);
  const GcmParameters read{in.array(), in.u8(), in.rest()};
  if (!in.finish() || read.iv.empty() || read.iv.size() > crypto::kGcmMaxIv || !is_tag_size(read.tag_size))
    return std::nullopt;
  return read;
}

std::optional<crypto::Oaep> read_oaep(ByteView parameters) {
  ByteReader in(parameters);
  const crypto::Oaep read{oaep_hash(in.u8()), oaep_hash(in.u8()), in.rest()};
  if (!in.finish() || read.hash == HashId::none || read.mgf_hash == HashId::none) return std::nullopt;
  return read;
}

std::optional<std::size_t> read_salt_length(HashId hash, ByteView parameters) {
  if (parameters.empty()) return crypto::digest_size(hash);
  ByteReader in(parameters);
  const std::size_t length = in.u16();
  if (!in.finish()) return std::nullopt;
  return length;
}

}  // namespace sks::engine
