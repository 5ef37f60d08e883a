#include <doctest/doctest.h>
#include <openssl/rsa.h>

#include "sks-core/base/encoding.h"
#include "tests/key-user-api/token_operations/harness.h"
#include "tests/support/vectors.h"

namespace sks::token::test {
namespace {

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";
const std::string kXmlEnc11 = "http://www.w3.org/2009/xmlenc11#";

struct HashNumbers {
  CK_MECHANISM_TYPE hash;
  CK_ULONG mgf;
};
const std::map<std::string, HashNumbers> kHashes{{"sha1", {CKM_SHA_1, CKG_MGF1_SHA1}},
                                                 {"sha256", {CKM_SHA256, CKG_MGF1_SHA256}},
                                                 {"sha384", {CKM_SHA384, CKG_MGF1_SHA384}},
                                                 {"sha512", {CKM_SHA512, CKG_MGF1_SHA512}}};

bool fails_as_one(CK_RV code) { return code == CKR_ENCRYPTED_DATA_INVALID; }

/// Decrypts what the service encrypted, with OpenSSL called here.
Bytes decrypt_with_openssl(const crypto::PrivateKey& key, bool oaep, const char* hash, const char* mgf, ByteView label,
                           ByteView data) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  REQUIRE(EVP_PKEY_decrypt_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_padding(context.get(), oaep ? RSA_PKCS1_OAEP_PADDING : RSA_PKCS1_PADDING) == 1);
  if (oaep) {
    REQUIRE(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_get_digestbyname(hash)) == 1);
    REQUIRE(EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_get_digestbyname(mgf)) == 1);
    void* const copy = OPENSSL_memdup(label.data(), label.size());
    if (!label.empty())
      REQUIRE(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), copy, static_cast<int>(label.size())) == 1);
  }
  Bytes out(256);
  std::size_t size = out.size();
  REQUIRE(EVP_PKEY_decrypt(context.get(), out.data(), &size, data.data(), data.size()) == 1);
  out.resize(size);
  return out;
}

}  // namespace

TEST_CASE("RSA: decryption of every sort, with stored keys and session keys; failures are one") {
  Bench bench;
  std::vector<CK_OBJECT_HANDLE> keys;
  int good = 0, bad = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/rsa-decryption.vec")) {
    if (block.has("Pkcs8")) {
      const Bytes pkcs8 = block.hex("Pkcs8");
      keys = {bench.session_private(pkcs8)};
      // The key store makes keys of fixed sizes only.
      const std::size_t size = bench.public_value(keys[0]).rsa_modulus_bytes();
      if (size == 128 || size == 256) keys.push_back(bench.stored_known(pkcs8));
    }
    const std::string what = block.text("What"), hash = block.text("Hash");
    CAPTURE(what);
    CAPTURE(hash);
    const bool pkcs1 = !kHashes.contains(hash);
    const Bytes parameter = pkcs1 ? Bytes() : oaep(kHashes.at(hash).hash, kHashes.at(hash).mgf);
    const CK_MECHANISM_TYPE mechanism = pkcs1 ? CKM_RSA_PKCS : CKM_RSA_PKCS_OAEP;
    const Bytes ciphertext = block.hex("Ciphertext");
    for (const CK_OBJECT_HANDLE key : keys) {
      const Answer answer = bench.operate(kDecrypt, key, mechanism, parameter, ciphertext);
      const Answer parts = bench.in_parts(kDecrypt, key, mechanism, parameter, ciphertext, 100);
      if (block.has("Plaintext")) {
        CHECK(blob_of(answer) == block.hex("Plaintext"));
        CHECK(blob_of(parts) == block.hex("Plaintext"));
        ++good;
      } else {
        const bool length = ciphertext.size() != bench.public_value(key).rsa_modulus_bytes();
        CHECK((length ? answer.code == CKR_ENCRYPTED_DATA_LEN_RANGE : fails_as_one(answer.code)));
        CHECK(parts.code == answer.code);
        ++bad;
      }
    }
  }
  CHECK(good >= 20);
  CHECK(bad >= 36);
}

TEST_CASE("RSA: OAEP with every pair of hashes, and labels") {
  Bench bench;
  std::vector<CK_OBJECT_HANDLE> keys;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/rsa-oaep.vec")) {
    if (block.has("Pkcs8")) keys = {bench.session_private(block.hex("Pkcs8")), bench.stored_known(block.hex("Pkcs8"))};
    const std::string what = block.text("What");
    CAPTURE(what);
    const Bytes parameter =
        oaep(kHashes.at(block.text("Hash")).hash, kHashes.at(block.text("Mgf")).mgf, block.hex("Label"));
    for (const CK_OBJECT_HANDLE key : keys) {
      const Answer answer = bench.operate(kDecrypt, key, CKM_RSA_PKCS_OAEP, parameter, block.hex("Ciphertext"));
      if (block.has("Plaintext")) {
        CHECK(blob_of(answer) == block.hex("Plaintext"));
      } else {
        CHECK(fails_as_one(answer.code));
      }
    }
  }
}

