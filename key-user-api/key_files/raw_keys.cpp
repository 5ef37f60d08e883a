#include "key-user-api/key_files/raw_keys.h"

#include <algorithm>
#include <array>

#include "key-user-api/key_files/der.h"
#include "sks-core/base/library_context.h"
#include "sks-core/crypto/private_key.h"

namespace sks::key_files {
namespace {

constexpr std::string_view kWhat = "a private key";
constexpr std::size_t kMaxNumber = 2048;  ///< bytes, of 16,384 bits
constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kSequence = 0x30;

using BigNumCtx = ossl::Ptr<BN_CTX, BN_CTX_free>;

std::size_t header_size(std::size_t content) { return content < 0x80 ? 2 : content <= 0xFF ? 3 : 4; }

std::uint8_t* write_header(std::uint8_t* at, std::uint8_t tag, std::size_t content) {
  *at++ = tag;
  if (content >= 0x80) *at++ = content <= 0xFF ? 0x81 : 0x82;
  if (content > 0xFF) *at++ = static_cast<std::uint8_t>(content >> 8);
  *at++ = static_cast<std::uint8_t>(content);
  return at;
}

ByteView without_zeros(ByteView number) {
  while (number.size() > 1 && number.front() == 0) number = number.subspan(1);
  return number;
}

std::size_t integer_content(ByteView number) { return number.size() + (number.empty() || number.front() >= 0x80); }

/// An RSAPrivateKey of RFC 8017.
SecureBytes rsa_private_key(const RsaNumbers& numbers) {
  constexpr std::uint8_t kVersion[] = {0};
  std::array<ByteView, 9> all{ByteView(kVersion), numbers.n,  numbers.e,  numbers.d, numbers.p,
                              numbers.q,          numbers.dp, numbers.dq, numbers.qi};
  std::size_t content = 0;
  for (ByteView& number : all) {
    number = without_zeros(number);
    content += header_size(integer_content(number)) + integer_content(number);
  }
  SKS_CHECK(content <= 0xFFFF);
  SecureBytes out(header_size(content) + content);
  std::uint8_t* at = write_header(out.data(), kSequence, content);
  for (const ByteView number : all) {
    at = write_header(at, kInteger, integer_content(number));
    if (integer_content(number) > number.size()) *at++ = 0;
    at = std::copy(number.begin(), number.end(), at);
  }
  return out;
}

/// d mod (prime - 1).
Result<SecureBytes> exponent_of_factor(ByteView d, ByteView prime) {
  const auto number = [](ByteView bytes) {
    return ossl::BigNum(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  };
  const ossl::BigNum exponent = number(d);
  const ossl::BigNum modulus = number(prime);
  const ossl::BigNum remainder(BN_secure_new());
  const BigNumCtx context(BN_CTX_secure_new());
  SKS_CHECK(exponent != nullptr && modulus != nullptr && remainder != nullptr && context != nullptr);
  BN_set_flags(exponent.get(), BN_FLG_CONSTTIME);
  if (BN_sub_word(modulus.get(), 1) != 1 || BN_is_zero(modulus.get()) == 1 || BN_is_negative(modulus.get()) == 1 ||
      BN_mod(remainder.get(), exponent.get(), modulus.get(), context.get()) != 1)
    return damaged(kWhat);
  SecureBytes out(prime.size());
  SKS_CHECK(BN_bn2binpad(remainder.get(), out.data(), static_cast<int>(out.size())) > 0);
  return out;
}

constexpr const char* openssl_name(KeyKind kind) {
  switch (kind) {
    case KeyKind::ed25519:
      return "ED25519";
    case KeyKind::ed448:
      return "ED448";
    case KeyKind::x25519:
      return "X25519";
    case KeyKind::x448:
      return "X448";
    case KeyKind::rsa:
    case KeyKind::ec:
      break;
  }
  return nullptr;
}

}  // namespace

Result<SecureBytes> rsa_pkcs8(const RsaNumbers& numbers) {
  for (const ByteView number : {numbers.n, numbers.e, numbers.d, numbers.p, numbers.q, numbers.qi})
    if (number.empty() || number.size() > kMaxNumber) return damaged(kWhat);
  if (numbers.dp.size() > kMaxNumber || numbers.dq.size() > kMaxNumber) return damaged(kWhat);
  RsaNumbers complete = numbers;
  SecureBytes dp;
  SecureBytes dq;
  if (numbers.dp.empty()) {
    SKS_LET(dp, exponent_of_factor(numbers.d, numbers.p));
    complete.dp = dp.view();
  }
  if (numbers.dq.empty()) {
    SKS_LET(dq, exponent_of_factor(numbers.d, numbers.q));
    complete.dq = dq.view();
  }
  const SecureBytes pkcs1 = rsa_private_key(complete);
  const std::uint8_t* at = pkcs1.data();
  const ossl::Pkey key(
      d2i_PrivateKey_ex(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(pkcs1.size()), library_context(), nullptr));
  if (key == nullptr) return damaged(kWhat);
  return to_pkcs8(key.get());
}

Result<SecureBytes> ec_pkcs8(Curve curve, ByteView scalar, ByteView x, ByteView y) {
  const std::size_t field = curve_info(curve).field_bytes;
  if (scalar.size() > field) return damaged(kWhat);
  SecureBytes padded(field);
  std::ranges::fill(padded.span(), std::uint8_t{0});
  std::ranges::copy(scalar, padded.data() + (field - scalar.size()));
  const auto key = crypto::PrivateKey::from_ec_scalar(curve, padded.view());
  if (!key || !equal(key->public_key().ec_x(), x) || !equal(key->public_key().ec_y(), y)) return damaged(kWhat);
  return key->to_pkcs8();
}

Result<SecureBytes> raw_pkcs8(KeyKind kind, ByteView private_key, ByteView public_key) {
  const char* const name = openssl_name(kind);
  SKS_CHECK(name != nullptr);
  const ossl::Pkey key(
      EVP_PKEY_new_raw_private_key_ex(library_context(), name, nullptr, private_key.data(), private_key.size()));
  if (key == nullptr) return damaged(kWhat);
  const auto made = crypto::PublicKey::from_openssl(key.get());
  if (!made || !equal(made->raw(), public_key)) return damaged(kWhat);
  return to_pkcs8(key.get());
}

}  // namespace sks::key_files
