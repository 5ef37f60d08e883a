#include "sks-core/engine/ciphers.h"

#include <algorithm>
#include <array>

#include "sks-core/crypto/cipher.h"
#include "sks-core/engine/method_parameters.h"

namespace sks::engine {
namespace {

using Check = Result<void> (*)(const CipherCall&);
using Run = Result<SecureBytes> (*)(const CipherCall&, ByteView key, ByteView fresh_iv);

struct ModeRules {
  AesMode mode;
  Check check;
  Run encrypt;
  Run decrypt;
};

Error wrong_length() { return {Status::option, "data is not a whole number of blocks"}; }

Result<void> check_blocks(const CipherCall& call) {
  if (call.data.size() % crypto::kAesBlock != 0) return wrong_length();
  return {};
}

Result<void> check_cbc(const CipherCall& call) {
  if (call.mode == CipherMode::encrypt) return {};
  SKS_TRY(check_blocks(call));
  if (call.algorithm.iv == IvSource::internal && call.data.empty())
    return Error{Status::internal, "data has no initialisation vector"};
  return {};
}

/// How often the counter, the last `bits` bits of the block, can go up before it is all ones; at most 2^64 - 1.
std::uint64_t room_above(const CtrParameters& counter) {
  constexpr std::size_t kByte = 8;
  std::uint64_t room = 0;
  for (std::size_t i = 0; i < crypto::kAesBlock; ++i) {
    const std::size_t below = kByte * (crypto::kAesBlock - 1 - i);
    if (below >= counter.counter_bits) continue;
    const std::size_t bits = std::min(counter.counter_bits - below, kByte);
    const std::uint64_t part = ~std::uint64_t{counter.block[i]} & ((1U << bits) - 1U);
    if (below >= 8 * sizeof(room) && part != 0) return UINT64_MAX;
    room = room << kByte | part;
  }
  return room;
}

/// OpenSSL counts in all 128 bits, which is the same as long as the counter does not wrap.
Result<void> check_ctr(const CipherCall& call) {
  const std::size_t blocks = (call.data.size() + crypto::kAesBlock - 1) / crypto::kAesBlock;
  if (blocks > 1 && blocks - 1 > room_above(*read_ctr(call.parameters)))
    return Error{Status::option, "data is too long for the counter"};
  return {};
}

Result<void> check_gcm(const CipherCall& call) {
  if (call.mode == CipherMode::decrypt && call.data.size() < read_gcm(call.parameters)->tag_size)
    return Error{Status::option, "data is shorter than the tag"};
  return {};
}

Result<void> check_wrap(const CipherCall& call) {
  const std::size_t least = (call.mode == CipherMode::encrypt ? 2 : 3) * crypto::kWrapBlock;
  if (call.data.size() < least || call.data.size() % crypto::kWrapBlock != 0)
    return Error{Status::option, "data has no length of a key to wrap or unwrap"};
  return {};
}

Result<void> check_wrap_padded(const CipherCall& call) {
  const std::size_t size = call.data.size();
  const bool fits =
      call.mode == CipherMode::encrypt ? size > 0 : size >= 2 * crypto::kWrapBlock && size % crypto::kWrapBlock == 0;
  if (!fits) return Error{Status::option, "data has no length of a key to wrap or unwrap"};
  return {};
}

Result<SecureBytes> encrypt_cbc(const CipherCall& call, ByteView key, ByteView fresh_iv) {
  if (call.algorithm.iv == IvSource::parameters)
    return SecureBytes::copy_of(crypto::aes_cbc_encrypt(key, call.parameters, call.data));
  return SecureBytes::copy_of(concat({fresh_iv, crypto::aes_cbc_encrypt(key, fresh_iv, call.data)}));
}

Result<SecureBytes> decrypt_cbc(const CipherCall& call, ByteView key, ByteView) {
  if (call.algorithm.iv == IvSource::parameters) return crypto::aes_cbc_decrypt(key, call.parameters, call.data);
  return crypto::aes_cbc_decrypt(key, call.data.first(crypto::kAesBlock), call.data.subspan(crypto::kAesBlock));
}

Result<SecureBytes> run_ctr(const CipherCall& call, ByteView key, ByteView) {
  return crypto::aes_ctr(key, read_ctr(call.parameters)->block, call.data);
}

Result<SecureBytes> encrypt_gcm(const CipherCall& call, ByteView key, ByteView) {
  const GcmParameters gcm = *read_gcm(call.parameters);
  return SecureBytes::copy_of(crypto::aes_gcm_seal(key, gcm.iv, gcm.associated_data, call.data, gcm.tag_size));
}

Result<SecureBytes> decrypt_gcm(const CipherCall& call, ByteView key, ByteView) {
  const GcmParameters gcm = *read_gcm(call.parameters);
  return crypto::aes_gcm_open(key, gcm.iv, gcm.associated_data, call.data, gcm.tag_size);
}

/// For functions of key, IV and data, and of key and data.
template <auto function>
Result<SecureBytes> with_iv(const CipherCall& call, ByteView key, ByteView) {
  return function(key, call.parameters, call.data);
}
template <auto function>
Result<SecureBytes> without_iv(const CipherCall& call, ByteView key, ByteView) {
  return function(key, call.data);
}

constexpr auto kModes = std::to_array<ModeRules>({
    {AesMode::cbc, check_cbc, encrypt_cbc, decrypt_cbc},
    {AesMode::ecb, check_blocks, without_iv<crypto::aes_ecb_encrypt>, without_iv<crypto::aes_ecb_decrypt>},
    {AesMode::cbc_blocks, check_blocks, with_iv<crypto::aes_cbc_blocks_encrypt>,
     with_iv<crypto::aes_cbc_blocks_decrypt>},
    {AesMode::ctr, check_ctr, run_ctr, run_ctr},
    {AesMode::gcm, check_gcm, encrypt_gcm, decrypt_gcm},
    {AesMode::wrap, check_wrap, with_iv<crypto::aes_wrap>, with_iv<crypto::aes_unwrap>},
    {AesMode::wrap_padded, check_wrap_padded, with_iv<crypto::aes_wrap_padded>, with_iv<crypto::aes_unwrap_padded>},
});

const ModeRules& rules_of(const Algorithm& algorithm) {
  const auto found = std::ranges::find(kModes, algorithm.mode, &ModeRules::mode);
  SKS_CHECK(found != kModes.end());
  return *found;
}

}  // namespace

Result<void> check_cipher(const CipherCall& call) {
  SKS_TRY(check_parameters(call.algorithm, call.parameters));
  return rules_of(call.algorithm).check(call);
}

bool needs_iv(const CipherCall& call) {
  return call.algorithm.iv == IvSource::internal && call.mode == CipherMode::encrypt;
}

Result<SecureBytes> run_cipher(const CipherCall& call, ByteView key, ByteView fresh_iv) {
  const ModeRules& rules = rules_of(call.algorithm);
  return (call.mode == CipherMode::encrypt ? rules.encrypt : rules.decrypt)(call, key, fresh_iv);
}

}  // namespace sks::engine
