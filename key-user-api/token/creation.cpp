#include "key-user-api/token/creation.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/key_numbers.h"
#include "key-user-api/token/making.h"
#include "sks-core/crypto/x509.h"

namespace sks::token {
namespace {

constexpr std::size_t kMaxStoredSecret = 128;  // bytes, sks-api.md appendix E4

Refusal inconsistent(std::string why) { return {CKR_TEMPLATE_INCONSISTENT, std::move(why)}; }
Refusal invalid(std::string why) { return {CKR_ATTRIBUTE_VALUE_INVALID, std::move(why)}; }

Outcome<CK_OBJECT_HANDLE> make_secret_key_of(const Making& making, std::optional<SecureBytes> secret) {
  SKS_TRY(check_new(Kind::secret, making.attributes));
  SKS_LET(const std::optional<std::uint64_t> type, optional_ulong(making.attributes, CKA_KEY_TYPE));
  if (!type && !secret) return Refusal{CKR_TEMPLATE_INCOMPLETE, name_of(CKA_KEY_TYPE) + " is missing"};
  const ByteView given = value_or_empty(making.attributes, CKA_VALUE);
  if (secret && !given.empty()) return inconsistent("the key has a value already");
  if (!secret) {
    SKS_TRY(required_value(making.attributes, CKA_VALUE));
  }
  return make_secret_key(making, type.value_or(CKK_GENERIC_SECRET),
                         secret ? std::move(*secret) : SecureBytes::copy_of(given));
}

Outcome<CK_OBJECT_HANDLE> make_private_key_of(const Making& making, std::optional<SecureBytes> secret) {
  if (!secret) {
    SKS_LET(const std::uint64_t type, required_ulong(making.attributes, CKA_KEY_TYPE));
    SKS_LET(crypto::PrivateKey key, private_key_of(type, making.attributes));
    return make_private_key(making, std::move(key));
  }
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(secret->view());
  if (!key) return Refusal{CKR_WRAPPED_KEY_INVALID, key.error().detail};
  return make_private_key(making, std::move(key).value());
}

Outcome<CK_OBJECT_HANDLE> make_public_key(const Making& making, std::optional<SecureBytes>) {
  SKS_LET(const std::uint64_t type, required_ulong(making.attributes, CKA_KEY_TYPE));
  SKS_LET(const crypto::PublicKey key, public_key_of(type, making.attributes));
  SKS_TRY(check_new(public_kind_of(key.kind()), making.attributes));
  SKS_LET(const bool for_token, is_for_token(making.attributes));
  if (!for_token) return add_session_public(making, key);
  SKS_LET(const std::optional<KeyHandle> pair, making.core.keys.pair_of(making.slot, key.spki()));
  if (!pair) return inconsistent("a key store keeps no public key without its private key");
  SKS_TRY(set_names(making.core, making.application, *pair, making.attributes));
  return object_of(*pair, kPublicPart);
}

Outcome<CK_OBJECT_HANDLE> make_certificate(const Making& making, std::optional<SecureBytes>) {
  SKS_TRY(check_new(Kind::certificate, making.attributes));
  SKS_LET(const std::optional<std::uint64_t> type, optional_ulong(making.attributes, CKA_CERTIFICATE_TYPE));
  if (type && *type != CKC_X_509) return invalid("certificates are X.509 certificates");
  SKS_LET(const ByteView der, required_value(making.attributes, CKA_VALUE));
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(der);
  const auto fields = split_certificate(der);
  if (!certificate || !fields) return invalid("CKA_VALUE is no certificate");
  SKS_LET(const bool for_token, is_for_token(making.attributes));
  if (for_token) return store_certificate(making, der);
  SKS_LET(SessionObject object, start_session_object(making, Kind::certificate, CKO_CERTIFICATE));
  SKS_LET(const auto category, optional_ulong(making.attributes, CKA_CERTIFICATE_CATEGORY));
  object.facts.category = category.value_or(0);
  object.certificate = to_bytes(der);
  object.spki = to_bytes(fields->spki);
  object.subject = to_bytes(fields->subject);
  if (object.id.empty()) object.id = id_of(object.spki);
  if (object.label.empty()) object.label = certificate->subject();
  return add_session_object(making, std::move(object), std::nullopt);
}

Outcome<CK_OBJECT_HANDLE> make_data(const Making& making, std::optional<SecureBytes>) {
  SKS_TRY(check_new(Kind::data, making.attributes));
  SKS_LET(const bool for_token, is_for_token(making.attributes));
  if (for_token) return inconsistent("a key store keeps keys alone");
  SKS_LET(SessionObject object, start_session_object(making, Kind::data, CKO_DATA));
  object.value =
      std::make_shared<const SecureBytes>(SecureBytes::copy_of(value_or_empty(making.attributes, CKA_VALUE)));
  return add_session_object(making, std::move(object), std::nullopt);
}

struct Maker {
  CK_OBJECT_CLASS object_class;
  bool takes_secret;
  Outcome<CK_OBJECT_HANDLE> (*make)(const Making& making, std::optional<SecureBytes> secret);
};
constexpr auto kMakers = std::to_array<Maker>({
    {CKO_SECRET_KEY, true, make_secret_key_of},
    {CKO_PRIVATE_KEY, true, make_private_key_of},
    {CKO_PUBLIC_KEY, false, make_public_key},
    {CKO_CERTIFICATE, false, make_certificate},
    {CKO_DATA, false, make_data},
});

bool is_size_of(CK_KEY_TYPE type, std::size_t bytes) {
  constexpr std::array<std::size_t, 3> kAesSizes{16, 24, 32};
  if (type == CKK_AES) return std::ranges::find(kAesSizes, bytes) != kAesSizes.end();
  return bytes > 0;
}

}  // namespace

Outcome<CK_OBJECT_HANDLE> make_object(Core& core, Application& application, std::uint32_t slot,
                                      const Template& attributes, std::optional<SecureBytes> secret) {
  SKS_TRY(core.token(slot));
  SKS_LET(std::optional<std::uint64_t> object_class, optional_ulong(attributes, CKA_CLASS));
  if (!object_class && secret) object_class = CKO_SECRET_KEY;
  if (!object_class) return Refusal{CKR_TEMPLATE_INCOMPLETE, name_of(CKA_CLASS) + " is missing"};
  const auto maker = std::ranges::find(kMakers, CK_OBJECT_CLASS{*object_class}, &Maker::object_class);
  if (maker == kMakers.end() || (secret && !maker->takes_secret)) return invalid("CKA_CLASS is none of such an object");
  return maker->make({core, application, slot, attributes, Origin::brought}, std::move(secret));
}

Outcome<CK_OBJECT_HANDLE> make_secret_key(const Making& making, CK_KEY_TYPE type, SecureBytes value) {
  if (type != CKK_AES && type != CKK_GENERIC_SECRET) return invalid("CKA_KEY_TYPE is none of a secret key");
  if (!is_size_of(type, value.size())) return invalid("a key of this type does not have this length");
  SKS_LET(const auto length, optional_ulong(making.attributes, CKA_VALUE_LEN));
  if (length && *length != value.size()) return inconsistent("CKA_VALUE_LEN is not the length of the value");
  SKS_LET(const bool for_token, is_for_token(making.attributes));
  if (for_token) {
    if (value.size() > kMaxStoredSecret) return invalid("the key is longer than a key store takes");
    SKS_LET(LocalKeySpec spec, local_spec(making.attributes, std::nullopt, value.size(), usages_of_secret(type)));
    SKS_LET(const KeyHandle key, put_into_token(making, [&](const LocalPin& pin) {
              return import_symmetric_key(making.core.ports.store, {std::move(value)}, spec, pin,
                                          making.core.ports.clock);
            }));
    return object_of(key, kSecretPart);
  }
  SKS_LET(SessionObject object, start_session_object(making, Kind::secret, CKO_SECRET_KEY));
  SKS_LET(const std::uint16_t usages, wanted_usages(making.attributes, usages_of_secret(type)));
  object.facts.key_type = type;
  object.facts.flags |= std::uint32_t{usages} << flag::kUsageShift;
  object.facts.size = static_cast<std::uint32_t>(value.size());
  if (making.origin == Origin::made_here)
    object.facts.made_by = type == CKK_AES ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN;
  object.value = std::make_shared<const SecureBytes>(std::move(value));
  return add_session_object(making, std::move(object), std::nullopt);
}

Outcome<CK_OBJECT_HANDLE> make_private_key(const Making& making, crypto::PrivateKey key) {
  const KeyKind kind = key.public_key().kind();
  SKS_TRY(check_new(private_kind_of(kind), making.attributes));
  SKS_TRY(check_is(making.attributes, CKO_PRIVATE_KEY, key_type_of(kind)));
  SKS_LET(const bool for_token, is_for_token(making.attributes));
  if (!for_token) return add_session_private(making, std::move(key));
  SKS_LET(LocalKeySpec spec, local_spec(making.attributes, kind, 0, usages_of_key(kind, {})));
  Result<SecureBytes> pkcs8 = key.to_pkcs8();
  if (!pkcs8) return refusal_of(pkcs8.error());
  SKS_LET(const KeyHandle stored, put_into_token(making, [&](const LocalPin& pin) {
            return import_key(making.core.ports.store, BroughtKey{std::move(pkcs8).value(), {}}, spec, pin,
                              making.core.ports.clock);
          }));
  return object_of(stored, kSecretPart);
}

}  // namespace sks::token
