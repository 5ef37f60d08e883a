#include "key-user-api/token/object.h"

#include <algorithm>
#include <array>

namespace sks::token {
namespace {

constexpr std::uint16_t bits(std::initializer_list<Usage> usages) {
  std::uint16_t all = 0;
  for (const Usage usage : usages) all = static_cast<std::uint16_t>(all | static_cast<std::uint16_t>(usage));
  return all;
}

struct KindRow {
  KeyKind kind;
  CK_KEY_TYPE key_type;
  CK_MECHANISM_TYPE generator;
};
constexpr auto kKinds = std::to_array<KindRow>({
    {KeyKind::rsa, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN},
    {KeyKind::ec, CKK_EC, CKM_EC_KEY_PAIR_GEN},
    {KeyKind::ed25519, CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN},
    {KeyKind::ed448, CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN},
    {KeyKind::x25519, kCkkEcMontgomery, kCkmEcMontgomeryKeyPairGen},
    {KeyKind::x448, kCkkEcMontgomery, kCkmEcMontgomeryKeyPairGen},
});

const KindRow& row_of(KeyKind kind) {
  const auto found = std::ranges::find(kKinds, kind, &KindRow::kind);
  SKS_CHECK(found != kKinds.end());
  return *found;
}

// Agreement is for the curves that have it, and ECDSA for those that sign.
bool fits(const Algorithm& algorithm, std::optional<KeyKind> kind) {
  if (!kind) return algorithm.family == KeyFamily::symmetric;
  switch (*kind) {
    case KeyKind::rsa:
      return algorithm.family == KeyFamily::rsa && algorithm.category != Category::key_generation;
    case KeyKind::ec:
      return algorithm.family == KeyFamily::non_rsa && algorithm.category != Category::key_generation;
    case KeyKind::ed25519:
    case KeyKind::ed448:
      return algorithm.also_signature && algorithm.kind == kind;
    case KeyKind::x25519:
    case KeyKind::x448:
      return algorithm.category == Category::agreement;
  }
  SKS_CHECK(false);
}

std::uint16_t usages_of_algorithm(const Algorithm& algorithm) {
  if (is_signature(algorithm)) return bits({Usage::sign});
  switch (algorithm.category) {
    case Category::cipher:
      return bits({Usage::encrypt, Usage::decrypt, Usage::wrap, Usage::unwrap});
    case Category::hmac:
      return bits({Usage::sign, Usage::verify});
    case Category::decryption:
      return bits({Usage::decrypt, Usage::unwrap});
    case Category::agreement:
      return bits({Usage::derive});
    case Category::signature:
    case Category::key_generation:
    case Category::special:
      return 0;
  }
  SKS_CHECK(false);
}

bool is_endorsed(const std::vector<std::string>& endorsed, std::string_view uri) {
  return endorsed.empty() || std::ranges::find(endorsed, uri) != endorsed.end();
}

}  // namespace

CK_KEY_TYPE key_type_of(KeyKind kind) { return row_of(kind).key_type; }
CK_MECHANISM_TYPE generator_of(KeyKind kind) { return row_of(kind).generator; }

std::uint16_t usages_of_key(std::optional<KeyKind> kind, const std::vector<std::string>& endorsed) {
  std::uint16_t usages = 0;
  for (const Algorithm& algorithm : all_algorithms())
    if (fits(algorithm, kind) && is_endorsed(endorsed, algorithm.uri))
      usages = static_cast<std::uint16_t>(usages | usages_of_algorithm(algorithm));
  return usages;
}

std::uint16_t usages_of_public(std::uint16_t private_usages) {
  struct Pair {
    Usage private_half;
    Usage public_half;
  };
  constexpr std::array<Pair, 3> kPairs{
      {{Usage::sign, Usage::verify}, {Usage::decrypt, Usage::encrypt}, {Usage::unwrap, Usage::wrap}}};
  std::uint16_t usages = 0;
  for (const Pair& pair : kPairs)
    if ((private_usages & bits({pair.private_half})) != 0)
      usages = static_cast<std::uint16_t>(usages | bits({pair.public_half}));
  return usages;
}

std::uint16_t usages_of_secret(CK_KEY_TYPE type) {
  return type == CKK_AES ? bits({Usage::encrypt, Usage::decrypt, Usage::wrap, Usage::unwrap})
                         : bits({Usage::sign, Usage::verify, Usage::derive});
}

std::vector<std::string> endorsed_for(std::optional<KeyKind> kind, std::size_t secret_bytes, std::uint16_t usages) {
  std::vector<std::string> endorsed;
  bool is_restricted = false;
  for (const Algorithm& algorithm : all_algorithms()) {
    if (!fits(algorithm, kind)) continue;
    const bool is_too_long_or_short =
        algorithm.category == Category::cipher && algorithm.size != 0 && algorithm.size != secret_bytes;
    if (is_too_long_or_short || (usages_of_algorithm(algorithm) & usages) == 0) {
      is_restricted = true;
    } else {
      endorsed.emplace_back(algorithm.uri);
    }
  }
  if (!is_restricted) return {};
  if (endorsed.empty()) endorsed.emplace_back(kNoneAlgorithm);
  std::ranges::sort(endorsed);
  return endorsed;
}

}  // namespace sks::token
