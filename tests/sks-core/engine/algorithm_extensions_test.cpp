#include <doctest/doctest.h>
#include <openssl/rsa.h>

#include <map>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "tests/sks-core/engine/user_calls.h"
#include "tests/support/vectors.h"

// spec/sks-extensions.md, Algorithms: every rule, and which of two failures wins.
namespace sks::test {
namespace {

using MaybeStatus = std::optional<Status>;

const std::string kPss256 = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1";
const std::string kPss384 = "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1";
const std::string kPss512 = "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1";
const std::string kOaep = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const std::string kCbc = "urn:sks:ext:aes.cbc.nopad";
const std::string kCtr = "urn:sks:ext:aes.ctr";
const std::string kGcm = "urn:sks:ext:aes.gcm";
const std::string kKw = "urn:sks:ext:aes.kw";
const std::string kKwp = "urn:sks:ext:aes.kwp";
constexpr CipherMode kEncrypt = CipherMode::encrypt;
constexpr CipherMode kDecrypt = CipherMode::decrypt;
const Bytes kMessage(40, 0x4D);

Bytes salt_length(std::uint16_t length) { return ByteWriter().u16(length).take(); }
Bytes ctr_parameters(std::uint8_t bits, ByteView block) { return ByteWriter().u8(bits).raw(block).take(); }
Bytes gcm_parameters(ByteView iv, std::uint8_t tag, ByteView aad = {}) {
  return ByteWriter().array(iv).u8(tag).raw(aad).take();
}
Bytes oaep_parameters(std::uint8_t hash, std::uint8_t mgf, ByteView label = {}) {
  return ByteWriter().u8(hash).u8(mgf).raw(label).take();
}

Result<Bytes> run_cipher(SecureKeyStore& store, KeyHandle key, const std::string& uri, CipherMode mode,
                         const Bytes& data, const Bytes& parameters) {
  return user_method("symmetricKeyEncrypt").run(store, {key, uri, data, parameters, "", false, mode});
}

/// A symmetric key for every vector, made once for each value.
class VectorKeys {
 public:
  explicit VectorKeys(SecureKeyStore& store) : store_(store) {}
  KeyHandle operator[](const Bytes& value) {
    if (!keys_.contains(value)) keys_[value] = provision_symmetric_key(store_, value);
    return keys_[value];
  }
  /// That the cipher makes one of the other, and back.
  void check(const Bytes& key, const std::string& uri, const Bytes& parameters, const Bytes& plaintext,
             const Bytes& ciphertext) {
    CAPTURE(uri);
    CHECK(run_cipher(store_, (*this)[key], uri, kEncrypt, plaintext, parameters).value() == ciphertext);
    CHECK(run_cipher(store_, (*this)[key], uri, kDecrypt, ciphertext, parameters).value() == plaintext);
  }

 private:
  SecureKeyStore& store_;
  std::map<Bytes, KeyHandle> keys_;
};

/// Verifies with OpenSSL directly.
bool verifies_pss(const crypto::PublicKey& key, const EVP_MD* md, int salt, ByteView signature) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  return EVP_DigestVerifyInit(context.get(), &settings, md, nullptr, key.openssl()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, salt) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), kMessage.data(), kMessage.size()) == 1;
}

/// RSAES-OAEP with OpenSSL directly.
Bytes encrypt_oaep(const crypto::PublicKey& key, const char* md, const char* mgf, ByteView label) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  REQUIRE(EVP_PKEY_encrypt_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_padding_mode", "oaep") == 1);
  REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_oaep_md", md) == 1);
  REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_mgf1_md", mgf) == 1);
  if (!label.empty()) {
    void* const copy = OPENSSL_memdup(label.data(), label.size());
    REQUIRE(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), copy, static_cast<int>(label.size())) == 1);
  }
  Bytes out(key.rsa_modulus_bytes());
  std::size_t size = out.size();
  REQUIRE(EVP_PKEY_encrypt(context.get(), out.data(), &size, kMessage.data(), kMessage.size()) == 1);
  return out;
}

/// A row of a table of calls of symmetricKeyEncrypt with a key of 16 bytes.
struct CipherCase {
  std::string algorithm;
  CipherMode mode;
  std::size_t data;
  Bytes parameters;
  MaybeStatus expected;
};

