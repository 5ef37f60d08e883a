#include "sealed-storage/passphrase_envelope.h"

#include <algorithm>

namespace sks::sealed {
namespace {

using crypto::ScryptCosts;

constexpr std::size_t kSaltOffset = 3;  // behind the three costs
constexpr std::size_t kNonceOffset = kSaltOffset + kEnvelopeSalt;

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

Result<SecureBytes> take_passphrase(SecretSource::Secret which, const EnvelopeContext& context) {
  SKS_LET(SecureBytes passphrase, context.secrets.get(which, context.name));
  SKS_TRY(check_passphrase(passphrase.view()));
  return passphrase;
}

/// All of the file that stands before the cipher text.
Bytes associated_data(const EnvelopeContext& context, ByteView envelope) {
  return concat({context.header, envelope.first(kEnvelopeHeader)});
}

Result<SecureBytes> derive_key(const SecureBytes& passphrase, ByteView envelope, ScryptCosts costs) {
  return crypto::scrypt(passphrase.view(), envelope.subspan(kSaltOffset, kEnvelopeSalt), costs, crypto::kAes256Key);
}

}  // namespace

Result<void> check_passphrase(ByteView passphrase) {
  if (passphrase.empty()) return Error{Status::option, "the passphrase is empty"};
  if (passphrase.size() > kMaxPassphrase)
    return Error{Status::option, "the passphrase is longer than " + std::to_string(kMaxPassphrase) + " bytes"};
  // HMAC fills short keys up with zeros: scrypt does not tell "a" from "a" with a zero byte behind it.
  if (std::ranges::count(passphrase, 0) != 0) return Error{Status::option, "the passphrase has a zero byte in it"};
  return {};
}

Result<SecureBytes> seal_envelope(ByteView content, const EnvelopeContext& context, const Random& random,
                                  ScryptCosts costs) {
  SKS_CHECK(content.size() <= kMaxEnvelopeContent && acceptable(costs));
  SKS_LET(const SecureBytes passphrase, take_passphrase(SecretSource::Secret::new_passphrase, context));
  SecureBytes envelope(content.size() + kEnvelopeOverhead);
  envelope.data()[0] = costs.log2_n;
  envelope.data()[1] = costs.r;
  envelope.data()[2] = costs.p;
  random.fill(envelope.span().subspan(kSaltOffset, kEnvelopeSalt + crypto::kGcmNonce));
  SKS_LET(const SecureBytes key, derive_key(passphrase, envelope.view(), costs));
  const ByteView nonce = envelope.view().subspan(kNonceOffset, crypto::kGcmNonce);
  const Bytes sealed = crypto::aes_256_gcm_seal(key.view(), nonce, associated_data(context, envelope.view()), content);
  std::ranges::copy(sealed, envelope.data() + kEnvelopeHeader);
  return envelope;
}

Result<SecureBytes> open_envelope(ByteView envelope, const EnvelopeContext& context) {
  if (envelope.size() < kEnvelopeOverhead || envelope.size() - kEnvelopeOverhead > kMaxEnvelopeContent)
    return Error{Status::crypto, context.path + " is damaged"};
  const ScryptCosts costs{envelope[0], envelope[1], envelope[2]};
  if (!acceptable(costs)) {
    return Error{Status::crypto,
                 context.path + " demands a key derivation out of all bounds: it is damaged, or was made to harm"};
  }
  SKS_LET(const SecureBytes passphrase, take_passphrase(SecretSource::Secret::passphrase, context));
  SKS_LET(const SecureBytes key, derive_key(passphrase, envelope, costs));
  Result<SecureBytes> content =
      crypto::aes_256_gcm_open(key.view(), envelope.subspan(kNonceOffset, crypto::kGcmNonce),
                               associated_data(context, envelope), envelope.subspan(kEnvelopeHeader));
  if (!content) return Error{Status::authorization, "the passphrase of " + std::string(context.owner) + " is wrong"};
  return content;
}

}  // namespace sks::sealed
