#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "tests/support/vectors.h"

// The modes of AES in spec/sks-extensions.md.
namespace sks::crypto {
namespace {

std::optional<Status> status_of(const Result<SecureBytes>& result) {
  if (result) return std::nullopt;
  return result.error().status;
}

Bytes with_bit_flipped(const Bytes& data, std::size_t bit) {
  Bytes other = data;
  other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ 1U << bit % 8);
  return other;
}

TEST_CASE("aes_cbc_blocks: SP 800-38A, and nothing for nothing") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes.vec")) {
    for (const char* const other : {"Source", "Ecb", "Last"}) block.text(other);
    const Bytes key = block.hex("Key");
    const Bytes iv = block.hex("Iv");
    CHECK(to_hex(aes_cbc_blocks_encrypt(key, iv, block.hex("Plaintext")).view()) == block.text("Cbc"));
    CHECK(to_hex(aes_cbc_blocks_decrypt(key, iv, block.hex("Cbc")).view()) == block.text("Plaintext"));
    CHECK(aes_cbc_blocks_encrypt(key, iv, {}).empty());
    CHECK(aes_cbc_blocks_decrypt(key, iv, {}).empty());
  }
}

TEST_CASE("aes_ctr: SP 800-38A, and the beginning of it for shorter data") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes-ctr.vec")) {
    block.text("Source");
    const Bytes key = block.hex("Key");
    const Bytes counter = block.hex("Counter");
    const Bytes plaintext = block.hex("Plaintext");
    const Bytes ciphertext = block.hex("Ciphertext");
    for (std::size_t size = 0; size <= plaintext.size(); ++size) {
      CHECK(equal(aes_ctr(key, counter, ByteView(plaintext).first(size)).view(), ByteView(ciphertext).first(size)));
      CHECK(equal(aes_ctr(key, counter, ByteView(ciphertext).first(size)).view(), ByteView(plaintext).first(size)));
    }
  }
}

TEST_CASE("aes_gcm: the test cases of its specification, with tags of every length, and any flipped bit is refused") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes-gcm.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes key = block.hex("Key");
    const Bytes iv = block.hex("Iv");
    const Bytes associated = block.hex("Aad");
    const Bytes plaintext = block.hex("Plaintext");
    const Bytes whole = block.hex("Sealed");
    for (const std::size_t tag : {4U, 8U, 12U, 13U, 14U, 15U, 16U}) {
      CAPTURE(tag);
      const Bytes sealed(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(plaintext.size() + tag));
      CHECK(aes_gcm_seal(key, iv, associated, plaintext, tag) == sealed);
      CHECK(equal(aes_gcm_open(key, iv, associated, sealed, tag).value().view(), plaintext));
      const auto status = [&](ByteView data, ByteView aad) { return status_of(aes_gcm_open(key, iv, aad, data, tag)); };
      for (std::size_t bit = 0; bit < sealed.size() * 8; bit += 3)
        CHECK(status(with_bit_flipped(sealed, bit), associated) == Status::crypto);
      CHECK(status(sealed, concat({associated, Bytes(1)})) == Status::crypto);
      CHECK(status(ByteView(sealed).first(tag - 1), associated) == Status::crypto);
      CHECK(status_of(aes_gcm_open(key, with_bit_flipped(iv, 0), associated, sealed, tag)) == Status::crypto);
    }
  }
}

TEST_CASE("aes_wrap and aes_wrap_padded: the values of RFC 3394, RFC 5649 and of the OpenSSL command line") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/aes-wrap.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const bool padded = block.text("Mode") == "kwp";
    const Bytes key = block.hex("Key");
    const Bytes iv = block.hex("Iv");
    const Bytes plaintext = block.hex("Plaintext");
    const Bytes wrapped = block.hex("Wrapped");
    const auto unwrap = [&](ByteView with_iv, ByteView data) {
      return padded ? aes_unwrap_padded(key, with_iv, data) : aes_unwrap(key, with_iv, data);
    };
    CHECK(equal((padded ? aes_wrap_padded(key, iv, plaintext) : aes_wrap(key, iv, plaintext)).view(), wrapped));
    CHECK(equal(unwrap(iv, wrapped).value().view(), plaintext));
    for (std::size_t bit = 0; bit < wrapped.size() * 8; ++bit)
      CHECK(status_of(unwrap(iv, with_bit_flipped(wrapped, bit))) == Status::crypto);
    for (std::size_t size = 0; size < wrapped.size(); ++size)
      CHECK(status_of(unwrap(iv, ByteView(wrapped).first(size))) == Status::crypto);
    CHECK(status_of(unwrap(Bytes(padded ? 4 : 8, 0x11), wrapped)) == Status::crypto);
    CHECK(status_of(padded ? aes_unwrap(key, {}, wrapped) : aes_unwrap_padded(key, {}, wrapped)) == Status::crypto);
  }
}

TEST_CASE("aes_unwrap_padded: padding that is not zero, and lengths that do not fit it, are refused") {
  const Bytes key(32, 0x42);
  const Bytes head = from_hex("a65959a6").value();
  // RFC 3394 with a chosen initialisation vector makes what RFC 5649 would have made of these.
  const auto unwrap = [&](std::uint8_t length, const std::string& padded) {
    const Bytes iv = concat({head, Bytes{0, 0, 0, length}});
    const SecureBytes wrapped = aes_wrap(key, iv, from_hex(padded).value());
    return aes_unwrap_padded(key, {}, wrapped.view());
  };
  const std::string text = "0102030405060708090a0b";
  CHECK(unwrap(11, text + "0000000000")->size() == 11);
  CHECK(status_of(unwrap(11, text + "0000000001")) == Status::crypto);
  CHECK(status_of(unwrap(11, text + "0100000000")) == Status::crypto);
  CHECK(status_of(unwrap(8, text + "0000000000")) == Status::crypto);
  CHECK(status_of(unwrap(17, text + "0000000000")) == Status::crypto);
  CHECK(status_of(unwrap(0, text + "0000000000")) == Status::crypto);
}

}  // namespace
}  // namespace sks::crypto