void check_cases(const std::vector<CipherCase>& cases) {
  Device device;
  const KeyHandle key = provision_symmetric_key(*device.engine, Bytes(16, 0x42));
  for (const CipherCase& c : cases) {
    const bool encrypting = c.mode == kEncrypt;
    CAPTURE(c.algorithm);
    CAPTURE(encrypting);
    CAPTURE(c.data);
    CAPTURE(to_hex(c.parameters));
    CHECK(status_of(run_cipher(*device.engine, key, c.algorithm, c.mode, Bytes(c.data), c.parameters)) == c.expected);
  }
}

}  // namespace

TEST_CASE("RSASSA-PSS: signs without a salt as OpenSSL's command line does, a message and its hash alike") {
  Device device;
  const std::map<std::string, std::pair<std::string, HashId>> rows{{"sha256", {kPss256, HashId::sha256}},
                                                                   {"sha384", {kPss384, HashId::sha384}},
                                                                   {"sha512", {kPss512, HashId::sha512}}};
  for (const VectorBlock& block : read_vectors("crypto/rsa-pss.vec")) {
    const KeyHandle key = provision_known_key(device, block.hex("Pkcs8"));
    const auto& row = rows.at(block.text("Hash"));
    const Bytes message = block.hex("Msg");
    const auto sign = [&](const char* method, const Bytes& data) {
      return to_hex(user_method(method).run(*device.engine, {key, row.first, data, salt_length(0)}).value());
    };
    CHECK(sign("signData", message) == block.text("Signature"));
    CHECK(sign("signHashedData", crypto::digest(row.second, message)) == block.text("Signature"));
  }
}

TEST_CASE("RSASSA-PSS: the salt is as long as the hash, or as asked for, and no longer than the key has room for") {
  Device device;
  SecureKeyStore& store = *device.engine;
  struct Row {
    std::string uri;
    HashId hash;
    const EVP_MD* md;
  };
  for (const char* const name : {"rsa1024", "rsa2048"})
    for (const Row& row : {Row{kPss256, HashId::sha256, EVP_sha256()}, Row{kPss384, HashId::sha384, EVP_sha384()},
                           Row{kPss512, HashId::sha512, EVP_sha512()}}) {
      CAPTURE(name);
      CAPTURE(row.uri);
      const KeyHandle key = provision_key(store, name);
      const crypto::PublicKey public_key = public_key_of(store, key);
      const Bytes hash = crypto::digest(row.hash, kMessage);
      const auto check = [&](const Bytes& parameters, std::size_t salt, bool fits) {
        CAPTURE(salt);
        for (const bool hashed : {false, true}) {
          const Result<Bytes> signature = user_method(hashed ? "signHashedData" : "signData")
                                              .run(store, {key, row.uri, hashed ? hash : kMessage, parameters});
          CHECK(status_of(signature) == (fits ? MaybeStatus() : Status::option));
          if (signature) CHECK(verifies_pss(public_key, row.md, static_cast<int>(salt), *signature));
        }
      };
      const std::size_t most = public_key.rsa_modulus_bytes() - hash.size() - 2;
      check({}, hash.size(), hash.size() <= most);
      for (const std::size_t salt : {std::size_t{0}, std::size_t{20}, most})
        check(salt_length(static_cast<std::uint16_t>(salt)), salt, true);
      check(salt_length(static_cast<std::uint16_t>(most + 1)), most + 1, false);
      check(salt_length(0xFFFF), 0xFFFF, false);
    }
}

