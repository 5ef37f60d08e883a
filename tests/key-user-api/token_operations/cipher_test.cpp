#include <doctest/doctest.h>

#include <algorithm>

#include "key-user-api/token/operations/mechanisms.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/token_operations/harness.h"
#include "tests/support/vectors.h"

/// AES. Results are those of NIST and the RFCs, or of OpenSSL called by the test.
namespace sks::token::test {
namespace {

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";
const std::string kExt = "urn:sks:ext:";

std::vector<CK_OBJECT_HANDLE> both_kinds(Bench& bench, ByteView value) {
  return {bench.stored_secret(value), bench.session_secret(value)};
}

/// Both directions, whole and in parts of every small size.
void check_both_ways(Bench& bench, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism, ByteView parameter,
                     ByteView plaintext, ByteView ciphertext) {
  CHECK(equal(blob_of(bench.operate(kEncrypt, key, mechanism, parameter, plaintext)), ciphertext));
  CHECK(equal(blob_of(bench.operate(kDecrypt, key, mechanism, parameter, ciphertext)), plaintext));
  for (const std::size_t part : {1U, 3U, 15U, 16U, 17U, 32U, 33U}) {
    CAPTURE(part);
    CHECK(equal(blob_of(bench.in_parts(kEncrypt, key, mechanism, parameter, plaintext, part)), ciphertext));
    CHECK(equal(blob_of(bench.in_parts(kDecrypt, key, mechanism, parameter, ciphertext, part)), plaintext));
  }
}

Bytes encrypt_with_openssl(const EVP_CIPHER* cipher, ByteView key, ByteView iv, ByteView data, bool padding) {
  const ossl::CipherCtx context(EVP_CIPHER_CTX_new());
  REQUIRE(EVP_EncryptInit_ex2(context.get(), cipher, key.data(), iv.empty() ? nullptr : iv.data(), nullptr) == 1);
  EVP_CIPHER_CTX_set_padding(context.get(), padding ? 1 : 0);
  Bytes out(data.size() + 16);
  int written = 0, last = 0;
  REQUIRE(EVP_EncryptUpdate(context.get(), out.data(), &written, data.data(), static_cast<int>(data.size())) == 1);
  REQUIRE(EVP_EncryptFinal_ex(context.get(), out.data() + written, &last) == 1);
  out.resize(static_cast<std::size_t>(written + last));
  return out;
}

}  // namespace

TEST_CASE("AES: ECB and CBC of SP 800-38A, with stored keys and session keys, whole and in parts") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/aes.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes plaintext = block.hex("Plaintext"), iv = block.hex("Iv");
    const Bytes padded = concat({block.hex("Cbc"), block.hex("Last")});
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, block.hex("Key"))) {
      check_both_ways(bench, key, CKM_AES_ECB, {}, plaintext, block.hex("Ecb"));
      check_both_ways(bench, key, CKM_AES_CBC, iv, plaintext, block.hex("Cbc"));
      check_both_ways(bench, key, CKM_AES_CBC_PAD, iv, plaintext, padded);
    }
    ++checked;
  }
  CHECK(checked == 3);
}

TEST_CASE("AES: padding of every length is that of OpenSSL") {
  Bench bench;
  const Bytes value = some_bytes(32), iv = some_bytes(16);
  for (const CK_OBJECT_HANDLE key : both_kinds(bench, value))
    for (std::size_t size = 0; size <= 33; ++size) {
      CAPTURE(size);
      const Bytes plaintext = some_bytes(size);
      check_both_ways(bench, key, CKM_AES_CBC_PAD, iv, plaintext,
                      encrypt_with_openssl(EVP_aes_256_cbc(), value, iv, plaintext, true));
    }
}

TEST_CASE("AES: CTR of SP 800-38A, and of any length") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/aes-ctr.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, block.hex("Key"))) {
      const Bytes plaintext = block.hex("Plaintext"), ciphertext = block.hex("Ciphertext");
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{17}, plaintext.size()})
        check_both_ways(bench, key, CKM_AES_CTR, counter(128, block.hex("Counter")), ByteView(plaintext).first(size),
                        ByteView(ciphertext).first(size));
    }
    ++checked;
  }
  CHECK(checked >= 3);
}

