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

/// The modes that keep the length: ECB and CBC of whole blocks, CTR. `iv` empty: there is none.
SecureBytes same_length(AesMode mode, ByteView key, ByteView iv, ByteView data, bool encrypting) {
  SKS_CHECK(mode == AesMode::ctr || data.size() % kAesBlock == 0);
  SKS_CHECK(iv.size() == (mode == AesMode::ecb ? 0 : kAesBlock));
  SecureBytes out(data.size());
  if (data.empty()) return out;
  const ossl::CipherCtx context = new_context();
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_CipherInit_ex2(context.get(), fetched_aes(mode, key.size()), key.data(),
                               iv.empty() ? nullptr : iv.data(), encrypting ? 1 : 0, nullptr) == 1);
  SKS_CHECK(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
  SKS_CHECK(EVP_CipherUpdate(context.get(), out.data(), &written, data.data(), as_int(data.size())) == 1);
  SKS_CHECK(EVP_CipherFinal_ex(context.get(), out.data() + written, &last) == 1);
  SKS_CHECK(static_cast<std::size_t>(written + last) == out.size());
  return out;
}

/// A context of AES-GCM that has taken key, IV and associated data.
ossl::CipherCtx gcm_context(ByteView key, ByteView iv, ByteView associated_data, bool encrypting) {
  SKS_CHECK(!iv.empty() && iv.size() <= kGcmMaxIv);
  ossl::CipherCtx context = new_context();
  const EVP_CIPHER* cipher = fetched_aes(AesMode::gcm, key.size());
  const int direction = encrypting ? 1 : 0;
  int unused = 0;
  if (iv.size() != kGcmNonce) {
    SKS_CHECK(EVP_CipherInit_ex2(context.get(), cipher, nullptr, nullptr, direction, nullptr) == 1);
    SKS_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, as_int(iv.size()), nullptr) == 1);
    cipher = nullptr;
  }
  SKS_CHECK(EVP_CipherInit_ex2(context.get(), cipher, key.data(), iv.data(), direction, nullptr) == 1);
  SKS_CHECK(associated_data.empty() || EVP_CipherUpdate(context.get(), nullptr, &unused, associated_data.data(),
                                                        as_int(associated_data.size())) == 1);
  return context;
}

/// Both kinds of key wrapping, in both directions. OpenSSL checks the lengths.
Result<SecureBytes> wrap(AesMode mode, ByteView key, ByteView iv, ByteView data, bool wrapping) {
  SKS_CHECK(iv.empty() || iv.size() == (mode == AesMode::wrap ? kWrapBlock : kWrapBlock / 2));
  const ossl::CipherCtx context = new_context();
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  // Room for the padding and the integrity check value.
  SecureBytes out(data.size() + 2 * kWrapBlock);
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_CipherInit_ex2(context.get(), fetched_aes(mode, key.size()), key.data(),
                               iv.empty() ? nullptr : iv.data(), wrapping ? 1 : 0, nullptr) == 1);
  if (EVP_CipherUpdate(context.get(), out.data(), &written, data.data(), as_int(data.size())) != 1 || written <= 0 ||
      EVP_CipherFinal_ex(context.get(), out.data() + written, &last) != 1)
    return ossl::take_error("Wrapped key was altered");
  out.truncate(static_cast<std::size_t>(written + last));
  return out;
}

SecureBytes must_wrap(AesMode mode, ByteView key, ByteView iv, ByteView data) {
  Result<SecureBytes> wrapped = wrap(mode, key, iv, data, true);
  SKS_CHECK(static_cast<bool>(wrapped));
  return std::move(wrapped).value();
}

}  // namespace

Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext) {
  SKS_CHECK(iv.size() == kAesBlock);
  const ossl::CipherCtx context = new_context();
  Bytes out((plaintext.size() / kAesBlock + 1) * kAesBlock);
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_EncryptInit_ex2(context.get(), fetched_aes(AesMode::cbc, key.size()), key.data(), iv.data(), nullptr) ==
            1);
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
  SKS_CHECK(EVP_DecryptInit_ex2(context.get(), fetched_aes(AesMode::cbc, key.size()), key.data(), iv.data(), nullptr) ==
            1);
  SKS_CHECK(EVP_DecryptUpdate(context.get(), out.data(), &written, ciphertext.data(), as_int(ciphertext.size())) == 1);
  if (EVP_DecryptFinal_ex(context.get(), out.data() + written, &last) != 1)
    return ossl::take_error("Encrypted data has bad padding");
  out.truncate(static_cast<std::size_t>(written + last));
  return out;
}

