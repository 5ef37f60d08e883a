#include <algorithm>
#include <array>

#include "key-user-api/token/key_numbers.h"
#include "key-user-api/token/making.h"
#include "key-user-api/token/standard.h"

namespace sks::token {
namespace {

constexpr std::size_t kMaxGeneratedSecret = 512;  // bytes

struct SecretRow {
  CK_MECHANISM_TYPE mechanism;
  CK_KEY_TYPE type;
};
constexpr auto kSecrets = std::to_array<SecretRow>({
    {CKM_AES_KEY_GEN, CKK_AES},
    {CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET},
});

/// How a key pair is to be made.
struct Recipe {
  const Algorithm* algorithm;
  Bytes parameters;
};

Outcome<Recipe> rsa_recipe(const Template& attributes) {
  constexpr std::array<std::uint8_t, 3> kDefaultExponent{1, 0, 1};
  constexpr std::size_t kMaxExponent = 8;
  constexpr std::uint8_t kSign = 0x80;
  SKS_LET(const std::uint64_t bits, required_ulong(attributes, CKA_MODULUS_BITS));
  ByteView exponent = value_or_empty(attributes, CKA_PUBLIC_EXPONENT);
  while (!exponent.empty() && exponent.front() == 0) exponent = exponent.subspan(1);
  const bool is_default = exponent.empty() || equal(exponent, kDefaultExponent);
  Recipe recipe{find_rsa(bits, !is_default), {}};
  if (recipe.algorithm == nullptr || bits < kMinGeneratedRsaBits)
    return Refusal{CKR_KEY_SIZE_RANGE, "key stores make no RSA keys of this size"};
  if (is_default) return recipe;
  if ((exponent.front() & kSign) != 0) recipe.parameters.push_back(0);  // two's complement
  recipe.parameters.insert(recipe.parameters.end(), exponent.begin(), exponent.end());
  const bool is_exponent = (exponent.back() & 1) != 0 && recipe.parameters != Bytes{1};
  if (!is_exponent || recipe.parameters.size() > kMaxExponent)
    return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "CKA_PUBLIC_EXPONENT is none"};
  return recipe;
}

Outcome<Recipe> curve_recipe(const Template& attributes) {
  SKS_LET(const ByteView params, required_value(attributes, CKA_EC_PARAMS));
  const Algorithm* const algorithm = find_curve(params);
  if (algorithm == nullptr) return Refusal{CKR_CURVE_NOT_SUPPORTED, "a curve that key stores do not know"};
  return Recipe{algorithm, {}};
}

struct PairRow {
  CK_MECHANISM_TYPE mechanism;
  CK_KEY_TYPE type;
  Outcome<Recipe> (*recipe)(const Template& public_attributes);
};
constexpr auto kPairs = std::to_array<PairRow>({
    {CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, rsa_recipe},
    {CKM_EC_KEY_PAIR_GEN, CKK_EC, curve_recipe},
    {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, curve_recipe},
    {kCkmEcMontgomeryKeyPairGen, kCkkEcMontgomery, curve_recipe},
});

Refusal unknown_mechanism() { return {CKR_MECHANISM_INVALID, "no key is made by this mechanism"}; }

/// What a template for a key that is to be made may not hold: the value of one that is there.
Outcome<void> check_no_value(Kind kind, const Template& attributes) {
  for (const Attribute& attribute : attributes) {
    const AttributeRow* const row = find_row(kind, attribute.type);
    if (row != nullptr && row->is_secret)
      return Refusal{CKR_TEMPLATE_INCONSISTENT, name_of(attribute.type) + " is what is to be made"};
  }
  return {};
}

/// Label and id are for both halves.
Template with_names(const Template& private_attributes, const Template& public_attributes) {
  Template all;
  for (const Attribute& attribute : private_attributes)
    all.push_back({attribute.type, SecureBytes::copy_of(attribute.value.view())});
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LABEL, CKA_ID}) {
    const Attribute* const given = find_attribute(public_attributes, type);
    if (find_attribute(all, type) == nullptr && given != nullptr)
      all.push_back({type, SecureBytes::copy_of(given->value.view())});
  }
  return all;
}

