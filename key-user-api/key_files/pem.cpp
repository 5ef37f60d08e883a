#include "key-user-api/key_files/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "key-user-api/key_files/der.h"
#include "key-user-api/key_files/openssh.h"

namespace sks::key_files {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
/// SECURE: buffers that are cleansed.
constexpr unsigned kFlags = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE;

using Read = Result<void> (*)(ByteView der, Reading& reading);

Result<void> skip(ByteView, Reading& reading) { return reading.found.skip(); }

Result<void> refuse_dsa(ByteView, Reading&) {
  return Error{Status::not_available, "the file has a DSA key, and no key store holds such keys"};
}

struct Block {
  std::string_view label;
  Read read;
};
constexpr auto kBlocks = std::to_array<Block>({
    {"CERTIFICATE", read_certificate},
    {"X509 CERTIFICATE", read_certificate},
    {"PRIVATE KEY", read_pkcs8},
    {"ENCRYPTED PRIVATE KEY", read_encrypted_pkcs8},
    {"RSA PRIVATE KEY", read_pkcs1},
    {"EC PRIVATE KEY", read_sec1},
    {"DSA PRIVATE KEY", refuse_dsa},
    {"OPENSSH PRIVATE KEY", read_openssh},
    {"PKCS7", read_pkcs7},
    {"PKCS #7 SIGNED DATA", read_pkcs7},
    {"EC PARAMETERS", skip},
    {"DSA PARAMETERS", skip},
    {"DH PARAMETERS", skip},
    {"PUBLIC KEY", skip},
    {"CERTIFICATE REQUEST", skip},
    {"NEW CERTIFICATE REQUEST", skip},
    {"X509 CRL", skip},
});

/// One block as OpenSSL hands it out.
struct RawBlock {
  RawBlock() = default;
  RawBlock(const RawBlock&) = delete;
  RawBlock& operator=(const RawBlock&) = delete;
  ~RawBlock() {
    OPENSSL_secure_clear_free(name, name == nullptr ? 0 : std::strlen(name));
    OPENSSL_secure_clear_free(header, header == nullptr ? 0 : std::strlen(header));
    OPENSSL_secure_clear_free(data, static_cast<std::size_t>(std::max(capacity, 0L)));
  }

  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  long capacity = 0;
};

int give_passphrase(char* buffer, int size, int, void* passphrase) {
  const ByteView known = *static_cast<const ByteView*>(passphrase);
  if (known.size() > static_cast<std::size_t>(size)) return -1;
  std::ranges::copy(known, buffer);
  return static_cast<int>(known.size());
}

/// The encryption of traditional keys, in the header of their block.
Result<bool> decrypt(RawBlock& block, Reading& reading) {
  EVP_CIPHER_INFO cipher;
  if (PEM_get_EVP_CIPHER_INFO(block.header, &cipher) != 1) {
    (void)ossl::take_error("");
    return Error{Status::option, "a private key is encrypted in a way that this program does not know"};
  }
  if (cipher.cipher == nullptr) return false;
  SKS_LET(ByteView passphrase, reading.passphrase.get());
  const int decrypted = PEM_do_header(&cipher, block.data, &block.size, give_passphrase, &passphrase);
  (void)ossl::take_error("");
  if (decrypted != 1) return wrong_passphrase();
  return true;
}

Result<void> read_block(RawBlock& block, Reading& reading) {
  const auto row = std::ranges::find(kBlocks, std::string_view(block.name), &Block::label);
  if (row == kBlocks.end())
    return Error{Status::option,
                 "the file has a block '" + std::string(block.name) + "' that this program cannot read"};
  SKS_LET(const bool was_encrypted, decrypt(block, reading));
  auto read = row->read({block.data, static_cast<std::size_t>(block.size)}, reading);
  // One wrong passphrase in 256 decrypts to something.
  if (!read && read.error().status == Status::option && was_encrypted) return wrong_passphrase();
  return read;
}

}  // namespace

bool is_pem(ByteView content) {
  const ByteView begin = as_bytes(kBegin);
  return std::search(content.begin(), content.end(), begin.begin(), begin.end()) != content.end();
}

Result<void> read_pem(ByteView content, Reading& reading) {
  const ossl::Bio in(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
  SKS_CHECK(in != nullptr);
  while (true) {
    RawBlock block;
    if (PEM_read_bio_ex(in.get(), &block.name, &block.header, &block.data, &block.size, kFlags) != 1) {
      const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
      (void)ossl::take_error("");
      return at_end ? Result<void>() : damaged("a PEM block of the file");
    }
    block.capacity = block.size;
    SKS_TRY(read_block(block, reading));
  }
}

}  // namespace sks::key_files