SecureBytes aes_cbc_blocks_encrypt(ByteView key, ByteView iv, ByteView data) {
  return same_length(AesMode::cbc_blocks, key, iv, data, true);
}
SecureBytes aes_cbc_blocks_decrypt(ByteView key, ByteView iv, ByteView data) {
  return same_length(AesMode::cbc_blocks, key, iv, data, false);
}

SecureBytes aes_ecb_encrypt(ByteView key, ByteView data) { return same_length(AesMode::ecb, key, {}, data, true); }
SecureBytes aes_ecb_decrypt(ByteView key, ByteView data) { return same_length(AesMode::ecb, key, {}, data, false); }

SecureBytes aes_ctr(ByteView key, ByteView counter, ByteView data) {
  return same_length(AesMode::ctr, key, counter, data, true);
}

Bytes aes_256_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext) {
  SKS_CHECK(key.size() == kAes256Key);
  return aes_cbc_encrypt(key, iv, plaintext);
}

Result<SecureBytes> aes_256_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext) {
  SKS_CHECK(key.size() == kAes256Key);
  return aes_cbc_decrypt(key, iv, ciphertext);
}

Bytes aes_gcm_seal(ByteView key, ByteView iv, ByteView associated_data, ByteView plaintext, std::size_t tag_size) {
  SKS_CHECK(tag_size <= kGcmTag);
  const ossl::CipherCtx context = gcm_context(key, iv, associated_data, true);
  Bytes out(plaintext.size() + tag_size);
  int written = 0;
  int last = 0;
  SKS_CHECK(plaintext.empty() ||
            EVP_EncryptUpdate(context.get(), out.data(), &written, plaintext.data(), as_int(plaintext.size())) == 1);
  SKS_CHECK(EVP_EncryptFinal_ex(context.get(), out.data() + written, &last) == 1);
  SKS_CHECK(static_cast<std::size_t>(written + last) == plaintext.size());
  SKS_CHECK(
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, as_int(tag_size), out.data() + plaintext.size()) == 1);
  return out;
}

Result<SecureBytes> aes_gcm_open(ByteView key, ByteView iv, ByteView associated_data, ByteView sealed,
                                 std::size_t tag_size) {
  SKS_CHECK(tag_size > 0 && tag_size <= kGcmTag);
  if (sealed.size() < tag_size) return Error{Status::crypto, "Sealed data is too short"};
  const ByteView ciphertext = sealed.first(sealed.size() - tag_size);
  Bytes tag = to_bytes(sealed.last(tag_size));
  const ossl::CipherCtx context = gcm_context(key, iv, associated_data, false);
  SecureBytes out(ciphertext.size());
  std::uint8_t no_output = 0;
  int written = 0;
  int last = 0;
  SKS_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, as_int(tag_size), tag.data()) == 1);
  SKS_CHECK(ciphertext.empty() ||
            EVP_DecryptUpdate(context.get(), out.data(), &written, ciphertext.data(), as_int(ciphertext.size())) == 1);
  std::uint8_t* const end = out.empty() ? &no_output : out.data() + written;
  if (EVP_DecryptFinal_ex(context.get(), end, &last) != 1) return ossl::take_error("Sealed data was altered");
  return out;
}

Bytes aes_256_gcm_seal(ByteView key, ByteView nonce, ByteView associated_data, ByteView plaintext) {
  SKS_CHECK(key.size() == kAes256Key && nonce.size() == kGcmNonce);
  return aes_gcm_seal(key, nonce, associated_data, plaintext, kGcmTag);
}

Result<SecureBytes> aes_256_gcm_open(ByteView key, ByteView nonce, ByteView associated_data, ByteView sealed) {
  SKS_CHECK(key.size() == kAes256Key && nonce.size() == kGcmNonce);
  return aes_gcm_open(key, nonce, associated_data, sealed, kGcmTag);
}

SecureBytes aes_wrap(ByteView key, ByteView iv, ByteView data) { return must_wrap(AesMode::wrap, key, iv, data); }
Result<SecureBytes> aes_unwrap(ByteView key, ByteView iv, ByteView wrapped) {
  return wrap(AesMode::wrap, key, iv, wrapped, false);
}

SecureBytes aes_wrap_padded(ByteView key, ByteView iv, ByteView data) {
  return must_wrap(AesMode::wrap_padded, key, iv, data);
}
Result<SecureBytes> aes_unwrap_padded(ByteView key, ByteView iv, ByteView wrapped) {
  return wrap(AesMode::wrap_padded, key, iv, wrapped, false);
}

}  // namespace sks::crypto
