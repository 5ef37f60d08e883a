#include "sealed-storage/passphrase_provider.h"

#include <algorithm>

#include "sealed-storage/record.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/scrypt.h"

namespace sks::sealed {
namespace {

using crypto::ScryptCosts;

constexpr std::size_t kSaltSize = 16;

constexpr std::size_t kSaltOffset = 3;  // behind the three costs
constexpr std::size_t kNonceOffset = kSaltOffset + kSaltSize;
constexpr std::size_t kWrappedOffset = kNonceOffset + crypto::kGcmNonce;
constexpr std::size_t kPartSize = kWrappedOffset + kMasterKeySize + crypto::kGcmTag;

/// 128 MiB, and about half a second of 2020.
constexpr ScryptCosts kDefaultCosts{17, 8, 1};

/// What a file may demand before anybody knows whether it is an honest one: 256 MiB, and eight times the default's
/// time.
constexpr ScryptCosts kLowest{10, 8, 1};
constexpr ScryptCosts kHighest{20, 32, 16};
constexpr std::uint64_t kMostMemory = std::uint64_t{256} << 20;
constexpr std::uint64_t kMostWork = std::uint64_t{1} << 23;  // N * r * p

bool within(std::uint8_t value, std::uint8_t low, std::uint8_t high) { return low <= value && value <= high; }

bool acceptable(ScryptCosts costs) {
  if (!within(costs.log2_n, kLowest.log2_n, kHighest.log2_n) || !within(costs.r, kLowest.r, kHighest.r) ||
      !within(costs.p, kLowest.p, kHighest.p))
    return false;
  const std::uint64_t n = std::uint64_t{1} << costs.log2_n;
  return 128 * n * costs.r <= kMostMemory && n * costs.r * costs.p <= kMostWork;
}

Result<SecureBytes> take_passphrase(SecretSource::Secret which, const ProviderContext& context) {
  SKS_LET(SecureBytes passphrase, context.secrets.get(which, context.store));
  if (passphrase.empty()) return Error{Status::option, "the passphrase is empty"};
  if (passphrase.size() > kMaxPassphrase)
    return Error{Status::option, "the passphrase is longer than " + std::to_string(kMaxPassphrase) + " bytes"};
  // HMAC fills short keys up with zeros: scrypt does not tell "a" from "a" with a zero byte behind it.
  if (std::ranges::count(passphrase.view(), 0) != 0)
    return Error{Status::option, "the passphrase has a zero byte in it"};
  return passphrase;
}

/// All of the file that stands before the wrapped key.
Bytes associated_data(const ProviderContext& context, ByteView part) {
  return concat({context.file_header, part.first(kWrappedOffset)});
}

}  // namespace

Result<SecureBytes> wrap_with_passphrase(ByteView master_key, const ProviderContext& context) {
  SKS_LET(const SecureBytes passphrase, take_passphrase(SecretSource::Secret::new_passphrase, context));
  SecureBytes part(kPartSize);
  part.data()[0] = kDefaultCosts.log2_n;
  part.data()[1] = kDefaultCosts.r;
  part.data()[2] = kDefaultCosts.p;
  context.random.fill(part.span().subspan(kSaltOffset, kSaltSize + crypto::kGcmNonce));
  const ByteView salt = part.view().subspan(kSaltOffset, kSaltSize);
  const ByteView nonce = part.view().subspan(kNonceOffset, crypto::kGcmNonce);
  SKS_LET(const SecureBytes key, crypto::scrypt(passphrase.view(), salt, kDefaultCosts, crypto::kAes256Key));
  const Bytes wrapped = crypto::aes_256_gcm_seal(key.view(), nonce, associated_data(context, part.view()), master_key);
  std::ranges::copy(wrapped, part.data() + kWrappedOffset);
  return part;
}

Result<SecureBytes> unwrap_with_passphrase(ByteView part, const ProviderContext& context) {
  if (part.size() != kPartSize) return Error{Status::crypto, context.path + " is damaged"};
  const ScryptCosts costs{part[0], part[1], part[2]};
  if (!acceptable(costs)) {
    return Error{Status::crypto,
                 context.path + " demands a key derivation out of all bounds: it is damaged, or was made to harm"};
  }
  SKS_LET(const SecureBytes passphrase, take_passphrase(SecretSource::Secret::passphrase, context));
  SKS_LET(const SecureBytes key,
          crypto::scrypt(passphrase.view(), part.subspan(kSaltOffset, kSaltSize), costs, crypto::kAes256Key));
  Result<SecureBytes> master_key =
      crypto::aes_256_gcm_open(key.view(), part.subspan(kNonceOffset, crypto::kGcmNonce),
                               associated_data(context, part), part.subspan(kWrappedOffset));
  if (!master_key) return Error{Status::authorization, "the passphrase of the key store is wrong"};
  return master_key;
}

}  // namespace sks::sealed
