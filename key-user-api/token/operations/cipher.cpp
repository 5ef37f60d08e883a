#include "sks-core/crypto/cipher.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/operations/operation.h"

/// AES with keys of the key store and with session keys.
namespace sks::token {
namespace {

using crypto::kAesBlock;

constexpr std::size_t kAlwaysFits = 16'384;  // bytes in one call to any key store of this project
constexpr std::size_t kBitsOfByte = 8;
constexpr std::size_t kMaxStoredParameters = 65'535;  // bytes, sks-api.md 2.1

/// The algorithm with which the beginning of padded data is processed.
constexpr std::string_view kCbcBlocks = "urn:sks:ext:aes.cbc.nopad";

std::size_t whole_blocks(std::size_t size) { return size - size % kAesBlock; }

/// Counts `blocks` further: the last `bits` bits of `block` are the counter. Returns whether it came around.
bool advance_counter(std::span<std::uint8_t> block, std::size_t bits, std::uint64_t blocks) {
  std::uint64_t carry = blocks;
  for (std::size_t i = kAesBlock; i-- > 0 && bits > 0;) {
    const std::size_t used = std::min(bits, kBitsOfByte);
    const std::uint64_t mask = (1U << used) - 1;
    const std::uint64_t sum = (block[i] & mask) + (carry & mask);
    block[i] = static_cast<std::uint8_t>((block[i] & ~mask) | (sum & mask));
    carry = (carry >> used) + (sum >> used);
    bits -= used;
  }
  return carry != 0;
}

class CipherOperation final : public Operation {
 public:
  explicit CipherOperation(Start&& start)
      : mechanism_(start.mechanism), parameter_(std::move(start.parameter)), key_(std::move(*start.key)) {}

  Outcome<SecureBytes> update(Call& call, ByteView part) override;
  Outcome<SecureBytes> finish(Call& call, ByteView last) override;
  std::size_t held() const override { return parameter_.size() + waiting_.size(); }

 private:
  bool encrypts() const {
    return key_.function().function == Function::encrypt || key_.function().function == Function::wrap;
  }
  bool is_padded() const { return mechanism_.parts == Parts::padded_blocks; }
  /// Whether parts can be processed before the end is known.
  bool flows() const { return mechanism_.parts == Parts::blocks || (is_padded() && key_.permits(kCbcBlocks)); }
  CipherMode mode() const { return encrypts() ? CipherMode::encrypt : CipherMode::decrypt; }
  Refusal wrong_length() const { return {key_.function().wrong_length, "data of a length that does not fit"}; }
  /// Takes a part to what waits, which is less than two blocks when data flows: that has no end.
  Outcome<void> add(ByteView part);

  /// What of `size` bytes can be processed although more may come.
  std::size_t ready(std::size_t size) const;
  Outcome<SecureBytes> end(Call& call, ByteView data);
  Outcome<SecureBytes> run_blocks(Call& call, ByteView data);
  Outcome<std::size_t> piece_size(Call& call, std::size_t size) const;
  /// Makes the parameter that of the blocks behind `data`, which became `result`.
  void chain(ByteView data, ByteView result);
  Outcome<void> check_length(std::size_t size) const;

