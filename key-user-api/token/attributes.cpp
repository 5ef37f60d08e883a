#include "key-user-api/token/attributes.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "key-user-api/token/der.h"
#include "key-user-api/token/operations/key_use.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/hash.h"

namespace sks::token {
namespace {

using enum Kind;

constexpr unsigned operator|(Kind a, Kind b) { return static_cast<unsigned>(a) | static_cast<unsigned>(b); }
constexpr unsigned operator|(unsigned a, Kind b) { return a | static_cast<unsigned>(b); }
constexpr unsigned only(Kind kind) { return static_cast<unsigned>(kind); }

constexpr unsigned kPublic = rsa_public | ec_public;
constexpr unsigned kPrivate = rsa_private | ec_private;
constexpr unsigned kPairs = kPublic | kPrivate;
constexpr unsigned kSecrets = kPrivate | secret;
constexpr unsigned kKeys = kPairs | secret;
constexpr unsigned kData = data | attestation;
constexpr unsigned kAll = kKeys | certificate | kData;
constexpr unsigned kRsa = rsa_public | rsa_private;
constexpr unsigned kEc = ec_public | ec_private;

constexpr std::size_t kCheckValueSize = 3;

SecureBytes copy(ByteView value) { return SecureBytes::copy_of(value); }
SecureBytes no(const Facts&, const Contents&) { return bool_value(false); }

std::optional<CertificateFields> fields_of(const Contents& contents) { return split_certificate(contents.certificate); }

SecureBytes ec_params(const Facts&, const Contents& contents) {
  const std::optional<SpkiFields> fields = split_spki(contents.spki);
  if (!fields) return {};
  // Named curves stand in the parameters; the algorithms of RFC 8410 name their curve themselves.
  return copy(fields->parameters.empty() ? fields->algorithm : fields->parameters);
}

SecureBytes ec_point(const Facts&, const Contents& contents) {
  const std::optional<SpkiFields> fields = split_spki(contents.spki);
  return fields ? copy(der_octet_string(fields->key_bits)) : SecureBytes();
}

SecureBytes modulus(const Facts&, const Contents& contents) {
  const std::optional<RsaNumbers> numbers = rsa_numbers(contents.spki);
  return numbers ? copy(numbers->modulus) : SecureBytes();
}

SecureBytes public_exponent(const Facts&, const Contents& contents) {
  const std::optional<RsaNumbers> numbers = rsa_numbers(contents.spki);
  return numbers ? copy(numbers->exponent) : SecureBytes();
}

SecureBytes unique_id(const Facts& facts, const Contents&) {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016lx", static_cast<unsigned long>(facts.handle));
  return copy(as_bytes(digits.data()));
}

/// What C_SignInit and the like let this key do.
SecureBytes allowed_mechanisms(const Facts& facts, const Contents& contents) {
  KeyInUse key;
  key.object_class = facts.object_class;
  key.key_type = facts.key_type;
  key.usages = usages_of(facts.flags);
  if (contents.endorsed != nullptr) {
    key.stored = KeyHandle{};  // whichever
    key.endorsed_algorithms = *contents.endorsed;
  }
  ByteWriter out;
  for (const CK_MECHANISM_TYPE type : permitted_mechanisms(key)) out.u64(type);
  return copy(out.take());
}

// PKCS#11: the first bytes of the hash of a certificate, and of an encrypted block of zeros for a secret.
SecureBytes certificate_check(const Facts&, const Contents& contents) {
  return copy(ByteView(crypto::sha1(contents.certificate)).first(kCheckValueSize));
}

SecureBytes certificate_date(const Contents& contents, ByteView CertificateFields::*time) {
  const std::optional<CertificateFields> fields = fields_of(contents);
  return fields ? copy(date_of(*fields.*time)) : SecureBytes();
}

/// A number of a private key, left-padded to `size` bytes.
SecureBytes private_number(const Contents& contents, const char* parameter) {
  if (contents.private_key == nullptr) return {};
  BIGNUM* found = nullptr;
  if (EVP_PKEY_get_bn_param(contents.private_key->openssl(), parameter, &found) != 1) return {};
  const ossl::BigNum number(found);
  SecureBytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  SKS_CHECK(BN_bn2bin(number.get(), bytes.data()) == static_cast<int>(bytes.size()));
  return bytes;
}

template <const char* const& Parameter>
SecureBytes rsa_number(const Facts&, const Contents& contents) {
  return private_number(contents, Parameter);
}
constexpr const char* kD = OSSL_PKEY_PARAM_RSA_D;
constexpr const char* kP = OSSL_PKEY_PARAM_RSA_FACTOR1;
constexpr const char* kQ = OSSL_PKEY_PARAM_RSA_FACTOR2;
constexpr const char* kDp = OSSL_PKEY_PARAM_RSA_EXPONENT1;
constexpr const char* kDq = OSSL_PKEY_PARAM_RSA_EXPONENT2;
constexpr const char* kQInverse = OSSL_PKEY_PARAM_RSA_COEFFICIENT1;

SecureBytes ec_value(const Facts& facts, const Contents& contents) {
  if (contents.private_key == nullptr) return {};
  if (facts.key_type == CKK_EC) {
    const SecureBytes number = private_number(contents, OSSL_PKEY_PARAM_PRIV_KEY);
    const std::size_t size = curve_info(contents.private_key->public_key().curve()).field_bytes;
    SKS_CHECK(number.size() <= size);
    SecureBytes padded(size);
    std::ranges::fill(padded.span(), std::uint8_t{0});
    std::ranges::copy(number.view(), padded.data() + (size - number.size()));
    return padded;
  }
  std::size_t size = 0;
  if (EVP_PKEY_get_raw_private_key(contents.private_key->openssl(), nullptr, &size) != 1) return {};
  SecureBytes raw(size);
  if (EVP_PKEY_get_raw_private_key(contents.private_key->openssl(), raw.data(), &size) != 1) return {};
  raw.truncate(size);
  return raw;
}

constexpr AttributeRow fact(CK_ATTRIBUTE_TYPE type, unsigned kinds, SecureBytes (*value)(const Facts&, const Contents&),
                            AtCreation creation = AtCreation::given) {
  return {.type = type, .kinds = kinds, .needs = Needs::facts, .value = value, .creation = creation};
}
constexpr AttributeRow yes_or_no(CK_ATTRIBUTE_TYPE type, unsigned kinds, std::uint32_t flag,
                                 AtCreation creation = AtCreation::given) {
  return {.type = type, .kinds = kinds, .needs = Needs::facts, .value = nullptr, .flag = flag, .creation = creation};
}
constexpr AttributeRow usage(CK_ATTRIBUTE_TYPE type, unsigned kinds, Usage which) {
  return yes_or_no(type, kinds, flag::of(which));
}
constexpr AttributeRow never(CK_ATTRIBUTE_TYPE type, unsigned kinds) { return fact(type, kinds, no); }
/// To leave out in silence what a template asks for would be to lie.
constexpr AttributeRow promise(AttributeRow row) {
  row.is_promise = true;
  return row;
}
constexpr AttributeRow content(CK_ATTRIBUTE_TYPE type, unsigned kinds,
                               SecureBytes (*value)(const Facts&, const Contents&),
                               AtCreation creation = AtCreation::given, Later later = Later::fixed) {
  return {.type = type, .kinds = kinds, .needs = Needs::contents, .value = value, .creation = creation, .later = later};
}
constexpr AttributeRow secret_content(CK_ATTRIBUTE_TYPE type, unsigned kinds,
                                      SecureBytes (*value)(const Facts&, const Contents&)) {
  return {.type = type, .kinds = kinds, .needs = Needs::contents, .value = value, .is_secret = true};
}

constexpr AtCreation kComputed = AtCreation::computed;
constexpr AtCreation kGiven = AtCreation::given;
constexpr Later kSettable = Later::settable;

constexpr auto kRows = std::to_array<AttributeRow>({
    fact(CKA_CLASS, kAll, [](const Facts& f, const Contents&) { return ulong_value(f.object_class); }),
    yes_or_no(CKA_TOKEN, kAll, flag::kToken),
    yes_or_no(CKA_PRIVATE, kAll, flag::kPrivate),
    yes_or_no(CKA_MODIFIABLE, kAll, flag::kModifiable),
    yes_or_no(CKA_COPYABLE, kAll, flag::kCopyable),
    yes_or_no(CKA_DESTROYABLE, kAll, flag::kDestroyable),
    fact(kCkaUniqueId, kAll, unique_id, kComputed),
    content(
        CKA_LABEL, kAll, [](const Facts&, const Contents& c) { return copy(as_bytes(c.label)); }, kGiven, kSettable),

    content(
        CKA_ID, kKeys | certificate, [](const Facts&, const Contents& c) { return copy(c.id); }, kGiven, kSettable),
    content(
        CKA_SUBJECT, kPairs, [](const Facts&, const Contents& c) { return copy(c.subject); }, kGiven, kSettable),
    content(CKA_SUBJECT, only(certificate), [](const Facts&, const Contents& c) { return copy(c.subject); }),
    content(
        CKA_START_DATE, kKeys, [](const Facts&, const Contents& c) { return copy(c.start_date); }, kGiven, kSettable),
    content(
        CKA_END_DATE, kKeys, [](const Facts&, const Contents& c) { return copy(c.end_date); }, kGiven, kSettable),
    content(CKA_START_DATE, only(certificate),
            [](const Facts&, const Contents& c) { return certificate_date(c, &CertificateFields::not_before); }),
    content(CKA_END_DATE, only(certificate),
            [](const Facts&, const Contents& c) { return certificate_date(c, &CertificateFields::not_after); }),
    content(CKA_PUBLIC_KEY_INFO, kPairs | certificate, [](const Facts&, const Contents& c) { return copy(c.spki); }),

    fact(CKA_CERTIFICATE_TYPE, only(certificate), [](const Facts&, const Contents&) { return ulong_value(CKC_X_509); }),
    fact(CKA_CERTIFICATE_CATEGORY, only(certificate),
         [](const Facts& f, const Contents&) { return ulong_value(f.category); }),
    promise(never(CKA_TRUSTED, kPublic | certificate | secret)),
    content(CKA_ISSUER, only(certificate),
            [](const Facts&, const Contents& c) {
              const auto fields = fields_of(c);
              return fields ? copy(fields->issuer) : SecureBytes();
            }),
    content(CKA_SERIAL_NUMBER, only(certificate),
            [](const Facts&, const Contents& c) {
              const auto fields = fields_of(c);
              return fields ? copy(fields->serial_number) : SecureBytes();
            }),
    content(CKA_VALUE, only(certificate), [](const Facts&, const Contents& c) { return copy(c.certificate); }),
    content(CKA_URL, only(certificate), [](const Facts&, const Contents&) { return SecureBytes(); }),
    content(CKA_CHECK_VALUE, only(certificate), certificate_check),

    content(CKA_VALUE, only(data), [](const Facts&, const Contents& c) { return copy(c.value); }),
    content(CKA_APPLICATION, only(data), [](const Facts&, const Contents& c) { return copy(c.application); }),
    fact(CKA_APPLICATION, only(attestation),
         [](const Facts&, const Contents&) { return copy(as_bytes(kAttestationApplication)); }),
    content(CKA_OBJECT_ID, kData, [](const Facts&, const Contents& c) { return copy(c.object_id); }),
    {.type = CKA_VALUE, .kinds = only(attestation), .needs = Needs::attestation, .value = nullptr},

    fact(CKA_KEY_TYPE, kKeys, [](const Facts& f, const Contents&) { return ulong_value(f.key_type); }),
    usage(CKA_DERIVE, kKeys, Usage::derive),
    usage(CKA_ENCRYPT, kPublic | secret, Usage::encrypt),
    usage(CKA_VERIFY, kPublic | secret, Usage::verify),
    usage(CKA_WRAP, kPublic | secret, Usage::wrap),
    usage(CKA_DECRYPT, kSecrets, Usage::decrypt),
    usage(CKA_SIGN, kSecrets, Usage::sign),
    usage(CKA_UNWRAP, kSecrets, Usage::unwrap),
    never(CKA_VERIFY_RECOVER, kPublic),
    promise(never(CKA_SIGN_RECOVER, kPrivate)),
    content(CKA_ALLOWED_MECHANISMS, kKeys, allowed_mechanisms, kComputed),
    yes_or_no(CKA_LOCAL, kKeys, flag::kLocal, kComputed),
    fact(
        CKA_KEY_GEN_MECHANISM, kKeys, [](const Facts& f, const Contents&) { return ulong_value(f.made_by); },
        kComputed),

    yes_or_no(CKA_SENSITIVE, kSecrets, flag::kSensitive),
    yes_or_no(CKA_ALWAYS_SENSITIVE, kSecrets, flag::kAlwaysSensitive, kComputed),
    yes_or_no(CKA_EXTRACTABLE, kSecrets, flag::kExtractable),
    yes_or_no(CKA_NEVER_EXTRACTABLE, kSecrets, flag::kNeverExtractable, kComputed),
    promise(never(CKA_WRAP_WITH_TRUSTED, kSecrets)),
    promise(yes_or_no(CKA_ALWAYS_AUTHENTICATE, kPrivate, flag::kAlwaysAuthenticate)),
    {.type = kCkaSksAttestation,
     .kinds = kPrivate,
     .needs = Needs::attestation,
     .value = nullptr,
     .creation = kComputed},

    content(CKA_MODULUS, kRsa, modulus),
    content(CKA_PUBLIC_EXPONENT, kRsa, public_exponent),
    fact(CKA_MODULUS_BITS, only(rsa_public), [](const Facts& f, const Contents&) { return ulong_value(f.size); }),
    content(CKA_EC_PARAMS, kEc, ec_params),
    content(CKA_EC_POINT, kEc, ec_point),

    secret_content(CKA_PRIVATE_EXPONENT, only(rsa_private), rsa_number<kD>),
    secret_content(CKA_PRIME_1, only(rsa_private), rsa_number<kP>),
    secret_content(CKA_PRIME_2, only(rsa_private), rsa_number<kQ>),
    secret_content(CKA_EXPONENT_1, only(rsa_private), rsa_number<kDp>),
    secret_content(CKA_EXPONENT_2, only(rsa_private), rsa_number<kDq>),
    secret_content(CKA_COEFFICIENT, only(rsa_private), rsa_number<kQInverse>),
    secret_content(CKA_VALUE, only(ec_private), ec_value),
    secret_content(CKA_VALUE, only(secret), [](const Facts&, const Contents& c) { return copy(c.value); }),
    fact(CKA_VALUE_LEN, only(secret), [](const Facts& f, const Contents&) { return ulong_value(f.size); }),
});

bool is_boolean(const AttributeRow& row) { return row.flag != 0 || row.value == no; }

bool applies(const AttributeRow& row, Kind kind) { return (row.kinds & static_cast<unsigned>(kind)) != 0; }

}  // namespace

const AttributeRow* find_row(Kind kind, CK_ATTRIBUTE_TYPE type) {
  const auto found =
      std::ranges::find_if(kRows, [&](const AttributeRow& row) { return row.type == type && applies(row, kind); });
  return found == kRows.end() ? nullptr : &*found;
}

bool needs_contents(CK_ATTRIBUTE_TYPE type) {
  return std::ranges::any_of(kRows,
                             [&](const AttributeRow& row) { return row.type == type && row.needs == Needs::contents; });
}

bool is_readable(const AttributeRow& row, const Facts& facts) {
  return !row.is_secret || (facts.has(flag::kExtractable) && !facts.has(flag::kSensitive) && !facts.has(flag::kToken));
}

SecureBytes compute(const AttributeRow& row, const Facts& facts, const Contents& contents) {
  if (row.value == nullptr) {
    SKS_CHECK(row.flag != 0);
    return bool_value(facts.has(row.flag));
  }
  return row.value(facts, contents);
}

Outcome<void> check_new(Kind kind, const Template& attributes) {
  SKS_TRY(check_no_duplicates(attributes));
  for (const Attribute& attribute : attributes) {
    const AttributeRow* const row = find_row(kind, attribute.type);
    if (row == nullptr)
      return Refusal{CKR_ATTRIBUTE_TYPE_INVALID, name_of(attribute.type) + " is none of such an object"};
    if (row->creation == AtCreation::computed)
      return Refusal{CKR_ATTRIBUTE_READ_ONLY, name_of(attribute.type) + " cannot be given"};
    if (!is_boolean(*row)) continue;
    SKS_LET(const bool wanted, read_bool(attribute));
    if (wanted && row->is_promise)
      return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, name_of(attribute.type) + " cannot be had"};
  }
  return {};
}

}  // namespace sks::token