TEST_CASE("RSASSA-PSS: what is wrong is refused in the order of the other signatures") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_key(store, "rsa1024");
  for (const std::size_t size : {1U, 3U, 4U, 65535U}) {
    CAPTURE(size);
    CHECK(status_of_call(store, "signData", {key, kPss256, kMessage, Bytes(size)}) == Status::option);
    CHECK(status_of_call(store, "signHashedData", {key, kPss256, Bytes(32), Bytes(size)}) == Status::option);
  }
  for (const std::size_t size : {0U, 20U, 31U, 33U, 48U, 64U})
    CHECK(status_of_call(store, "signHashedData", {key, kPss256, Bytes(size)}) == Status::option);
  CHECK(status_of_call(store, "signHashedData", {key, kPss384, Bytes(48)}) == std::nullopt);
  CHECK(status_of_call(store, "signHashedData", {key, kPss384, Bytes(32)}) == Status::option);
  for (const char* const sort : {"ec.nist.p256", "ed25519"}) {
    const KeyHandle other = provision_key(store, sort);
    CHECK(status_of_call(store, "signData", {other, kPss256, kMessage, Bytes(3)}) == Status::algorithm);
  }
  const KeyHandle symmetric = provision_symmetric_key(store, Bytes(16, 1));
  CHECK(status_of_call(store, "signData", {symmetric, kPss256, kMessage}) == Status::algorithm);
  CHECK(status_of_call(store, "asymmetricKeyDecrypt", {key, kPss256, Bytes(128)}) == Status::algorithm);

  // PKCS#1 v1.5 and PSS of the same hash are two algorithms: one endorsed does not permit the other.
  const KeyHandle pss_only = provision_key(store, "rsa1024", {kPss256});
  CHECK(status_of_call(store, "signData", {pss_only, kPss256, kMessage}) == std::nullopt);
  CHECK(status_of_call(store, "signData", {pss_only, kPss384, kMessage, Bytes(1)}) == Status::algorithm);
  CHECK(status_of_call(store, "signData", {pss_only, kRsaSha256, kMessage}) == Status::algorithm);
  const KeyHandle pkcs1_only = provision_key(store, "rsa1024", {kRsaSha256});
  CHECK(status_of_call(store, "signData", {pkcs1_only, kPss256, kMessage}) == Status::algorithm);
}

TEST_CASE("RSAES-OAEP: opens what OpenSSL's command line encrypted, with every pair of hashes and with labels") {
  Device device;
  const std::map<std::string, std::uint8_t> numbers{{"sha1", 1}, {"sha256", 2}, {"sha384", 3}, {"sha512", 4}};
  KeyHandle key;
  for (const VectorBlock& block : read_vectors("crypto/rsa-oaep.vec")) {
    if (block.has("Pkcs8")) key = provision_known_key(device, block.hex("Pkcs8"));
    const std::string what = block.text("What");
    CAPTURE(what);
    const Bytes parameters =
        oaep_parameters(numbers.at(block.text("Hash")), numbers.at(block.text("Mgf")), block.hex("Label"));
    const Result<Bytes> plaintext =
        user_method("asymmetricKeyDecrypt").run(*device.engine, {key, kOaep, block.hex("Ciphertext"), parameters});
    CHECK(status_of(plaintext) == (block.has("Plaintext") ? MaybeStatus() : Status::crypto));
    if (plaintext) CHECK(to_hex(*plaintext) == block.text("Plaintext"));
  }
}

TEST_CASE("RSAES-OAEP: labels of any length, parameters before the cipher text, and only RSA keys") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_key(store, "rsa2048");
  const crypto::PublicKey public_key = public_key_of(store, key);
  const auto decrypt = [&](const Bytes& parameters, const Bytes& data) {
    return user_method("asymmetricKeyDecrypt").run(store, {key, kOaep, data, parameters});
  };
  const Bytes longest(65533, 0x4C);
  CHECK(decrypt(oaep_parameters(2, 1, longest), encrypt_oaep(public_key, "sha256", "sha1", longest)).value() ==
        kMessage);
  // What the older row decrypts, and the other way round.
  const Bytes plain = encrypt_oaep(public_key, "sha256", "sha256", {});
  CHECK(decrypt(oaep_parameters(2, 2), plain).value() == kMessage);
  CHECK(user_method("asymmetricKeyDecrypt").run(store, {key, kSks + "rsa.oaep.sha256", plain}).value() == kMessage);

  for (const Bytes& parameters :
       {Bytes{}, Bytes{2}, Bytes{0, 2}, Bytes{2, 0}, Bytes{5, 2}, Bytes{2, 5}, Bytes{2, 255}, Bytes{0, 0, 0x4C}}) {
    CAPTURE(to_hex(parameters));
    CHECK(status_of(decrypt(parameters, plain)) == Status::option);
    CHECK(status_of(decrypt(parameters, Bytes(3))) == Status::option);
  }
  for (const std::size_t size : {0U, 255U, 257U})
    CHECK(status_of(decrypt(oaep_parameters(2, 2), Bytes(size))) == Status::crypto);
  CHECK(status_of(decrypt(oaep_parameters(2, 2), Bytes(256, 0xFF))) == Status::crypto);
  // 1024 bits have no room for SHA-512.
  const KeyHandle small = provision_key(store, "rsa1024");
  CHECK(status_of_call(store, "asymmetricKeyDecrypt", {small, kOaep, Bytes(128, 1), oaep_parameters(4, 1)}) ==
        Status::crypto);

  const KeyHandle ec = provision_key(store, "ec.nist.p256");
  CHECK(status_of_call(store, "asymmetricKeyDecrypt", {ec, kOaep, Bytes(256)}) == Status::algorithm);
  const KeyHandle symmetric = provision_symmetric_key(store, Bytes(16, 1));
  CHECK(status_of_call(store, "asymmetricKeyDecrypt", {symmetric, kOaep, Bytes(256)}) == Status::algorithm);
  const KeyHandle other_only = provision_key(store, "rsa1024", {kSks + "rsa.oaep.sha256"});
  CHECK(status_of_call(store, "asymmetricKeyDecrypt", {other_only, kOaep, Bytes(128)}) == Status::algorithm);
}

