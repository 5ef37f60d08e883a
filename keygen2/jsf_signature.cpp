#include "keygen2/jsf_signature.h"

#include <algorithm>
#include <array>

#include "keygen2/jwk.h"
#include "keygen2/message_common.h"

namespace sks::keygen2 {
namespace {

struct JsfAlgorithm {
  std::string_view name;
  KeyKind kind;
  std::optional<Curve> curve;
};

/// Those with SHA-256 that key stores verify as well.
constexpr auto kJsfAlgorithms = std::to_array<JsfAlgorithm>({
    {"RS256", KeyKind::rsa, std::nullopt},
    {"ES256", KeyKind::ec, Curve::p256},
});

bool fits(const crypto::PublicKey& key, const JsfAlgorithm& algorithm) {
  return key.kind() == algorithm.kind && (!algorithm.curve || key.curve() == *algorithm.curve);
}

}  // namespace

std::optional<std::string> jsf_algorithm(const crypto::PublicKey& key) {
  const auto* const row =
      std::ranges::find_if(kJsfAlgorithms, [&](const JsfAlgorithm& candidate) { return fits(key, candidate); });
  if (row == kJsfAlgorithms.end()) return std::nullopt;
  return std::string(row->name);
}

JsfSignature read_jsf_signature(JsonReader& in) {
  JsfSignature result;
  result.signed_text = in.canonical_without("signature", "value");
  JsonReader signature = in.object("signature");
  result.algorithm = signature.text("algorithm");
  signature.optional_text("keyId");
  if (signature.has("publicKey"))
    result.public_key = read_public_key(signature, "publicKey", KeyPlace::signature);
  else
    in.fail(ErrorClass::crypto, "a signature without its public key");
  result.value = signature.bytes("value", kSignatureSize);
  const auto* const row = std::ranges::find(kJsfAlgorithms, result.algorithm, &JsfAlgorithm::name);
  if (row == kJsfAlgorithms.end())
    in.fail(ErrorClass::value, "unknown algorithm of a signature");
  else if (result.public_key && !fits(*result.public_key, *row))
    in.fail(ErrorClass::crypto, "the key of a signature is not for its algorithm");
  return result;
}

void write_jsf_signature(JsonWriter& out, const JsfSignature& signature) {
  out.object("signature", [&](JsonWriter& members) {
    members.text("algorithm", signature.algorithm);
    write_public_key(members, "publicKey", *signature.public_key);
    members.bytes("value", signature.value);
  });
}

Outcome<void> verify_jsf(const JsfSignature& signature) {
  const auto verified =
      crypto::verify_signature(*signature.public_key, as_bytes(signature.signed_text), signature.value);
  if (!verified) return failure(ErrorClass::crypto, verified.error());
  return {};
}

}  // namespace sks::keygen2
