#include "sks-core/crypto/cipher.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "tests/support/vectors.h"

namespace sks::crypto {
namespace {

TEST_CASE("hmac_sha256: RFC 4231") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/hmac-sha256.vec")) {
    const Bytes key = block.hex("Key");
    const Sha256Digest mac = hmac_sha256(key, block.hex("Msg"));
    CHECK(to_hex(mac) == block.text("Mac"));
    // The same key in two pieces.
    const ByteView all(key);
    CHECK(hmac_sha256({all.first(key.size() / 2), all.subspan(key.size() / 2)}, block.hex("Msg")) == mac);
    block.text("Source");
  }
}

TEST_CASE("hmac: RFC 2202, RFC 4231 and the specification's value") {
  const std::map<std::string, HashId> hashes{
      {"sha1", HashId::sha1}, {"sha256", HashId::sha256}, {"sha384", HashId::sha384}, {"sha512", HashId::sha512}};
  for (const test::VectorBlock& block : test::read_vectors("crypto/hmac.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    CHECK(to_hex(hmac(hashes.at(block.text("Hash")), block.hex("Key"), block.hex("Msg"))) == block.text("Mac"));
  }
  // An empty key counts as a block of zero bytes, and so does one of them.
  CHECK(hmac(HashId::sha384, {}, as_bytes("x")) == hmac(HashId::sha384, Bytes(1), as_bytes("x")));
}

TEST_CASE("hkdf_sha256: RFC 5869") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/hkdf-sha256.vec")) {
    const SecureBytes okm = hkdf_sha256(block.hex("Secret"), block.hex("Salt"), block.hex("Info"),
                                        static_cast<std::size_t>(block.number("Size")));
    CHECK(to_hex(okm.view()) == block.text("Okm"));
    block.text("Source");
  }
}

TEST_CASE("digest: FIPS 180 values of \"abc\"") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/digest.vec")) {
    CHECK(to_hex(digest(HashId::sha1, block.hex("Msg"))) == block.text("Sha1"));
    CHECK(to_hex(sha256(block.hex("Msg"))) == block.text("Sha256"));
    CHECK(to_hex(digest(HashId::sha384, block.hex("Msg"))) == block.text("Sha384"));
    CHECK(to_hex(digest(HashId::sha512, block.hex("Msg"))) == block.text("Sha512"));
  }
}

TEST_CASE("aes_256_gcm: known values, and any flipped bit is refused") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes-256-gcm.vec")) {
    const Bytes key = block.hex("Key");
    const Bytes nonce = block.hex("Nonce");
    const Bytes associated = block.hex("Aad");
    const Bytes plaintext = block.hex("Plaintext");
    Bytes sealed = aes_256_gcm_seal(key, nonce, associated, plaintext);
    CHECK(to_hex(sealed) == block.text("Sealed"));
    CHECK(equal(aes_256_gcm_open(key, nonce, associated, sealed).value().view(), plaintext));
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      sealed[bit / 8] = static_cast<std::uint8_t>(sealed[bit / 8] ^ 1U << bit % 8);
      const auto opened = aes_256_gcm_open(key, nonce, associated, sealed);
      REQUIRE_FALSE(opened);
      CHECK(opened.error().status == Status::crypto);
      sealed[bit / 8] = static_cast<std::uint8_t>(sealed[bit / 8] ^ 1U << bit % 8);
    }
    CHECK_FALSE(aes_256_gcm_open(key, nonce, as_bytes("other"), sealed));
    CHECK_FALSE(aes_256_gcm_open(key, nonce, associated, ByteView(sealed).first(kGcmTag - 1)));
    block.text("Source");
  }
}

TEST_CASE("aes_cbc and aes_ecb: SP 800-38A with every key length") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes key = block.hex("Key");
    const Bytes iv = block.hex("Iv");
    const Bytes plaintext = block.hex("Plaintext");
    const Bytes cbc = block.hex("Cbc");
    const Bytes padded = concat({cbc, block.hex("Last")});
    CHECK(aes_cbc_encrypt(key, iv, plaintext) == padded);
    CHECK(equal(aes_cbc_decrypt(key, iv, padded).value().view(), plaintext));
    CHECK_FALSE(aes_cbc_decrypt(key, iv, cbc));  // the plaintext is no padding
    CHECK(to_hex(aes_ecb_encrypt(key, plaintext).view()) == block.text("Ecb"));
    CHECK(equal(aes_ecb_decrypt(key, block.hex("Ecb")).view(), plaintext));
    CHECK(aes_ecb_encrypt(key, {}).empty());
    CHECK(aes_ecb_decrypt(key, {}).empty());
  }
}

TEST_CASE("aes_cbc: every length of plaintext comes back, one block of padding at most") {
  const Bytes key(24, 0x5A);
  const Bytes iv(16, 0xA5);
  for (std::size_t size = 0; size <= 48; ++size) {
    const Bytes plaintext(size, static_cast<std::uint8_t>(size));
    const Bytes ciphertext = aes_cbc_encrypt(key, iv, plaintext);
    CHECK(ciphertext.size() == (size / 16 + 1) * 16);
    CHECK(equal(aes_cbc_decrypt(key, iv, ciphertext).value().view(), plaintext));
  }
}

TEST_CASE("aes_256_cbc: the specification's encrypted PUK, and padding is strict") {
  const Bytes key = from_hex("3d5fcfb40921b11299e62bfc3cd6591cf61a04e64e4470fa89f5950b535fedfc").value();
  const Bytes iv = from_hex("000102030405060708090a0b0c0d0e0f").value();
  const Bytes ciphertext = from_hex("984fe806c1ba42bcc392eefd804f9a4f").value();
  CHECK(aes_256_cbc_encrypt(key, iv, as_bytes("17644")) == ciphertext);
  CHECK(equal(aes_256_cbc_decrypt(key, iv, ciphertext).value().view(), as_bytes("17644")));
  CHECK(aes_256_cbc_decrypt(key, iv, {}).value().empty());

  const auto status = [&](ByteView data, ByteView with_iv) {
    const auto result = aes_256_cbc_decrypt(key, with_iv, data);
    return result ? Status::internal : result.error().status;
  };
  CHECK(status(ByteView(ciphertext).first(15), iv) == Status::crypto);
  // Through the IV every byte of the last block can be set: pad bytes 0b 0b ... with one wrong, 00, and 11.
  for (const std::size_t position : {5U, 15U}) {
    Bytes other = iv;
    other[position] = static_cast<std::uint8_t>(other[position] ^ 0x01U);
    CHECK(status(ciphertext, other) == Status::crypto);
  }
  for (const std::uint8_t last : {std::uint8_t{0x00}, std::uint8_t{0x11}}) {
    Bytes other = iv;
    other[15] = static_cast<std::uint8_t>(other[15] ^ 0x0BU ^ last);
    CHECK(status(ciphertext, other) == Status::crypto);
  }
}

}  // namespace
}  // namespace sks::crypto