Outcome<Pair> make_stored_pair(const Making& making, const Recipe& recipe, const Template& public_attributes) {
  const KeyKind kind = *recipe.algorithm->kind;
  SKS_TRY(check_storable(public_attributes));
  const Template named = with_names(making.attributes, public_attributes);
  SKS_LET(LocalKeySpec spec, local_spec(named, kind, 0, usages_of_key(kind, {})));
  SKS_LET(const KeyHandle key, put_into_token(making, [&](const LocalPin& pin) {
            return create_key(making.core.ports.store,
                              GeneratedKey{std::string(recipe.algorithm->uri), recipe.parameters}, std::move(spec), pin,
                              making.core.ports.clock);
          }));
  return Pair{object_of(key, kPublicPart), object_of(key, kSecretPart)};
}

Outcome<Pair> make_session_pair(const Making& making, const Recipe& recipe, const Template& public_attributes) {
  Result<crypto::PrivateKey> key = crypto::PrivateKey::generate(*recipe.algorithm, recipe.parameters);
  if (!key) return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, key.error().detail};
  // Decoded keys sign faster, see PrivateKey.
  const Result<SecureBytes> pkcs8 = key->to_pkcs8();
  if (!pkcs8) return refusal_of(pkcs8.error());
  Result<crypto::PrivateKey> decoded = crypto::PrivateKey::from_pkcs8(pkcs8->view());
  if (!decoded) return refusal_of(decoded.error());
  const Making of_public{making.core, making.application, making.slot, public_attributes, making.origin};
  SKS_LET(const CK_OBJECT_HANDLE public_key, add_session_public(of_public, key->public_key()));
  const Outcome<CK_OBJECT_HANDLE> private_key = add_session_private(making, std::move(decoded).value());
  if (private_key) return Pair{public_key, *private_key};
  making.application.erase_object(public_key);
  return private_key.error();
}

}  // namespace

Outcome<CK_OBJECT_HANDLE> generate_key(Core& core, Application& application, std::uint32_t slot,
                                       CK_MECHANISM_TYPE mechanism, const Template& attributes) {
  SKS_TRY(core.token(slot));
  const auto row = std::ranges::find(kSecrets, mechanism, &SecretRow::mechanism);
  if (row == kSecrets.end()) return unknown_mechanism();
  SKS_TRY(check_new(Kind::secret, attributes));
  SKS_TRY(check_no_value(Kind::secret, attributes));
  SKS_TRY(check_is(attributes, CKO_SECRET_KEY, row->type));
  SKS_LET(const std::uint64_t length, required_ulong(attributes, CKA_VALUE_LEN));
  const bool is_aes_size = length == 16 || length == 24 || length == 32;
  if (length == 0 || length > kMaxGeneratedSecret || (row->type == CKK_AES && !is_aes_size))
    return Refusal{CKR_KEY_SIZE_RANGE, "no key of this type has this length"};
  SecureBytes value(length);
  core.ports.random.fill(value.span());
  return make_secret_key({core, application, slot, attributes, Origin::made_here}, row->type, std::move(value));
}

Outcome<Pair> generate_key_pair(Core& core, Application& application, std::uint32_t slot, CK_MECHANISM_TYPE mechanism,
                                const Template& public_attributes, const Template& private_attributes) {
  SKS_TRY(core.token(slot));
  const auto row = std::ranges::find(kPairs, mechanism, &PairRow::mechanism);
  if (row == kPairs.end()) return unknown_mechanism();
  const bool is_rsa = row->type == CKK_RSA;
  const Kind private_kind = is_rsa ? Kind::rsa_private : Kind::ec_private;
  SKS_TRY(check_new(is_rsa ? Kind::rsa_public : Kind::ec_public, public_attributes));
  SKS_TRY(check_new(private_kind, private_attributes));
  SKS_TRY(check_no_value(private_kind, private_attributes));
  SKS_TRY(check_is(public_attributes, CKO_PUBLIC_KEY, row->type));
  SKS_TRY(check_is(private_attributes, CKO_PRIVATE_KEY, row->type));
  SKS_LET(const Recipe recipe, row->recipe(public_attributes));
  if (key_type_of(*recipe.algorithm->kind) != row->type)
    return Refusal{CKR_CURVE_NOT_SUPPORTED, "the curve is for another mechanism"};
  SKS_LET(const bool for_token, is_for_token(private_attributes));
  SKS_LET(const bool public_for_token, is_for_token(public_attributes));
  if (public_for_token && !for_token)
    return Refusal{CKR_TEMPLATE_INCONSISTENT, "a key store keeps no public key without its private key"};
  const Making making{core, application, slot, private_attributes, Origin::made_here};
  return for_token ? make_stored_pair(making, recipe, public_attributes)
                   : make_session_pair(making, recipe, public_attributes);
}

}  // namespace sks::token