TEST_CASE("AES: a counter that would come around is refused, in one part and in many") {
  Bench bench;
  const Bytes value = some_bytes(16);
  Bytes block = some_bytes(16);
  block[14] = 0x10;
  block[15] = 0xFE;
  for (const CK_OBJECT_HANDLE key : both_kinds(bench, value)) {
    // Two more blocks fit into 8 bits.
    const Bytes fits = some_bytes(32), too_long = some_bytes(33);
    const Bytes expected = encrypt_with_openssl(EVP_aes_128_ctr(), value, block, fits, true);
    check_both_ways(bench, key, CKM_AES_CTR, counter(8, block), fits, expected);
    CHECK(bench.operate(kEncrypt, key, CKM_AES_CTR, counter(8, block), too_long).code == CKR_DATA_LEN_RANGE);
    CHECK(bench.operate(kDecrypt, key, CKM_AES_CTR, counter(8, block), too_long).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
    for (const std::size_t part : {1U, 16U, 32U})
      CHECK(bench.in_parts(kEncrypt, key, CKM_AES_CTR, counter(8, block), too_long, part).code == CKR_DATA_LEN_RANGE);
    CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_CTR, counter(9, block), too_long)).size() == 33);
    // Bits in front of the counter stay as they are, and carries go through bytes that are partly counter.
    Bytes high = some_bytes(16);
    std::fill(high.begin() + 13, high.end(), std::uint8_t{0xFF});
    high[12] = 0xA7;
    const Bytes data = some_bytes(64);
    CHECK(bench.operate(kEncrypt, key, CKM_AES_CTR, counter(27, high), data).code == CKR_DATA_LEN_RANGE);
    check_both_ways(bench, key, CKM_AES_CTR, counter(28, high), data,
                    encrypt_with_openssl(EVP_aes_128_ctr(), value, high, data, true));
  }
}

TEST_CASE("AES: GCM of the GCM specification; what was altered is not given out, not even in part") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/aes-gcm.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes parameter = gcm(block.hex("Iv"), block.hex("Aad"), 128);
    const Bytes sealed = block.hex("Sealed"), plaintext = block.hex("Plaintext");
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, block.hex("Key"))) {
      check_both_ways(bench, key, CKM_AES_GCM, parameter, plaintext, sealed);
      for (std::size_t i = 0; i < sealed.size(); ++i) {
        Bytes altered = sealed;
        altered[i] ^= 0x80;
        CHECK(bench.operate(kDecrypt, key, CKM_AES_GCM, parameter, altered).code == CKR_ENCRYPTED_DATA_INVALID);
      }
      const std::uint32_t operation = u32_of(bench.begin(kDecrypt, key, CKM_AES_GCM, parameter));
      CHECK(blob_of(bench.update(operation, sealed)).empty());
      CHECK(bench.finish(operation, Bytes{0}).code == CKR_ENCRYPTED_DATA_INVALID);
      CHECK(bench.operate(kDecrypt, key, CKM_AES_GCM, parameter, Bytes(15)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
      for (const std::uint64_t bits : {32U, 64U, 96U, 104U, 112U, 120U}) {
        const Bytes shorter = gcm(block.hex("Iv"), block.hex("Aad"), bits);
        const Bytes cut = to_bytes(ByteView(sealed).first(plaintext.size() + bits / 8));
        CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_GCM, shorter, plaintext)) == cut);
        CHECK(blob_of(bench.operate(kDecrypt, key, CKM_AES_GCM, shorter, cut)) == plaintext);
      }
    }
    ++checked;
  }
  CHECK(checked == 18);
}

TEST_CASE("AES: the key store takes less additional data than the service, and says what was too long") {
  Bench bench;
  const auto keys = both_kinds(bench, some_bytes(16));
  for (const CK_OBJECT_HANDLE key : keys) {
    const bool is_stored = bench.key(key).stored.has_value();
    CAPTURE(is_stored);
    const Bytes most = gcm(Bytes(12), some_bytes(65'520), 128), more = gcm(Bytes(12), some_bytes(65'521), 128);
    const Bytes sealed = blob_of(bench.operate(kEncrypt, key, CKM_AES_GCM, most, Bytes(5)));
    CHECK(blob_of(bench.operate(kDecrypt, key, CKM_AES_GCM, most, sealed)) == Bytes(5));
    const CK_RV expected = is_stored ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
    CHECK(bench.operate(kEncrypt, key, CKM_AES_GCM, more, Bytes(5)).code == expected);
  }
}

