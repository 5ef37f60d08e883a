#include "keygen2/key_algorithm.h"

#include <algorithm>
#include <array>

namespace sks::keygen2 {
namespace {

#define SKS_ALG "https://webpki.github.io/sks/algorithm#"

constexpr auto kKeyAlgorithms = std::to_array<KeyAlgorithm>({
    {SKS_ALG "rsa2048", KeyKind::rsa, 2048, std::nullopt, false, true},
    {SKS_ALG "rsa3072", KeyKind::rsa, 3072, std::nullopt, false, false},
    {SKS_ALG "rsa4096", KeyKind::rsa, 4096, std::nullopt, false, false},
    {SKS_ALG "rsa1024.exp", KeyKind::rsa, 1024, std::nullopt, true, false},
    {SKS_ALG "rsa2048.exp", KeyKind::rsa, 2048, std::nullopt, true, false},
    {SKS_ALG "rsa3072.exp", KeyKind::rsa, 3072, std::nullopt, true, false},
    {SKS_ALG "rsa4096.exp", KeyKind::rsa, 4096, std::nullopt, true, false},
    {SKS_ALG "ec.nist.p256", KeyKind::ec, 0, Curve::p256, false, true},
    {SKS_ALG "ec.nist.p384", KeyKind::ec, 0, Curve::p384, false, true},
    {SKS_ALG "ec.nist.p521", KeyKind::ec, 0, Curve::p521, false, true},
    {SKS_ALG "ec.secg.p256k1", KeyKind::ec, 0, Curve::secp256k1, false, false},
    {SKS_ALG "ec.brainpool.p256r1", KeyKind::ec, 0, Curve::brainpool_p256r1, false, false},
    {SKS_ALG "ed25519", KeyKind::ed25519, 0, std::nullopt, false, false},
    {SKS_ALG "ed448", KeyKind::ed448, 0, std::nullopt, false, false},
    {SKS_ALG "x25519", KeyKind::x25519, 0, std::nullopt, false, false},
    {SKS_ALG "x448", KeyKind::x448, 0, std::nullopt, false, false},
});

#undef SKS_ALG

constexpr std::array<std::uint8_t, 3> kExponent65537{0x01, 0x00, 0x01};

}  // namespace

const KeyAlgorithm* find_key_algorithm(std::string_view uri) {
  const auto* const found = std::ranges::find(kKeyAlgorithms, uri, &KeyAlgorithm::uri);
  return found == kKeyAlgorithms.end() ? nullptr : found;
}

bool is_exponent(ByteView parameters) {
  if (parameters.empty() || parameters.front() >= 0x80 || parameters.back() % 2 == 0) return false;
  const auto above_one = [](std::uint8_t byte) { return byte != 0; };
  return parameters.back() > 1 || std::ranges::any_of(parameters.first(parameters.size() - 1), above_one);
}

bool key_matches(const crypto::PublicKey& key, const KeyAlgorithm& algorithm, ByteView parameters) {
  if (key.kind() != algorithm.kind) return false;
  if (algorithm.kind == KeyKind::ec) return key.curve() == algorithm.curve;
  if (algorithm.kind != KeyKind::rsa) return true;
  if (key.rsa_modulus_bytes() * 8 != algorithm.rsa_bits) return false;
  // keyParameters are a two's complement number: a leading zero only keeps it positive.
  ByteView exponent = algorithm.takes_exponent ? parameters : ByteView(kExponent65537);
  while (!exponent.empty() && exponent.front() == 0) exponent = exponent.subspan(1);
  return equal(key.rsa_exponent(), exponent);
}

}  // namespace sks::keygen2
