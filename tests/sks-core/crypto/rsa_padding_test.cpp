#include <doctest/doctest.h>
#include <openssl/rsa.h>

#include <map>
#include <string>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/private_key.h"
#include "tests/support/vectors.h"

// RSASSA-PSS and RSAES-OAEP of spec/sks-extensions.md.
namespace sks::crypto {
namespace {

const std::map<std::string, HashId> kHashes{
    {"sha1", HashId::sha1}, {"sha256", HashId::sha256}, {"sha384", HashId::sha384}, {"sha512", HashId::sha512}};

template <class T>
std::optional<Status> status_of(const Result<T>& result) {
  if (result) return std::nullopt;
  return result.error().status;
}

/// Verifies with OpenSSL directly.
bool verifies_pss(const PrivateKey& key, const char* md, int salt, ByteView digest, ByteView signature) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  const EVP_MD* const hash = EVP_get_digestbyname(md);
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), hash) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), hash) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
}

TEST_CASE("sign_pss_digest: without a salt the value of the OpenSSL command line, with one what verifies with it") {
  int checked = 0;
  for (const test::VectorBlock& block : test::read_vectors("crypto/rsa-pss.vec")) {
    const PrivateKey key = PrivateKey::from_pkcs8(block.hex("Pkcs8")).value();
    const std::string name = block.text("Hash");
    const HashId hash = kHashes.at(name);
    const Bytes hashed = digest(hash, block.hex("Msg"));
    CAPTURE(name);
    CHECK(to_hex(key.sign_pss_digest(hash, 0, hashed).value()) == block.text("Signature"));
    const std::size_t modulus = key.public_key().rsa_modulus_bytes();
    const std::size_t most = modulus - hashed.size() - 2;
    for (const std::size_t salt : {std::size_t{1}, std::size_t{20}, most - 1, most}) {
      CAPTURE(salt);
      const Bytes signature = key.sign_pss_digest(hash, salt, hashed).value();
      CHECK(signature.size() == modulus);
      CHECK(verifies_pss(key, name.c_str(), static_cast<int>(salt), hashed, signature));
      CHECK_FALSE(verifies_pss(key, name.c_str(), static_cast<int>(salt) - 1, hashed, signature));
      // One byte is the same again once in 256 times.
      if (salt > 1) CHECK(signature != key.sign_pss_digest(hash, salt, hashed).value());
    }
    for (const std::size_t salt : {most + 1, std::size_t{65535}})
      CHECK(status_of(key.sign_pss_digest(hash, salt, hashed)) == Status::option);
    ++checked;
  }
  CHECK(checked == 9);
}

TEST_CASE("sign_pss_digest: a modulus of 8n + 1 bits has room for one byte less") {
  Algorithm row = *find_algorithm("https://webpki.github.io/sks/algorithm#rsa1024");
  for (const std::uint16_t bits : {std::uint16_t{1024}, std::uint16_t{1025}, std::uint16_t{1026}}) {
    CAPTURE(bits);
    row.size = bits;
    const PrivateKey key = PrivateKey::generate(row).value();
    const std::size_t modulus = key.public_key().rsa_modulus_bytes();
    const std::size_t most = modulus - 32 - 2 - (bits == 1025 ? 1 : 0);
    const Bytes hashed(32, 7);
    const Result<Bytes> signature = key.sign_pss_digest(HashId::sha256, most, hashed);
    REQUIRE(signature);
    CHECK(verifies_pss(key, "sha256", static_cast<int>(most), hashed, *signature));
    CHECK(status_of(key.sign_pss_digest(HashId::sha256, most + 1, hashed)) == Status::option);
  }
}

TEST_CASE(
    "decrypt_rsa: OAEP with every pair of hashes and with labels, and what differs is refused in the same words") {
  std::optional<PrivateKey> key;
  std::string words;
  int opened = 0;
  int refused = 0;
  for (const test::VectorBlock& block : test::read_vectors("crypto/rsa-oaep.vec")) {
    if (block.has("Pkcs8")) key = PrivateKey::from_pkcs8(block.hex("Pkcs8")).value();
    const std::string what = block.text("What");
    CAPTURE(what);
    REQUIRE(key);
    const Bytes label = block.hex("Label");
    const Oaep oaep{kHashes.at(block.text("Hash")), kHashes.at(block.text("Mgf")), label};
    const Result<SecureBytes> plaintext = key->decrypt_rsa(oaep, block.hex("Ciphertext"));
    if (block.has("Plaintext")) {
      REQUIRE(plaintext);
      CHECK(to_hex(plaintext->view()) == block.text("Plaintext"));
      ++opened;
      continue;
    }
    CHECK(status_of(plaintext) == Status::crypto);
    if (words.empty()) words = plaintext.error().detail;
    CHECK(plaintext.error().detail == words);
    ++refused;
  }
  CHECK(opened == 17);
  CHECK(refused == 5);
}

TEST_CASE("RSA paddings: keys of other types neither sign nor decrypt") {
  for (const char* const name : {"ec.nist.p256", "ed25519", "x448"}) {
    CAPTURE(name);
    const Algorithm& row = *find_algorithm(std::string("https://webpki.github.io/sks/algorithm#") + name);
    const PrivateKey key = PrivateKey::generate(row).value();
    CHECK(status_of(key.sign_pss_digest(HashId::sha256, 0, Bytes(32))) == Status::crypto);
    CHECK(status_of(key.decrypt_rsa(Oaep{HashId::sha256, HashId::sha256}, Bytes(128))) == Status::crypto);
  }
}

}  // namespace
}  // namespace sks::crypto