TEST_CASE("AES: key wrapping of RFC 3394 and RFC 5649 as encryption") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/aes-wrap.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const bool padded = block.text("Mode") == "kwp";
    const std::vector<CK_MECHANISM_TYPE> mechanisms =
        padded ? std::vector<CK_MECHANISM_TYPE>{CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP}
               : std::vector<CK_MECHANISM_TYPE>{CKM_AES_KEY_WRAP};
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, block.hex("Key")))
      for (const CK_MECHANISM_TYPE mechanism : mechanisms) {
        const Bytes wrapped = block.hex("Wrapped"), iv = block.hex("Iv");
        check_both_ways(bench, key, mechanism, iv, block.hex("Plaintext"), wrapped);
        Bytes altered = wrapped;
        altered.back() ^= 1;
        CHECK(bench.operate(kDecrypt, key, mechanism, iv, altered).code == CKR_ENCRYPTED_DATA_INVALID);
        CHECK(bench.operate(kDecrypt, key, mechanism, iv, Bytes(9)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
      }
    ++checked;
  }
  CHECK(checked == 17);
}

TEST_CASE("AES: more data than the key store takes at once goes to it in pieces where the mode allows that") {
  Bench bench;
  const Bytes value = some_bytes(16), iv = some_bytes(16);
  const CK_OBJECT_HANDLE stored = bench.stored_secret(value), session = bench.session_secret(value);
  for (const std::size_t size : {16'384U, 16'400U, 32'768U, 100'000U, 1'000'000U}) {
    CAPTURE(size);
    const Bytes data = some_bytes(size);
    for (const CK_OBJECT_HANDLE key : {stored, session}) {
      const Bytes ecb = encrypt_with_openssl(EVP_aes_128_ecb(), value, {}, data, false);
      const Bytes cbc = encrypt_with_openssl(EVP_aes_128_cbc(), value, iv, data, false);
      const Bytes padded = encrypt_with_openssl(EVP_aes_128_cbc(), value, iv, data, true);
      const Bytes ctr = encrypt_with_openssl(EVP_aes_128_ctr(), value, iv, data, true);
      CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_ECB, {}, data)) == ecb);
      CHECK(blob_of(bench.operate(kDecrypt, key, CKM_AES_ECB, {}, ecb)) == data);
      CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_CBC, iv, data)) == cbc);
      CHECK(blob_of(bench.operate(kDecrypt, key, CKM_AES_CBC, iv, cbc)) == data);
      CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_CBC_PAD, iv, data)) == padded);
      if (padded.size() <= 1'000'000) CHECK(blob_of(bench.operate(kDecrypt, key, CKM_AES_CBC_PAD, iv, padded)) == data);
      CHECK(blob_of(bench.in_parts(kDecrypt, key, CKM_AES_CBC_PAD, iv, padded, 70'001)) == data);
      CHECK(blob_of(bench.operate(kEncrypt, key, CKM_AES_CTR, counter(128, iv), data)) == ctr);
      CHECK(blob_of(bench.in_parts(kEncrypt, key, CKM_AES_CTR, counter(128, iv), data, 50'001)) == ctr);
    }
  }
  // GCM has to see everything at once.
  const Bytes longer = some_bytes(16'385);
  CHECK(bench.operate(kEncrypt, stored, CKM_AES_GCM, gcm(Bytes(12), {}, 128), longer).code == CKR_DATA_LEN_RANGE);
  CHECK(blob_of(bench.operate(kEncrypt, session, CKM_AES_GCM, gcm(Bytes(12), {}, 128), longer)).size() == 16'401);
}

TEST_CASE("AES: data that flows has no end, and its parts need not be whole blocks") {
  Bench bench;
  const CK_OBJECT_HANDLE key = bench.session_secret(some_bytes(16));
  const Bytes data = some_bytes(2'000'015);
  for (const CK_MECHANISM_TYPE mechanism : {CKM_AES_CBC_PAD, CKM_AES_CTR}) {
    CAPTURE(mechanism);
    const Bytes parameter = mechanism == CKM_AES_CTR ? counter(128, Bytes(16)) : Bytes(16);
    const auto run = [&](std::uint8_t kind, ByteView all) {
      const std::uint32_t operation = u32_of(bench.begin(kind, key, mechanism, parameter));
      Bytes out = blob_of(bench.update(operation, all.first(15)));
      const Bytes middle = blob_of(bench.update(operation, all.subspan(15, 1'000'000)));
      const Bytes end = blob_of(bench.finish(operation, all.subspan(1'000'015)));
      return concat({out, middle, end});
    };
    const Bytes encrypted = run(kEncrypt, data);
    if (mechanism == CKM_AES_CTR) {
      CHECK(run(kDecrypt, encrypted) == data);
    } else {
      CHECK(encrypted == encrypt_with_openssl(EVP_aes_128_cbc(), some_bytes(16), Bytes(16), data, true));
    }
  }
}

TEST_CASE("AES: lengths that do not fit are refused") {
  Bench bench;
  for (const CK_OBJECT_HANDLE key : both_kinds(bench, some_bytes(16))) {
    const Bytes iv(16);
    for (const std::size_t size : {1U, 15U, 17U}) {
      CHECK(bench.operate(kEncrypt, key, CKM_AES_ECB, {}, Bytes(size)).code == CKR_DATA_LEN_RANGE);
      CHECK(bench.operate(kDecrypt, key, CKM_AES_ECB, {}, Bytes(size)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
      CHECK(bench.operate(kEncrypt, key, CKM_AES_CBC, iv, Bytes(size)).code == CKR_DATA_LEN_RANGE);
      CHECK(bench.operate(kDecrypt, key, CKM_AES_CBC, iv, Bytes(size)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
      CHECK(bench.operate(kDecrypt, key, CKM_AES_CBC_PAD, iv, Bytes(size)).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
      CHECK(bench.in_parts(kEncrypt, key, CKM_AES_CBC, iv, Bytes(size), 1).code == CKR_DATA_LEN_RANGE);
    }
    CHECK(bench.operate(kDecrypt, key, CKM_AES_CBC_PAD, iv, {}).code == CKR_ENCRYPTED_DATA_LEN_RANGE);
    CHECK(bench.operate(kDecrypt, key, CKM_AES_CBC_PAD, iv, Bytes(32)).code == CKR_ENCRYPTED_DATA_INVALID);
    for (const std::size_t size : {0U, 8U, 17U, 20U})
      CHECK(bench.operate(kEncrypt, key, CKM_AES_KEY_WRAP, {}, Bytes(size)).code == CKR_DATA_LEN_RANGE);
    CHECK(bench.operate(kEncrypt, key, CKM_AES_KEY_WRAP_KWP, {}, {}).code == CKR_DATA_LEN_RANGE);
    for (const CK_MECHANISM_TYPE mechanism : {CKM_AES_ECB, CKM_AES_CTR})
      CHECK(bench
                .operate(kEncrypt, key, mechanism, mechanism == CKM_AES_CTR ? counter(128, iv) : Bytes(),
                         Bytes(1'000'001))
                .code == CKR_DATA_LEN_RANGE);
  }
  CHECK(bench.operate(kEncrypt, bench.session_secret(Bytes(20)), CKM_AES_ECB, {}, Bytes(16)).code ==
        CKR_KEY_TYPE_INCONSISTENT);
}

TEST_CASE("AES: a key that is endorsed for one mode is for that mode, and padded CBC then has one part") {
  Bench bench;
  const Bytes iv(16), data = some_bytes(100);
  const CK_OBJECT_HANDLE padded = bench.stored_secret(some_bytes(16), CKK_AES, {kSksAlg + "aes.cbc"});
  const Bytes whole = blob_of(bench.operate(kEncrypt, padded, CKM_AES_CBC_PAD, iv, data));
  CHECK(blob_of(bench.in_parts(kEncrypt, padded, CKM_AES_CBC_PAD, iv, data, 16)) == whole);
  CHECK(blob_of(bench.in_parts(kDecrypt, padded, CKM_AES_CBC_PAD, iv, whole, 16)) == data);
  CHECK(bench.operate(kEncrypt, padded, CKM_AES_CBC_PAD, iv, Bytes(16'385)).code == CKR_DATA_LEN_RANGE);
  for (const CK_MECHANISM_TYPE other : {CKM_AES_ECB, CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP})
    CHECK(bench.operate(kEncrypt, padded, other, {}, Bytes(16)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kEncrypt, padded, CKM_AES_CBC, iv, Bytes(16)).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  const CK_OBJECT_HANDLE sealing = bench.stored_secret(some_bytes(32), CKK_AES, {kExt + "aes.gcm"});
  CHECK(bench.operate(kEncrypt, sealing, CKM_AES_GCM, gcm(Bytes(12), {}, 128), data).code == CKR_OK);
  CHECK(bench.operate(kSign, sealing, CKM_SHA256_HMAC, {}, data).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
}

}  // namespace sks::token::test
