#include "key-user-api/key_files/openssh_encryption.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "key-user-api/key_files/bcrypt_pbkdf.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/library_context.h"

namespace sks::key_files {
namespace {

using Cipher = ossl::Ptr<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = ossl::Ptr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

constexpr std::string_view kWhat = "the OpenSSH private key";
constexpr std::size_t kBlock = 16;
/// What a block of a round costs beside an iteration of PBKDF2: 250 rounds are allowed, ssh-keygen makes 16.
constexpr std::uint64_t kRoundCost = 40'000;

struct CipherRow {
  std::string_view name;
  const char* openssl;
  std::size_t key;
  std::size_t iv;
  std::size_t tag;
};
constexpr auto kCiphers = std::to_array<CipherRow>({
    {"aes256-ctr", "AES-256-CTR", 32, 16, 0},
    {"aes192-ctr", "AES-192-CTR", 24, 16, 0},
    {"aes128-ctr", "AES-128-CTR", 16, 16, 0},
    {"aes256-cbc", "AES-256-CBC", 32, 16, 0},
    {"aes192-cbc", "AES-192-CBC", 24, 16, 0},
    {"aes128-cbc", "AES-128-CBC", 16, 16, 0},
    {"aes256-gcm@openssh.com", "AES-256-GCM", 32, 12, 16},
    {"aes128-gcm@openssh.com", "AES-128-GCM", 16, 12, 16},
});

/// Fails with crypto when the tag does not fit.
Result<SecureBytes> decrypt(const CipherRow& row, ByteView key_and_iv, ByteView encrypted, ByteView tag) {
  const Cipher cipher(EVP_CIPHER_fetch(library_context(), row.openssl, nullptr));
  const CipherContext context(EVP_CIPHER_CTX_new());
  SKS_CHECK(cipher != nullptr && context != nullptr);
  SecureBytes content(encrypted.size());
  int size = 0;
  int rest = 0;
  SKS_CHECK(EVP_DecryptInit_ex2(context.get(), cipher.get(), key_and_iv.data(), key_and_iv.data() + row.key, nullptr) ==
                1 &&
            EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
  if (row.tag != 0) {
    Bytes expected = to_bytes(tag);  // set_tag does not write, though its type says so
    SKS_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()),
                                  expected.data()) == 1);
  }
  const bool done = EVP_DecryptUpdate(context.get(), content.data(), &size, encrypted.data(),
                                      static_cast<int>(encrypted.size())) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), content.data() + size, &rest) == 1;
  if (!done) return Error{Status::crypto, ossl::take_error("Cannot decrypt").detail};
  return content;
}

}  // namespace

Result<SecureBytes> decrypt_openssh(const OpensshEncryption& encryption, ByteView encrypted, Passphrase& passphrase) {
  const auto row = std::ranges::find(kCiphers, encryption.cipher, &CipherRow::name);
  if (row == kCiphers.end() || encryption.function != "bcrypt")
    return Error{Status::not_available,
                 "the OpenSSH key is encrypted in a way that this program does not know: make a copy of the file, take "
                 "its passphrase away with 'ssh-keygen -p -N \"\" -f COPY', and delete the copy afterwards"};
  ByteReader in(encryption.parameters);
  const ByteView salt = in.blob();
  const std::uint32_t rounds = in.u32();
  if (!in.finish() || salt.empty() || rounds == 0 || encrypted.empty() || encrypted.size() % kBlock != 0 ||
      encryption.tag.size() != row->tag)
    return damaged(kWhat);
  const std::size_t size = row->key + row->iv;
  SKS_TRY(passphrase.spend(rounds * kRoundCost * (1 + size / 32)));
  SKS_LET(const ByteView typed, passphrase.get());
  if (typed.empty()) return wrong_passphrase();
  const SecureBytes key = bcrypt_pbkdf(typed, salt, rounds, size);
  Result<SecureBytes> content = decrypt(*row, key.view(), encrypted, encryption.tag);
  if (!content && content.error().status == Status::crypto) return wrong_passphrase();
  return content;
}

}  // namespace sks::key_files