  const Mechanism& mechanism_;
  Parameter parameter_;
  KeyUse key_;
  Collected waiting_;
  bool counter_came_around_ = false;
};

std::size_t CipherOperation::ready(std::size_t size) const {
  // The last block of padded data, when it is decrypted, is the one with the padding.
  if (is_padded() && !encrypts()) return size == 0 ? 0 : whole_blocks(size - 1);
  return whole_blocks(size);
}

Outcome<void> CipherOperation::add(ByteView part) {
  SKS_TRY(check_room(flows() ? 0 : waiting_.size(), part.size(), key_.function()));
  waiting_.add(part);
  return {};
}

Outcome<SecureBytes> CipherOperation::update(Call& call, ByteView part) {
  SKS_TRY(add(part));
  if (!flows()) return SecureBytes();
  const std::size_t count = ready(waiting_.size());
  SKS_LET(SecureBytes out, run_blocks(call, waiting_.view().first(count)));
  waiting_.drop(count);
  return out;
}

Outcome<SecureBytes> CipherOperation::finish(Call& call, ByteView last) {
  if (waiting_.empty()) return end(call, last);
  SKS_TRY(add(last));
  return end(call, waiting_.view());
}

Outcome<SecureBytes> CipherOperation::end(Call& call, ByteView data) {
  SKS_TRY(check_length(data.size()));
  if (mechanism_.parts == Parts::blocks) return run_blocks(call, data);
  SecureBytes beginning;
  if (is_padded() && data.size() > kAlwaysFits && flows()) {
    const std::size_t count = ready(data.size());
    SKS_LET(beginning, run_blocks(call, data.first(count)));
    data = data.subspan(count);
  }
  SKS_LET(SecureBytes rest, key_.run_cipher(call, mechanism_.algorithms.front().uri, mode(), parameter_.sks, data));
  if (beginning.empty()) return rest;
  SecureBytes out(beginning.size() + rest.size());
  std::ranges::copy(rest.view(), std::ranges::copy(beginning.view(), out.data()).out);
  return out;
}

/// The key store has the same checks. What PKCS#11 asks for beyond them stands here.
Outcome<void> CipherOperation::check_length(std::size_t size) const {
  const bool needs_blocks = mechanism_.parts == Parts::blocks && mechanism_.parameter != Shape::counter;
  if (needs_blocks && size % kAesBlock != 0) return wrong_length();
  if (is_padded() && !encrypts() && (size == 0 || size % kAesBlock != 0)) return wrong_length();
  return {};
}

Outcome<std::size_t> CipherOperation::piece_size(Call& call, std::size_t size) const {
  if (!key_.key().stored || size <= kAlwaysFits) return std::max(size, std::size_t{1});
  SKS_LET(const DeviceInfo info, outcome_of(call.store.get_device_info(), key_.function()));
  return std::max(whole_blocks(info.crypto_data_size), kAesBlock);
}

/// Whole blocks, and with CTR at the end less than one more.
Outcome<SecureBytes> CipherOperation::run_blocks(Call& call, ByteView data) {
  if (data.empty()) return SecureBytes();
  const std::string_view algorithm = is_padded() ? kCbcBlocks : mechanism_.algorithms.front().uri;
  SKS_LET(const std::size_t piece_size, this->piece_size(call, data.size()));
  SecureBytes out;
  std::size_t done = 0;
  while (done < data.size()) {
    if (counter_came_around_) return wrong_length();
    const ByteView piece = data.subspan(done, std::min(piece_size, data.size() - done));
    SKS_LET(SecureBytes result, key_.run_cipher(call, algorithm, mode(), parameter_.sks, piece));
    chain(piece, result.view());
    if (piece.size() == data.size()) return result;
    if (out.empty()) out = SecureBytes(data.size());
    std::ranges::copy(result.view(), out.data() + done);
    done += piece.size();
  }
  return out;
}

void CipherOperation::chain(ByteView data, ByteView result) {
  if (mechanism_.parameter == Shape::iv) parameter_.sks = to_bytes((encrypts() ? result : data).last(kAesBlock));
  if (mechanism_.parameter == Shape::counter) {
    const std::size_t bits = parameter_.sks.front();
    const std::size_t blocks = (data.size() + kAesBlock - 1) / kAesBlock;
    counter_came_around_ = advance_counter(std::span(parameter_.sks).subspan(1), bits, blocks);
  }
}

}  // namespace

Outcome<std::unique_ptr<Operation>> start_cipher(Start&& start) {
  const SecureBytes* const secret = start.key->key().secret.get();
  if (!start.key->key().stored && secret->size() != 16 && secret->size() != 24 && secret->size() != 32)
    return Refusal{start.key->function().wrong_key_type, "the key has no length of AES"};
  if (start.key->key().stored && start.parameter.size() > kMaxStoredParameters)
    return Refusal{CKR_MECHANISM_PARAM_INVALID, "more additional data than the key store takes"};
  return std::unique_ptr<Operation>(std::make_unique<CipherOperation>(std::move(start)));
}

}  // namespace sks::token
