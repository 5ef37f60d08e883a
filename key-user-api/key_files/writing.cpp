#include "key-user-api/key_files/writing.h"

#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <algorithm>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/x509.h"

namespace sks::key_files {
namespace {

/// Half a second or less of a computer of 2020. NSS reads no file with more than 600,000.
constexpr int kIterations = 300'000;

using Pkcs8Info = ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using Pkcs12 = ossl::Ptr<PKCS12, PKCS12_free>;
using EncryptedKey = ossl::Ptr<X509_SIG, X509_SIG_free>;
using AlgorithmId = ossl::Ptr<X509_ALGOR, X509_ALGOR_free>;

struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};

/// OpenSSL wants a zero byte at the end.
Result<SecureBytes> as_c_string(ByteView passphrase) {
  if (passphrase.empty()) return Error{Status::option, "the passphrase is empty"};
  if (std::ranges::find(passphrase, 0) != passphrase.end())
    return Error{Status::option, "there is a zero byte in the passphrase"};
  SecureBytes text(passphrase.size() + 1);
  std::ranges::copy(passphrase, text.data());
  text.data()[passphrase.size()] = 0;
  return text;
}

const char* text_of(const SecureBytes& text) { return reinterpret_cast<const char*>(text.data()); }

template <class Object, class Encode>
Result<Bytes> encode(const Object* object, Encode i2d) {
  std::uint8_t* der = nullptr;
  const int size = i2d(object, &der);
  if (size <= 0) return ossl::take_error("the key cannot be encoded");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

}  // namespace

Result<Bytes> write_encrypted_pkcs8(ByteView pkcs8, ByteView passphrase) {
  SKS_LET(const SecureBytes text, as_c_string(passphrase));
  SKS_LET(const crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(pkcs8));
  const Pkcs8Info info(EVP_PKEY2PKCS8(key.openssl()));
  AlgorithmId algorithm(
      PKCS5_pbe2_set_iv_ex(EVP_aes_256_cbc(), kIterations, nullptr, 0, nullptr, NID_hmacWithSHA256, library_context()));
  if (info == nullptr || algorithm == nullptr) return ossl::take_error("the key cannot be encrypted");
  const EncryptedKey encrypted(PKCS8_set0_pbe_ex(text_of(text), static_cast<int>(passphrase.size()), info.get(),
                                                 algorithm.get(), library_context(), nullptr));
  if (encrypted == nullptr) return ossl::take_error("the key cannot be encrypted");
  static_cast<void>(algorithm.release());
  return encode(encrypted.get(), i2d_X509_SIG);
}

Result<Bytes> write_pkcs12(ByteView pkcs8, const std::vector<Bytes>& certificate_path, const std::string& label,
                           ByteView passphrase) {
  SKS_LET(const SecureBytes text, as_c_string(passphrase));
  SKS_LET(const crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(pkcs8));
  SKS_LET(const std::vector<crypto::Certificate> path, crypto::parse_path(certificate_path));
  const std::unique_ptr<STACK_OF(X509), FreeStack> authorities(sk_X509_new_null());
  if (authorities == nullptr) return ossl::take_error("the file cannot be made");
  for (std::size_t i = 1; i < path.size(); ++i) {
    X509* const copy = X509_dup(path[i].openssl());
    if (copy == nullptr || sk_X509_push(authorities.get(), copy) == 0) {
      X509_free(copy);
      return ossl::take_error("the file cannot be made");
    }
  }
  const Pkcs12 file(PKCS12_create_ex(text_of(text), label.empty() ? nullptr : label.c_str(), key.openssl(),
                                     path.front().openssl(), authorities.get(), NID_aes_256_cbc, NID_aes_256_cbc,
                                     kIterations, kIterations, 0, library_context(), nullptr));
  if (file == nullptr) return ossl::take_error("the file cannot be made");
  return encode(file.get(), i2d_PKCS12);
}

}  // namespace sks::key_files