TEST_CASE("AES extensions: the values of SP 800-38A, the GCM specification, RFC 3394 and RFC 5649") {
  Device device;
  VectorKeys keys(*device.engine);
  for (const VectorBlock& block : read_vectors("crypto/aes.vec")) {
    for (const char* const other : {"Source", "Ecb", "Last"}) block.text(other);
    keys.check(block.hex("Key"), kCbc, block.hex("Iv"), block.hex("Plaintext"), block.hex("Cbc"));
  }
  for (const VectorBlock& block : read_vectors("crypto/aes-ctr.vec")) {
    block.text("Source");
    // The counter of these examples ends with fd fe ff: with 17 bits it may still go up 256 times, with 8 never.
    for (const std::uint8_t bits : {std::uint8_t{17}, std::uint8_t{24}, std::uint8_t{64}, std::uint8_t{128}})
      keys.check(block.hex("Key"), kCtr, ctr_parameters(bits, block.hex("Counter")), block.hex("Plaintext"),
                 block.hex("Ciphertext"));
  }
  for (const VectorBlock& block : read_vectors("crypto/aes-gcm.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes sealed = block.hex("Sealed");
    for (const std::uint8_t tag : {std::uint8_t{4}, std::uint8_t{8}, std::uint8_t{12}, std::uint8_t{16}})
      keys.check(block.hex("Key"), kGcm, gcm_parameters(block.hex("Iv"), tag, block.hex("Aad")), block.hex("Plaintext"),
                 Bytes(sealed.begin(), sealed.end() - (16 - tag)));
  }
  for (const VectorBlock& block : read_vectors("crypto/aes-wrap.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    keys.check(block.hex("Key"), block.text("Mode") == "kw" ? kKw : kKwp, block.hex("Iv"), block.hex("Plaintext"),
               block.hex("Wrapped"));
  }
}

TEST_CASE("AES extensions: parameters of a wrong form are refused") {
  std::vector<CipherCase> cases;
  const auto refused = [&](const std::string& uri, const Bytes& parameters) {
    for (const CipherMode mode : {kEncrypt, kDecrypt}) cases.push_back({uri, mode, 32, parameters, Status::option});
  };
  for (const std::size_t size : {0U, 1U, 15U, 17U, 32U}) refused(kCbc, Bytes(size));
  for (const Bytes& parameters :
       {Bytes(), Bytes{128}, ctr_parameters(0, Bytes(16)), ctr_parameters(129, Bytes(16)),
        ctr_parameters(255, Bytes(16)), ctr_parameters(128, Bytes(15)), ctr_parameters(128, Bytes(17)), Bytes(16)})
    refused(kCtr, parameters);
  for (const int tag : {0, 1, 3, 5, 7, 9, 10, 11, 17, 32, 128, 255})
    refused(kGcm, gcm_parameters(Bytes(12), static_cast<std::uint8_t>(tag)));
  for (const std::size_t size : {0U, 129U, 256U}) refused(kGcm, gcm_parameters(Bytes(size), 16));
  for (const Bytes& parameters : {Bytes(), Bytes{0}, Bytes{0, 12}, Bytes(12), Bytes{0, 2, 1}, Bytes{0, 2, 1, 1}})
    refused(kGcm, parameters);
  for (const std::size_t size : {1U, 4U, 7U, 9U, 16U}) refused(kKw, Bytes(size));
  for (const std::size_t size : {1U, 3U, 5U, 8U, 16U}) refused(kKwp, Bytes(size));
  check_cases(cases);
}

TEST_CASE("AES extensions: data of a length that the mode has no use for is refused") {
  const Bytes iv(16);
  const Bytes gcm = gcm_parameters(Bytes(12), 13);
  const MaybeStatus fine;
  // Zeros are no sealed or wrapped data: of the right length they are refused for what they hold.
  check_cases({
      {kCbc, kEncrypt, 0, iv, fine},
      {kCbc, kEncrypt, 1, iv, Status::option},
      {kCbc, kEncrypt, 15, iv, Status::option},
      {kCbc, kEncrypt, 17, iv, Status::option},
      {kCbc, kEncrypt, 32, iv, fine},
      {kCbc, kDecrypt, 0, iv, fine},
      {kCbc, kDecrypt, 15, iv, Status::option},
      {kCbc, kDecrypt, 16, iv, fine},
      {kGcm, kEncrypt, 0, gcm, fine},
      {kGcm, kEncrypt, 17, gcm, fine},
      {kGcm, kDecrypt, 0, gcm, Status::option},
      {kGcm, kDecrypt, 12, gcm, Status::option},
      {kGcm, kDecrypt, 13, gcm, Status::crypto},
      {kGcm, kDecrypt, 40, gcm, Status::crypto},
      {kGcm, kEncrypt, 1, gcm_parameters(Bytes(1), 4), fine},
      {kGcm, kEncrypt, 1, gcm_parameters(Bytes(128), 4), fine},
      {kKw, kEncrypt, 0, {}, Status::option},
      {kKw, kEncrypt, 8, {}, Status::option},
      {kKw, kEncrypt, 15, {}, Status::option},
      {kKw, kEncrypt, 16, {}, fine},
      {kKw, kEncrypt, 17, {}, Status::option},
      {kKw, kEncrypt, 24, Bytes(8), fine},
      {kKw, kDecrypt, 0, {}, Status::option},
      {kKw, kDecrypt, 16, {}, Status::option},
      {kKw, kDecrypt, 23, {}, Status::option},
      {kKw, kDecrypt, 24, {}, Status::crypto},
      {kKw, kDecrypt, 25, Bytes(8), Status::option},
      {kKwp, kEncrypt, 0, {}, Status::option},
      {kKwp, kEncrypt, 1, {}, fine},
      {kKwp, kEncrypt, 8, {}, fine},
      {kKwp, kEncrypt, 9, Bytes(4), fine},
      {kKwp, kDecrypt, 0, {}, Status::option},
      {kKwp, kDecrypt, 8, {}, Status::option},
      {kKwp, kDecrypt, 15, {}, Status::option},
      {kKwp, kDecrypt, 16, {}, Status::crypto},
      {kKwp, kDecrypt, 17, {}, Status::option},
      {kKwp, kDecrypt, 24, Bytes(4), Status::crypto},
  });
}

TEST_CASE("aes.ctr: data for which the counter would wrap is refused") {
  const Bytes ones(16, 0xFF);
  Bytes odd(16, 0xFF);
  odd[14] = 0xFE;
  odd[15] = 0xFD;  // 8 bits: 3 blocks to the end; 9 bits and more: 259
  Bytes high(16);
  high[7] = 0xFE;  // 72 bits from there: many blocks
  const MaybeStatus fine;
  std::vector<CipherCase> cases;
  for (const CipherMode mode : {kEncrypt, kDecrypt})
    for (const CipherCase& c : std::vector<CipherCase>{
             {kCtr, mode, 0, ctr_parameters(1, ones), fine},
             {kCtr, mode, 16, ctr_parameters(1, ones), fine},
             {kCtr, mode, 17, ctr_parameters(1, ones), Status::option},
             {kCtr, mode, 16, ctr_parameters(128, ones), fine},
             {kCtr, mode, 17, ctr_parameters(128, ones), Status::option},
             {kCtr, mode, 32, ctr_parameters(1, Bytes(16)), fine},
             {kCtr, mode, 33, ctr_parameters(1, Bytes(16)), Status::option},
             {kCtr, mode, 16 * 256, ctr_parameters(8, Bytes(16)), fine},
             {kCtr, mode, 16 * 256 + 1, ctr_parameters(8, Bytes(16)), Status::option},
             {kCtr, mode, 16 * 3, ctr_parameters(8, odd), fine},
             {kCtr, mode, 16 * 3 + 1, ctr_parameters(8, odd), Status::option},
             {kCtr, mode, 16 * 259, ctr_parameters(9, odd), fine},
             {kCtr, mode, 16 * 259 + 1, ctr_parameters(9, odd), Status::option},
             {kCtr, mode, 16 * 259, ctr_parameters(64, odd), fine},
             {kCtr, mode, 16 * 259 + 1, ctr_parameters(64, odd), Status::option},
             {kCtr, mode, 16 * 259 + 1, ctr_parameters(128, odd), Status::option},
             {kCtr, mode, 16384, ctr_parameters(10, Bytes(16)), fine},
             {kCtr, mode, 16384, ctr_parameters(9, Bytes(16)), Status::option},
             {kCtr, mode, 16384, ctr_parameters(72, high), fine},
             {kCtr, mode, 16384, ctr_parameters(128, Bytes(16)), fine},
         })
      cases.push_back(c);
  check_cases(cases);
}

TEST_CASE("AES extensions: altered data, tags and check values give nothing") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_symmetric_key(store, Bytes(32, 0x42));
  const KeyHandle other = provision_symmetric_key(store, Bytes(32, 0x43));
  struct Sealing {
    std::string uri;
    Bytes parameters;
    Bytes others;  ///< other parameters of the form
  };
  for (const Sealing& sealing : {Sealing{kGcm, gcm_parameters(Bytes(12), 16, kMessage), gcm_parameters(Bytes(12), 16)},
                                 Sealing{kGcm, gcm_parameters(Bytes(60, 1), 12), gcm_parameters(Bytes(60, 2), 12)},
                                 Sealing{kKw, {}, Bytes(8)}, Sealing{kKwp, {}, Bytes(4)}}) {
    CAPTURE(sealing.uri);
    Bytes sealed = run_cipher(store, key, sealing.uri, kEncrypt, kMessage, sealing.parameters).value();
    const auto open = [&](KeyHandle with, const Bytes& parameters) {
      return status_of(run_cipher(store, with, sealing.uri, kDecrypt, sealed, parameters));
    };
    CHECK(open(key, sealing.parameters) == std::nullopt);
    CHECK(open(key, sealing.others) == Status::crypto);
    CHECK(open(other, sealing.parameters) == Status::crypto);
    for (std::uint8_t& byte : sealed) {
      byte = static_cast<std::uint8_t>(byte ^ 0x10U);
      CHECK(open(key, sealing.parameters) == Status::crypto);
      byte = static_cast<std::uint8_t>(byte ^ 0x10U);
    }
  }
}

