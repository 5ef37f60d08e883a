#include "key-user-api/key_files/der.h"

#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>

#include <array>

#include "key-user-api/key_files/encryption.h"
#include "key-user-api/key_files/pkcs12.h"
#include "sks-core/base/library_context.h"

namespace sks::key_files {
namespace {

using Pkcs8 = ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using EncryptedKey = ossl::Ptr<X509_SIG, X509_SIG_free>;
using Pkcs7 = ossl::Ptr<PKCS7, PKCS7_free>;

constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kOctetString = 0x04;

Result<void> read_traditional(int type, ByteView der, Reading& reading, std::string_view what) {
  const std::uint8_t* at = der.data();
  const ossl::Pkey key(
      d2i_PrivateKey_ex(type, nullptr, &at, static_cast<long>(der.size()), library_context(), nullptr));
  if (key == nullptr || at != der.data() + der.size()) return damaged(what);
  return reading.found.add_private_key(key.get(), {});
}

std::string type_of(const PKCS8_PRIV_KEY_INFO* info) {
  const ASN1_OBJECT* type = nullptr;
  if (PKCS8_pkey_get0(&type, nullptr, nullptr, nullptr, info) != 1) return "unknown";
  std::array<char, 80> name{};
  OBJ_obj2txt(name.data(), static_cast<int>(name.size()), type, 0);
  return name.data();
}

}  // namespace

Result<SecureBytes> to_pkcs8(const PKCS8_PRIV_KEY_INFO* info) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &encoded);
  if (size <= 0) return damaged("a private key");
  SecureBytes out = SecureBytes::copy_of({encoded, static_cast<std::size_t>(size)});
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return out;
}

Result<SecureBytes> to_pkcs8(EVP_PKEY* key) {
  const Pkcs8 info(EVP_PKEY2PKCS8(key));
  if (info == nullptr) return damaged("a private key");
  return to_pkcs8(info.get());
}

Error unusable_key(ByteView pkcs8) {
  const std::uint8_t* at = pkcs8.data();
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(pkcs8.size())));
  if (info == nullptr || at != pkcs8.data() + pkcs8.size()) return damaged("a private key");
  const std::string type = type_of(info.get());
  (void)ossl::take_error("");
  return {Status::not_available, "the file has a private key of the type " + type +
                                     " that no key store holds: of that type, its size or its curve"};
}

Result<void> read_pkcs8(ByteView der, Reading& reading) { return reading.found.add_private_key(der, {}); }

Result<void> read_encrypted_pkcs8(ByteView der, Reading& reading) {
  const std::uint8_t* at = der.data();
  const EncryptedKey encrypted(d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (encrypted == nullptr || at != der.data() + der.size()) return damaged("an encrypted private key");
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(encrypted.get(), &algorithm, nullptr);
  SKS_LET(OSSL_LIB_CTX* const context, prepare_decryption(algorithm, reading.passphrase));
  SKS_LET(const ByteView passphrase, reading.passphrase.get());
  const Pkcs8 info(
      PKCS8_decrypt_ex(encrypted.get(), as_text(passphrase), static_cast<int>(passphrase.size()), context, nullptr));
  (void)ossl::take_error("");
  if (info == nullptr) return wrong_passphrase();
  SKS_LET(const SecureBytes pkcs8, to_pkcs8(info.get()));
  return reading.found.add_private_key(pkcs8.view(), {});
}

Result<void> read_pkcs1(ByteView der, Reading& reading) {
  return read_traditional(EVP_PKEY_RSA, der, reading, "an RSA private key");
}

Result<void> read_sec1(ByteView der, Reading& reading) {
  return read_traditional(EVP_PKEY_EC, der, reading, "an EC private key");
}

Result<void> read_certificate(ByteView der, Reading& reading) { return reading.found.add_certificate(der); }

Result<void> read_pkcs7(ByteView der, Reading& reading) {
  const std::uint8_t* at = der.data();
  const Pkcs7 message(d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
  if (message == nullptr || at != der.data() + der.size() || PKCS7_type_is_signed(message.get()) != 1 ||
      message->d.sign == nullptr)
    return damaged("a PKCS#7 certificate path");
  const STACK_OF(X509)* const certificates = message->d.sign->cert;
  for (int i = 0; i < sk_X509_num(certificates); ++i) {
    std::uint8_t* encoded = nullptr;
    const int size = i2d_X509(sk_X509_value(certificates, i), &encoded);
    if (size <= 0) return damaged("a certificate");
    const Bytes certificate(encoded, encoded + size);
    OPENSSL_free(encoded);
    SKS_TRY(reading.found.add_certificate(certificate));
  }
  return {};
}

namespace {

template <class Object, auto Decode, auto Free>
bool decodes_as(ByteView der) {
  const std::uint8_t* at = der.data();
  const ossl::Ptr<Object, Free> object(Decode(nullptr, &at, static_cast<long>(der.size())));
  (void)ossl::take_error("");
  return object != nullptr && at == der.data() + der.size();
}

/// Of a SEQUENCE the tag of the n-th element; 0 when there is none.
std::uint8_t tag_of_element(ByteView der, int n) {
  const std::uint8_t* at = der.data();
  const std::uint8_t* end = der.data() + der.size();
  for (int i = -1; at < end; ++i) {
    if (i == n) return *at;
    long size = 0;
    int tag = 0;
    int tag_class = 0;
    const int form = ASN1_get_object(&at, &size, &tag, &tag_class, end - at);
    if ((form & 0x80) != 0) break;
    if (i >= 0) at += size;
  }
  (void)ossl::take_error("");
  return 0;
}

bool is_pkcs12(ByteView der) { return decodes_as<PKCS12, d2i_PKCS12, PKCS12_free>(der); }
bool is_pkcs8(ByteView der) {
  return decodes_as<PKCS8_PRIV_KEY_INFO, d2i_PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>(der);
}
bool is_encrypted_pkcs8(ByteView der) { return decodes_as<X509_SIG, d2i_X509_SIG, X509_SIG_free>(der); }
bool is_pkcs1(ByteView der) { return tag_of_element(der, 0) == kInteger && tag_of_element(der, 8) == kInteger; }
bool is_sec1(ByteView der) { return tag_of_element(der, 0) == kInteger && tag_of_element(der, 1) == kOctetString; }
bool is_certificate(ByteView der) { return decodes_as<X509, d2i_X509, X509_free>(der); }
bool is_pkcs7(ByteView der) { return decodes_as<PKCS7, d2i_PKCS7, PKCS7_free>(der); }

struct DerFormat {
  bool (*looks_right)(ByteView);
  Result<void> (*read)(ByteView, Reading&);
};
constexpr auto kDerFormats = std::to_array<DerFormat>({
    {is_pkcs12, read_pkcs12},
    {is_pkcs8, read_pkcs8},
    {is_encrypted_pkcs8, read_encrypted_pkcs8},
    {is_pkcs1, read_pkcs1},
    {is_sec1, read_sec1},
    {is_certificate, read_certificate},
    {is_pkcs7, read_pkcs7},
});

}  // namespace

Result<void> read_der(ByteView der, Reading& reading) {
  for (const DerFormat& format : kDerFormats)
    if (format.looks_right(der)) return format.read(der, reading);
  return Error{Status::option, "the file is not complete, or in none of the formats that this program knows"};
}

}  // namespace sks::key_files
