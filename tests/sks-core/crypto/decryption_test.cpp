#include <doctest/doctest.h>

#include <map>
#include <string>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/support/vectors.h"

// RSA decryption: spec/sks-api.md 4.29.
namespace sks::crypto {
namespace {

const std::map<std::string, HashId> kHashes{{"none", HashId::none}, {"sha1", HashId::sha1}, {"sha256", HashId::sha256}};

TEST_CASE("decrypt_rsa: opens what the OpenSSL command line encrypted, and refuses all else in the same words") {
  std::optional<PrivateKey> key;
  std::string words;
  int opened = 0;
  int refused = 0;
  for (const test::VectorBlock& block : test::read_vectors("crypto/rsa-decryption.vec")) {
    if (block.has("Pkcs8")) key = PrivateKey::from_pkcs8(block.hex("Pkcs8")).value();
    const std::string what = block.text("What");
    CAPTURE(what);
    REQUIRE(key);
    const auto plaintext = key->decrypt_rsa(kHashes.at(block.text("Hash")), block.hex("Ciphertext"));
    if (block.has("Plaintext")) {
      REQUIRE(plaintext);
      CHECK(to_hex(plaintext->view()) == block.text("Plaintext"));
      ++opened;
      continue;
    }
    REQUIRE_FALSE(plaintext);
    CHECK(plaintext.error().status == Status::crypto);
    if (words.empty()) words = plaintext.error().detail;
    CHECK(plaintext.error().detail == words);
    ++refused;
  }
  CHECK(opened == 20);
  CHECK(refused == 36);
}

TEST_CASE("decrypt_rsa: keys of other types do not decrypt") {
  for (const char* const name : {"ec.nist.p256", "ed25519", "x448"}) {
    CAPTURE(name);
    const Algorithm& row = *find_algorithm(std::string("https://webpki.github.io/sks/algorithm#") + name);
    const auto plaintext = PrivateKey::generate(row).value().decrypt_rsa(HashId::none, Bytes(128, 1));
    REQUIRE_FALSE(plaintext);
    CHECK(plaintext.error().status == Status::crypto);
  }
}

}  // namespace
}  // namespace sks::crypto