TEST_CASE("AES extensions: cryptoDataSize, key lengths, other keys and endorsed algorithms as for the other ciphers") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const std::size_t limit = store.get_device_info()->crypto_data_size;
  const std::map<std::string, Bytes> parameters{{kCbc, Bytes(16)},
                                                {kCtr, ctr_parameters(128, Bytes(16))},
                                                {kGcm, gcm_parameters(Bytes(12), 16)},
                                                {kKw, {}},
                                                {kKwp, {}}};
  const KeyHandle key = provision_symmetric_key(store, Bytes(16, 0x42));
  const KeyHandle rsa = provision_key(store, "rsa1024");
  const KeyHandle ecb_only = provision_symmetric_key(store, Bytes(16, 0x42), {kSks + "aes.ecb.nopad"});
  for (const auto& row : parameters) {
    CAPTURE(row.first);
    const auto status = [&](KeyHandle with, std::size_t size) {
      return status_of(run_cipher(store, with, row.first, kEncrypt, Bytes(size), row.second));
    };
    CHECK(status(key, limit) == std::nullopt);
    CHECK(status(key, limit + 1) == Status::option);
    CHECK(status(rsa, 16) == Status::algorithm);
    CHECK(status(ecb_only, 16) == Status::algorithm);
    const KeyHandle endorsed = provision_symmetric_key(store, Bytes(24, 0x42), {row.first});
    CHECK(status(endorsed, 16) == std::nullopt);
    CHECK(status_of(run_cipher(store, endorsed, kSks + "aes.ecb.nopad", kEncrypt, Bytes(16), {})) == Status::algorithm);
    for (const std::size_t size : {1U, 15U, 20U, 64U}) {
      const KeyHandle odd = provision_symmetric_key(store, Bytes(size, 0x42));
      CHECK(status(odd, 16) == Status::option);
    }
    for (const char* const method : {"signData", "performHmac", "asymmetricKeyDecrypt"})
      CHECK(status_of_call(store, method, {key, row.first, Bytes(16), row.second}) == Status::algorithm);
  }
}

}  // namespace sks::test
