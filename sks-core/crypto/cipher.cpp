#include "sks-core/crypto/cipher.h"

#include <limits>

#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {
namespace {

int as_int(std::size_t size) {
  SKS_CHECK(size <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(size);
}

ossl::CipherCtx new_context() {
  ossl::CipherCtx context(EVP_CIPHER_CTX_new());
  SKS_CHECK(context != nullptr);
  return context;
}

SecureBytes aes_ecb(ByteView key, ByteView data, bool encrypting) {
  SKS_CHECK(data.size() % kAesBlock == 0);
  SecureBytes out(data.size());
  if (data.empty()) return out;
  const ossl::CipherCtx context = new_context();
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_CipherInit_ex2(context.get(), fetched_aes_ecb(key.size()), key.data(), nullptr, encrypting ? 1 : 0,
                               nullptr) == 1);
  SKS_CHECK(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
  SKS_CHECK(EVP_CipherUpdate(context.get(), out.data(), &written, data.data(), as_int(data.size())) == 1);
  SKS_CHECK(EVP_CipherFinal_ex(context.get(), out.data() + written, &last) == 1);
  SKS_CHECK(static_cast<std::size_t>(written + last) == out.size());
  return out;
}

}  // namespace

Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext) {
  SKS_CHECK(iv.size() == kAesBlock);
  const ossl::CipherCtx context = new_context();
  Bytes out((plaintext.size() / kAesBlock + 1) * kAesBlock);
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_EncryptInit_ex2(context.get(), fetched_aes_cbc(key.size()), key.data(), iv.data(), nullptr) == 1);
  SKS_CHECK(EVP_EncryptUpdate(context.get(), out.data(), &written, plaintext.data(), as_int(plaintext.size())) == 1);
  SKS_CHECK(EVP_EncryptFinal_ex(context.get(), out.data() + written, &last) == 1);
  SKS_CHECK(static_cast<std::size_t>(written + last) == out.size());
  return out;
}

Result<SecureBytes> aes_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext) {
  SKS_CHECK(iv.size() == kAesBlock);
  if (ciphertext.size() % kAesBlock != 0)
    return Error{Status::crypto, "Encrypted data is not a whole number of blocks"};
  if (ciphertext.empty()) return SecureBytes();
  const ossl::CipherCtx context = new_context();
  SecureBytes out(ciphertext.size());
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_DecryptInit_ex2(context.get(), fetched_aes_cbc(key.size()), key.data(), iv.data(), nullptr) == 1);
  SKS_CHECK(EVP_DecryptUpdate(context.get(), out.data(), &written, ciphertext.data(), as_int(ciphertext.size())) == 1);
  if (EVP_DecryptFinal_ex(context.get(), out.data() + written, &last) != 1)
    return ossl::take_error("Encrypted data has bad padding");
  out.truncate(static_cast<std::size_t>(written + last));
  return out;
}

SecureBytes aes_ecb_encrypt(ByteView key, ByteView data) { return aes_ecb(key, data, true); }
SecureBytes aes_ecb_decrypt(ByteView key, ByteView data) { return aes_ecb(key, data, false); }

Bytes aes_256_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext) {
  SKS_CHECK(key.size() == kAes256Key);
  return aes_cbc_encrypt(key, iv, plaintext);
}

Result<SecureBytes> aes_256_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext) {
  SKS_CHECK(key.size() == kAes256Key);
  return aes_cbc_decrypt(key, iv, ciphertext);
}

Bytes aes_256_gcm_seal(ByteView key, ByteView nonce, ByteView associated_data, ByteView plaintext) {
  SKS_CHECK(key.size() == kAes256Key && nonce.size() == kGcmNonce);
  const ossl::CipherCtx context = new_context();
  Bytes out(plaintext.size() + kGcmTag);
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_EncryptInit_ex2(context.get(), fetched_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1);
  SKS_CHECK(associated_data.empty() || EVP_EncryptUpdate(context.get(), nullptr, &written, associated_data.data(),
                                                         as_int(associated_data.size())) == 1);
  written = 0;
  SKS_CHECK(plaintext.empty() ||
            EVP_EncryptUpdate(context.get(), out.data(), &written, plaintext.data(), as_int(plaintext.size())) == 1);
  SKS_CHECK(EVP_EncryptFinal_ex(context.get(), out.data() + written, &last) == 1);
  SKS_CHECK(static_cast<std::size_t>(written + last) == plaintext.size());
  SKS_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTag, out.data() + plaintext.size()) == 1);
  return out;
}

Result<SecureBytes> aes_256_gcm_open(ByteView key, ByteView nonce, ByteView associated_data, ByteView sealed) {
  SKS_CHECK(key.size() == kAes256Key && nonce.size() == kGcmNonce);
  if (sealed.size() < kGcmTag) return Error{Status::crypto, "Sealed data is too short"};
  const ByteView ciphertext = sealed.first(sealed.size() - kGcmTag);
  Bytes tag = to_bytes(sealed.last(kGcmTag));
  const ossl::CipherCtx context = new_context();
  SecureBytes out(ciphertext.size());
  std::uint8_t no_output = 0;
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_DecryptInit_ex2(context.get(), fetched_aes_256_gcm(), key.data(), nonce.data(), nullptr) == 1);
  SKS_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTag, tag.data()) == 1);
  SKS_CHECK(associated_data.empty() || EVP_DecryptUpdate(context.get(), nullptr, &written, associated_data.data(),
                                                         as_int(associated_data.size())) == 1);
  written = 0;
  SKS_CHECK(ciphertext.empty() ||
            EVP_DecryptUpdate(context.get(), out.data(), &written, ciphertext.data(), as_int(ciphertext.size())) == 1);
  std::uint8_t* const end = out.empty() ? &no_output : out.data() + written;
  if (EVP_DecryptFinal_ex(context.get(), end, &last) != 1) return ossl::take_error("Sealed data was altered");
  return out;
}

}  // namespace sks::crypto