TEST_CASE("RSA: encryption with the public key is decrypted by OpenSSL, with lengths up to the limit") {
  Bench bench;
  const crypto::PrivateKey key = sks::test::generate_key(kSksAlg + "rsa2048");
  const CK_OBJECT_HANDLE object = bench.public_key(key.public_key());
  for (const std::size_t size : {0U, 1U, 100U, 245U}) {
    const Bytes data = some_bytes(size);
    const Bytes encrypted = blob_of(bench.operate(kEncrypt, object, CKM_RSA_PKCS, {}, data));
    CHECK(decrypt_with_openssl(key, false, "", "", {}, encrypted) == data);
    CHECK(blob_of(bench.in_parts(kEncrypt, object, CKM_RSA_PKCS, {}, data, 10)).size() == 256);
  }
  CHECK(bench.operate(kEncrypt, object, CKM_RSA_PKCS, {}, Bytes(246)).code == CKR_DATA_LEN_RANGE);
  const std::map<std::string, std::size_t> most{{"sha1", 214}, {"sha256", 190}, {"sha384", 158}, {"sha512", 126}};
  for (const auto& each : most)
    for (const char* const mgf : {"sha1", "sha512"})
      for (const Bytes& label : {Bytes(), some_bytes(40)}) {
        CAPTURE(each.first);
        const Bytes parameter = oaep(kHashes.at(each.first).hash, kHashes.at(mgf).mgf, label);
        const Bytes data = some_bytes(each.second);
        const Bytes encrypted = blob_of(bench.operate(kEncrypt, object, CKM_RSA_PKCS_OAEP, parameter, data));
        CHECK(decrypt_with_openssl(key, true, each.first.c_str(), mgf, label, encrypted) == data);
        CHECK(bench.operate(kEncrypt, object, CKM_RSA_PKCS_OAEP, parameter, Bytes(each.second + 1)).code ==
              CKR_DATA_LEN_RANGE);
      }
}

TEST_CASE("RSA: keys that are endorsed for one padding decrypt that and nothing else") {
  Bench bench;
  const Bytes sha1 = oaep(CKM_SHA_1, CKG_MGF1_SHA1), sha256 = oaep(CKM_SHA256, CKG_MGF1_SHA256);
  const Bytes mixed = oaep(CKM_SHA256, CKG_MGF1_SHA1), labelled = oaep(CKM_SHA256, CKG_MGF1_SHA256, Bytes(1));
  struct Case {
    std::string endorsed;
    std::vector<bool> permits;  ///< PKCS#1, then the four of OAEP
  };
  const std::vector<Case> cases{{kSksAlg + "rsa.es.pkcs1_5", {true, false, false, false, false}},
                                {kSksAlg + "rsa.oaep.sha1", {false, true, false, false, false}},
                                {kSksAlg + "rsa.oaep.sha256", {false, false, true, false, false}},
                                {kXmlEnc11 + "rsa-oaep", {false, true, true, true, true}},
                                {kSksAlg + "rsa.pkcs1.none", {false, false, false, false, false}}};
  for (const Case& c : cases) {
    CAPTURE(c.endorsed);
    const CK_OBJECT_HANDLE key = bench.stored("rsa2048", {c.endorsed});
    const CK_OBJECT_HANDLE other = bench.public_of(key);
    const Bytes data = some_bytes(32);
    const std::vector<std::pair<CK_MECHANISM_TYPE, Bytes>> ways{{CKM_RSA_PKCS, {}},
                                                                {CKM_RSA_PKCS_OAEP, sha1},
                                                                {CKM_RSA_PKCS_OAEP, sha256},
                                                                {CKM_RSA_PKCS_OAEP, mixed},
                                                                {CKM_RSA_PKCS_OAEP, labelled}};
    for (std::size_t i = 0; i < ways.size(); ++i) {
      CAPTURE(i);
      const Bytes encrypted = blob_of(bench.operate(kEncrypt, other, ways[i].first, ways[i].second, data));
      const Answer answer = bench.operate(kDecrypt, key, ways[i].first, ways[i].second, encrypted);
      if (c.permits[i]) {
        CHECK(blob_of(answer) == data);
      } else {
        CHECK(answer.code == CKR_KEY_FUNCTION_NOT_PERMITTED);
      }
    }
  }
}

}  // namespace sks::token::test
