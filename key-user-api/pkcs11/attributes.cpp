#include "key-user-api/pkcs11/attributes.h"

#include <cstring>

#include "key-user-api/pkcs11/mechanisms.h"
#include "sks-core/crypto/hash.h"

namespace sks::p11 {
namespace {

using enum ObjectKind;

constexpr unsigned operator|(ObjectKind a, ObjectKind b) { return static_cast<unsigned>(a) | static_cast<unsigned>(b); }

constexpr unsigned kCertificates = static_cast<unsigned>(certificate);
constexpr unsigned kPublicKeys = rsa_public | ec_public;
constexpr unsigned kPrivateKeys = rsa_private | ec_private;
constexpr unsigned kKeys = kPublicKeys | kPrivateKeys;
constexpr unsigned kAll = kCertificates | kKeys;
constexpr unsigned kRsaPublic = static_cast<unsigned>(rsa_public);
constexpr unsigned kEcPublic = static_cast<unsigned>(ec_public);
constexpr unsigned kRsaPrivate = static_cast<unsigned>(rsa_private);
constexpr unsigned kEcPrivate = static_cast<unsigned>(ec_private);

constexpr std::uint8_t kDerOctetString = 0x04;
constexpr std::size_t kCheckValueSize = 3;

Bytes bool_value(bool value) { return {static_cast<std::uint8_t>(value ? CK_TRUE : CK_FALSE)}; }
Bytes no(const ObjectSource&) { return bool_value(false); }
Bytes yes(const ObjectSource&) { return bool_value(true); }
Bytes empty(const ObjectSource&) { return {}; }

/// One element of a DER encoding that sks-core has already checked.
struct Element {
  ByteView all;
  ByteView content;
};

Element first_element(ByteView der) {
  constexpr std::size_t kShortHeader = 2;
  constexpr std::uint8_t kLongForm = 0x80;
  SKS_CHECK(der.size() >= kShortHeader);
  std::size_t header = kShortHeader;
  std::size_t length = der[1];
  if (length >= kLongForm) {
    const std::size_t count = length - kLongForm;
    SKS_CHECK(count <= sizeof(std::uint32_t) && der.size() >= header + count);
    length = 0;
    for (std::size_t i = 0; i < count; ++i) length = length << 8U | der[header + i];
    header += count;
  }
  SKS_CHECK(der.size() - header >= length);
  return {der.first(header + length), der.subspan(header, length)};
}

struct SpkiParts {
  ByteView algorithm;   ///< DER of the algorithm's OID
  ByteView parameters;  ///< DER, empty if absent
  ByteView key_bits;    ///< content of subjectPublicKey
};

SpkiParts split_spki(ByteView spki) {
  const ByteView outer = first_element(spki).content;
  const Element algorithm = first_element(outer);
  const Element oid = first_element(algorithm.content);
  const Element bits = first_element(outer.subspan(algorithm.all.size()));
  return {oid.all, algorithm.content.subspan(oid.all.size()), bits.content.subspan(1)};
}

Bytes der_octet_string(ByteView content) {
  constexpr std::size_t kShortForm = 0x80;
  SKS_CHECK(content.size() < 0x100);  // the longest point is that of P-521: 133 bytes
  Bytes der{kDerOctetString};
  if (content.size() >= kShortForm) der.push_back(0x81);
  der.push_back(static_cast<std::uint8_t>(content.size()));
  der.insert(der.end(), content.begin(), content.end());
  return der;
}

Result<crypto::PublicKey> public_key_of(const ObjectSource& source) {
  if (source.key != nullptr) return source.key->public_key;
  return source.certificate->public_key();
}

/// SHA-1 of the subjectPublicKey bits, so that a key pair and its certificates find one another. A certificate of an
/// authority may hold a kind of key that sks-core does not know; it has no id then.
Bytes id(const ObjectSource& source) {
  const Result<crypto::PublicKey> key = public_key_of(source);
  return key ? crypto::sha1(split_spki(key->spki()).key_bits) : Bytes();
}

Bytes public_key_info(const ObjectSource& source) {
  const Result<crypto::PublicKey> key = public_key_of(source);
  return key ? key->spki() : Bytes();
}

Bytes label(const ObjectSource& source) {
  if (source.key != nullptr && !source.key->friendly_name.empty()) return to_bytes(as_bytes(source.key->friendly_name));
  return to_bytes(as_bytes(source.certificate->subject()));
}

Bytes key_type(const ObjectSource& source) {
  switch (source.key->public_key.kind()) {
    case KeyKind::rsa:
      return ulong_value(CKK_RSA);
    case KeyKind::ec:
      return ulong_value(CKK_EC);
    case KeyKind::ed25519:
    case KeyKind::ed448:
      return ulong_value(CKK_EC_EDWARDS);
    case KeyKind::x25519:
    case KeyKind::x448:
      return ulong_value(kCkkEcMontgomery);
  }
  SKS_CHECK(false);
}

/// Named curves stand in the parameters; the algorithms of RFC 8410 name their curve themselves.
Bytes ec_params(const ObjectSource& source) {
  const SpkiParts parts = split_spki(source.key->public_key.spki());
  return to_bytes(parts.parameters.empty() ? parts.algorithm : parts.parameters);
}

Bytes ec_point(const ObjectSource& source) {
  return der_octet_string(split_spki(source.key->public_key.spki()).key_bits);
}

Bytes modulus_bits(const ObjectSource& source) {
  const Bytes modulus = source.key->public_key.rsa_modulus();
  std::size_t bits = modulus.size() * 8;
  for (unsigned bit = 0x80; !modulus.empty() && (modulus.front() & bit) == 0 && bit != 0; bit >>= 1U) --bits;
  return ulong_value(bits);
}

Bytes can_sign(const ObjectSource& source) { return bool_value(!mechanisms_of(*source.key).empty()); }

Bytes made_here(const ObjectSource& source) { return bool_value(!source.key->imported); }

Bytes key_gen_mechanism(const ObjectSource& source) {
  if (source.key->imported) return ulong_value(CK_UNAVAILABLE_INFORMATION);
  switch (source.key->public_key.kind()) {
    case KeyKind::rsa:
      return ulong_value(CKM_RSA_PKCS_KEY_PAIR_GEN);
    case KeyKind::ec:
      return ulong_value(CKM_EC_KEY_PAIR_GEN);
    case KeyKind::ed25519:
    case KeyKind::ed448:
      return ulong_value(CKM_EC_EDWARDS_KEY_PAIR_GEN);
    case KeyKind::x25519:
    case KeyKind::x448:
      return ulong_value(kCkmEcMontgomeryKeyPairGen);
  }
  SKS_CHECK(false);
}

Bytes allowed_mechanisms(const ObjectSource& source) {
  Bytes value;
  for (const CK_MECHANISM_TYPE type : mechanisms_of(*source.key)) {
    const Bytes one = ulong_value(type);
    value.insert(value.end(), one.begin(), one.end());
  }
  return value;
}

Bytes check_value(const ObjectSource& source) {
  Bytes hash = crypto::sha1(source.certificate->der());
  hash.resize(kCheckValueSize);
  return hash;
}

Bytes category(const ObjectSource& source) {
  return ulong_value(source.key == nullptr ? kCertificateOfAuthority : kCertificateOfTokenUser);
}

/// One attribute of some kinds of objects. Without a value it exists but never leaves the store.
struct AttributeRule {
  CK_ATTRIBUTE_TYPE type;
  unsigned kinds;
  Bytes (*value)(const ObjectSource&);
};

constexpr AttributeRule kAttributes[] = {
    {CKA_CLASS, kAll, [](const ObjectSource& s) { return ulong_value(class_of(s.kind)); }},
    {CKA_TOKEN, kAll, yes},
    {CKA_PRIVATE, kAll, [](const ObjectSource& s) { return bool_value(s.private_object); }},
    {CKA_MODIFIABLE, kAll, no},
    {CKA_COPYABLE, kAll, no},
    {CKA_DESTROYABLE, kAll, no},
    {CKA_LABEL, kAll, label},
    {CKA_ID, kAll, id},
    {CKA_SUBJECT, kAll, [](const ObjectSource& s) { return s.certificate->subject_der(); }},
    {CKA_START_DATE, kAll, empty},
    {CKA_END_DATE, kAll, empty},
    {CKA_PUBLIC_KEY_INFO, kAll, public_key_info},

    {CKA_CERTIFICATE_TYPE, kCertificates, [](const ObjectSource&) { return ulong_value(CKC_X_509); }},
    {CKA_CERTIFICATE_CATEGORY, kCertificates, category},
    {CKA_TRUSTED, kCertificates | kPublicKeys, no},
    {CKA_ISSUER, kCertificates, [](const ObjectSource& s) { return s.certificate->issuer_der(); }},
    {CKA_SERIAL_NUMBER, kCertificates, [](const ObjectSource& s) { return s.certificate->serial_number_der(); }},
    {CKA_VALUE, kCertificates, [](const ObjectSource& s) { return s.certificate->der(); }},
    {CKA_CHECK_VALUE, kCertificates, check_value},

    {CKA_KEY_TYPE, kKeys, key_type},
    {CKA_DERIVE, kKeys, no},
    {CKA_LOCAL, kKeys, made_here},
    {CKA_KEY_GEN_MECHANISM, kKeys, key_gen_mechanism},
    {CKA_ALLOWED_MECHANISMS, kPrivateKeys, allowed_mechanisms},

    {CKA_ENCRYPT, kPublicKeys, no},
    {CKA_VERIFY, kPublicKeys, no},
    {CKA_VERIFY_RECOVER, kPublicKeys, no},
    {CKA_WRAP, kPublicKeys, no},

    {CKA_SENSITIVE, kPrivateKeys, yes},
    {CKA_ALWAYS_SENSITIVE, kPrivateKeys, made_here},
    {CKA_EXTRACTABLE, kPrivateKeys, no},
    {CKA_NEVER_EXTRACTABLE, kPrivateKeys, made_here},
    {CKA_SIGN, kPrivateKeys, can_sign},
    {CKA_SIGN_RECOVER, kPrivateKeys, no},
    {CKA_DECRYPT, kPrivateKeys, no},
    {CKA_UNWRAP, kPrivateKeys, no},
    {CKA_WRAP_WITH_TRUSTED, kPrivateKeys, no},
    {CKA_ALWAYS_AUTHENTICATE, kPrivateKeys, no},

    {CKA_MODULUS, kRsaPublic | kRsaPrivate, [](const ObjectSource& s) { return s.key->public_key.rsa_modulus(); }},
    {CKA_PUBLIC_EXPONENT, kRsaPublic | kRsaPrivate,
     [](const ObjectSource& s) { return s.key->public_key.rsa_exponent(); }},
    {CKA_MODULUS_BITS, kRsaPublic, modulus_bits},
    {CKA_EC_PARAMS, kEcPublic | kEcPrivate, ec_params},
    {CKA_EC_POINT, kEcPublic, ec_point},

    {CKA_PRIVATE_EXPONENT, kRsaPrivate, nullptr},
    {CKA_PRIME_1, kRsaPrivate, nullptr},
    {CKA_PRIME_2, kRsaPrivate, nullptr},
    {CKA_EXPONENT_1, kRsaPrivate, nullptr},
    {CKA_EXPONENT_2, kRsaPrivate, nullptr},
    {CKA_COEFFICIENT, kRsaPrivate, nullptr},
    {CKA_VALUE, kEcPrivate, nullptr},
};

bool applies(const AttributeRule& rule, ObjectKind kind) { return (rule.kinds & static_cast<unsigned>(kind)) != 0; }

}  // namespace

std::map<CK_ATTRIBUTE_TYPE, Bytes> make_attributes(const ObjectSource& source) {
  std::map<CK_ATTRIBUTE_TYPE, Bytes> attributes;
  for (const AttributeRule& rule : kAttributes)
    if (rule.value != nullptr && applies(rule, source.kind)) attributes.emplace(rule.type, rule.value(source));
  return attributes;
}

bool is_sensitive(ObjectKind kind, CK_ATTRIBUTE_TYPE type) {
  for (const AttributeRule& rule : kAttributes)
    if (rule.type == type && rule.value == nullptr && applies(rule, kind)) return true;
  return false;
}

CK_OBJECT_CLASS class_of(ObjectKind kind) {
  switch (kind) {
    case certificate:
      return CKO_CERTIFICATE;
    case rsa_public:
    case ec_public:
      return CKO_PUBLIC_KEY;
    case rsa_private:
    case ec_private:
      return CKO_PRIVATE_KEY;
  }
  SKS_CHECK(false);
}

Bytes ulong_value(CK_ULONG value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

}  // namespace sks::p11
