#include <doctest/doctest.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "sks-core/base/encoding.h"
#include "tests/key-user-api/token_operations/harness.h"
#include "tests/support/vectors.h"

/// Signatures and MACs. What is signed is verified by OpenSSL directly, and the other way round.
namespace sks::token::test {
namespace {

using sks::test::verifies;

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";
const std::string kMore = "http://www.w3.org/2001/04/xmldsig-more#";
const std::string kMore2007 = "http://www.w3.org/2007/05/xmldsig-more#";

struct HashName {
  CK_MECHANISM_TYPE type;
  const EVP_MD* (*md)();
};

Bytes hash_with_openssl(const EVP_MD* md, ByteView data) {
  Bytes out(static_cast<std::size_t>(EVP_MD_get_size(md)));
  REQUIRE(EVP_Digest(data.data(), data.size(), out.data(), nullptr, md, nullptr) == 1);
  return out;
}

/// Whether a raw ECDSA signature is one of these bytes, as they are.
bool verifies_raw_ecdsa(const crypto::PublicKey& key, ByteView hash, ByteView signature) {
  const auto der = crypto::ecdsa_raw_to_der(key.curve(), signature);
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  return der && EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der->data(), der->size(), hash.data(), hash.size()) == 1;
}

bool verifies_pss(const crypto::PublicKey& key, const EVP_MD* md, int salt, ByteView digest, ByteView signature) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context.get(), md) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt) == 1 &&
         EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
}

Bytes flipped(ByteView bytes, std::size_t at = 5) {
  Bytes out = to_bytes(bytes);
  out.at(at) ^= 1;
  return out;
}

/// What holds for every signature mechanism: parts, the service's own verification, and its refusals.
void check_around(Bench& bench, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism, ByteView parameter, ByteView data,
                  ByteView signature) {
  const CK_OBJECT_HANDLE verifying = bench.key(key).object_class == CKO_SECRET_KEY ? key : bench.public_of(key);
  CHECK(bench.verify(verifying, mechanism, parameter, data, signature).code == CKR_OK);
  CHECK(bench.verify(verifying, mechanism, parameter, data, flipped(signature, 0)).code == CKR_SIGNATURE_INVALID);
  CHECK(bench.verify(verifying, mechanism, parameter, data, flipped(signature, signature.size() - 1)).code ==
        CKR_SIGNATURE_INVALID);
  CHECK(bench.verify(verifying, mechanism, parameter, flipped(data, 0), signature).code == CKR_SIGNATURE_INVALID);
  CHECK(bench.verify(verifying, mechanism, parameter, data, signature.first(signature.size() - 1)).code ==
        CKR_SIGNATURE_LEN_RANGE);
  CHECK(bench.verify(verifying, mechanism, parameter, data, concat({signature, Bytes{0}})).code ==
        CKR_SIGNATURE_LEN_RANGE);
  CHECK(bench.verify(verifying, mechanism, parameter, data, {}).code == CKR_SIGNATURE_LEN_RANGE);
  CHECK(bench.verify(verifying, mechanism, parameter, data, Bytes(signature.size(), 0)).code == CKR_SIGNATURE_INVALID);
  CHECK(bench.verify(verifying, mechanism, parameter, data, Bytes(signature.size(), 0xFF)).code ==
        CKR_SIGNATURE_INVALID);
  for (const std::size_t part : {std::size_t{1}, std::size_t{7}, data.size()}) {
    CAPTURE(part);
    const Bytes in_parts = blob_of(bench.in_parts(kSign, key, mechanism, parameter, data, part));
    CHECK(bench.verify(verifying, mechanism, parameter, data, in_parts).code == CKR_OK);
    const std::uint32_t operation = u32_of(bench.begin(kVerify, verifying, mechanism, parameter));
    for (std::size_t at = 0; at < data.size(); at += part)
      CHECK(blob_of(bench.update(operation, data.subspan(at, std::min(part, data.size() - at)))).empty());
    CHECK(bench.finish_verify(operation, signature).code == CKR_OK);
    CHECK(bench.finish_verify(operation, signature).code == CKR_OPERATION_NOT_INITIALIZED);
  }
}

std::vector<CK_OBJECT_HANDLE> both_kinds(Bench& bench, const std::string& algorithm) {
  const auto session = sks::test::generate_key(kSksAlg + algorithm);
  return {bench.stored(algorithm), bench.session_private(session.to_pkcs8().value().view())};
}

const std::vector<HashName> kEcdsaHashes{{CKM_ECDSA_SHA1, EVP_sha1},
                                         {CKM_ECDSA_SHA224, EVP_sha224},
                                         {CKM_ECDSA_SHA256, EVP_sha256},
                                         {CKM_ECDSA_SHA384, EVP_sha384},
                                         {CKM_ECDSA_SHA512, EVP_sha512}};
const std::vector<HashName> kRsaHashes{{CKM_SHA1_RSA_PKCS, EVP_sha1},
                                       {CKM_SHA224_RSA_PKCS, EVP_sha224},
                                       {CKM_SHA256_RSA_PKCS, EVP_sha256},
                                       {CKM_SHA384_RSA_PKCS, EVP_sha384},
                                       {CKM_SHA512_RSA_PKCS, EVP_sha512}};

}  // namespace

TEST_CASE("signatures: ECDSA with every hash and curve, stored keys and session keys") {
  Bench bench;
  const Bytes message = some_bytes(200);
  for (const char* const curve :
       {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ec.brainpool.p256r1", "ec.secg.p256k1"})
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, curve))
      for (const HashName& hash : kEcdsaHashes) {
        CAPTURE(curve);
        CAPTURE(hash.type);
        const Bytes signature = blob_of(bench.operate(kSign, key, hash.type, {}, message));
        CHECK(signature.size() == 2 * std::size_t{curve_info(bench.public_value(key).curve()).field_bytes});
        CHECK(verifies(bench.public_value(key), hash.md(), message, signature));
        check_around(bench, key, hash.type, {}, message, signature);
      }
}

TEST_CASE("signatures: CKM_ECDSA takes a hash of any length and cuts it where the curve ends") {
  Bench bench;
  for (const char* const curve : {"ec.nist.p256", "ec.nist.p384"})
    for (const CK_OBJECT_HANDLE key : both_kinds(bench, curve))
      for (const std::size_t size : {1U, 20U, 28U, 32U, 33U, 48U, 64U, 65U, 128U, 1000U}) {
        CAPTURE(curve);
        CAPTURE(size);
        const Bytes hash = some_bytes(size);
        const Bytes signature = blob_of(bench.operate(kSign, key, CKM_ECDSA, {}, hash));
        CHECK(verifies_raw_ecdsa(bench.public_value(key), hash, signature));
        const std::size_t field = curve_info(bench.public_value(key).curve()).field_bytes;
        const Bytes cut = to_bytes(ByteView(hash).first(std::min(size, field)));
        CHECK(verifies_raw_ecdsa(bench.public_value(key), cut, signature));
        check_around(bench, key, CKM_ECDSA, {}, hash, signature);
      }
  const CK_OBJECT_HANDLE p521 = bench.stored("ec.nist.p521");
  CHECK(verifies_raw_ecdsa(bench.public_value(p521), some_bytes(64),
                           blob_of(bench.operate(kSign, p521, CKM_ECDSA, {}, some_bytes(64)))));
  CHECK(bench.operate(kSign, p521, CKM_ECDSA, {}, some_bytes(65)).code == CKR_DATA_LEN_RANGE);
  CHECK(bench.operate(kSign, p521, CKM_ECDSA, {}, {}).code == CKR_DATA_LEN_RANGE);
  CHECK(bench.verify(bench.public_of(p521), CKM_ECDSA, {}, {}, Bytes(132, 1)).code == CKR_DATA_LEN_RANGE);
}

TEST_CASE("signatures: RSA PKCS#1 with every hash, and with what the application has hashed") {
  Bench bench;
  const Bytes message = some_bytes(300);
  for (const CK_OBJECT_HANDLE key : both_kinds(bench, "rsa2048")) {
    for (const HashName& hash : kRsaHashes) {
      CAPTURE(hash.type);
      const Bytes signature = blob_of(bench.operate(kSign, key, hash.type, {}, message));
      CHECK(verifies(bench.public_value(key), hash.md(), message, signature));
      CHECK(blob_of(bench.in_parts(kSign, key, hash.type, {}, message, 11)) == signature);
      check_around(bench, key, hash.type, {}, message, signature);
    }
    // The prefix is that of sks-api.md 6.3.
    const Bytes info =
        concat({from_hex("3031300d060960864801650304020105000420").value(), hash_with_openssl(EVP_sha256(), message)});
    const Bytes raw = blob_of(bench.operate(kSign, key, CKM_RSA_PKCS, {}, info));
    CHECK(verifies(bench.public_value(key), EVP_sha256(), message, raw));
    CHECK(raw == blob_of(bench.operate(kSign, key, CKM_SHA256_RSA_PKCS, {}, message)));
    for (const std::size_t size : {std::size_t{1}, std::size_t{36}, std::size_t{245}}) {
      const Bytes data = some_bytes(size);
      check_around(bench, key, CKM_RSA_PKCS, {}, data, blob_of(bench.operate(kSign, key, CKM_RSA_PKCS, {}, data)));
    }
    CHECK(bench.operate(kSign, key, CKM_RSA_PKCS, {}, some_bytes(246)).code == CKR_DATA_LEN_RANGE);
    CHECK(bench.verify(bench.public_of(key), CKM_RSA_PKCS, {}, some_bytes(246), Bytes(256)).code == CKR_DATA_LEN_RANGE);
  }
}

TEST_CASE("signatures: PSS with every hash and salt, of the message and of its hash") {
  Bench bench;
  struct Case {
    CK_MECHANISM_TYPE whole;
    CK_MECHANISM_TYPE hash;
    CK_ULONG mgf;
    const EVP_MD* (*md)();
    std::size_t size;
  };
  const std::vector<Case> cases{{CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, EVP_sha256, 32},
                                {CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, EVP_sha384, 48},
                                {CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, EVP_sha512, 64}};
  const Bytes message = some_bytes(100);
  for (const CK_OBJECT_HANDLE key : both_kinds(bench, "rsa2048"))
    for (const Case& c : cases)
      for (const std::size_t salt : {std::size_t{0}, std::size_t{20}, c.size, 254 - c.size}) {
        CAPTURE(c.whole);
        CAPTURE(salt);
        const Bytes parameter = pss(c.hash, c.mgf, salt);
        const Bytes digest = hash_with_openssl(c.md(), message);
        const int bytes = static_cast<int>(salt);
        const Bytes whole = blob_of(bench.operate(kSign, key, c.whole, parameter, message));
        CHECK(verifies_pss(bench.public_value(key), c.md(), bytes, digest, whole));
        check_around(bench, key, c.whole, parameter, message, whole);
        const Bytes of_hash = blob_of(bench.operate(kSign, key, CKM_RSA_PKCS_PSS, parameter, digest));
        CHECK(verifies_pss(bench.public_value(key), c.md(), bytes, digest, of_hash));
        check_around(bench, key, CKM_RSA_PKCS_PSS, parameter, digest, of_hash);
        CHECK(bench.operate(kSign, key, CKM_RSA_PKCS_PSS, parameter, Bytes(c.size - 1)).code == CKR_DATA_LEN_RANGE);
        CHECK(bench.operate(kSign, key, CKM_RSA_PKCS_PSS, parameter, Bytes(c.size + 1)).code == CKR_DATA_LEN_RANGE);
        // One byte more than there is room for.
        CHECK(bench.operate(kSign, key, c.whole, pss(c.hash, c.mgf, 255 - c.size), message).code ==
              CKR_MECHANISM_PARAM_INVALID);
      }
}

TEST_CASE("signatures: EdDSA of RFC 8032, with a stored key and a session key, in one part and in many") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/eddsa.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes pkcs8 = block.hex("Pkcs8"), message = block.hex("Msg"), signature = block.hex("Signature");
    for (const CK_OBJECT_HANDLE key : {bench.stored_known(pkcs8), bench.session_private(pkcs8)}) {
      CHECK(blob_of(bench.operate(kSign, key, CKM_EDDSA, {}, message)) == signature);
      CHECK(blob_of(bench.in_parts(kSign, key, CKM_EDDSA, {}, message, 1)) == signature);
      if (!message.empty()) check_around(bench, key, CKM_EDDSA, {}, message, signature);
    }
    ++checked;
  }
  CHECK(checked >= 3);
}

TEST_CASE("signatures: HMAC of RFC 2202 and RFC 4231, whole and cut") {
  Bench bench;
  const std::map<std::string, std::pair<CK_MECHANISM_TYPE, CK_MECHANISM_TYPE>> mechanisms{
      {"sha1", {CKM_SHA_1_HMAC, CKM_SHA_1_HMAC_GENERAL}},
      {"sha256", {CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL}},
      {"sha384", {CKM_SHA384_HMAC, CKM_SHA384_HMAC_GENERAL}},
      {"sha512", {CKM_SHA512_HMAC, CKM_SHA512_HMAC_GENERAL}}};
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/hmac.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const auto [whole, cut] = mechanisms.at(block.text("Hash"));
    const Bytes value = block.hex("Key"), message = block.hex("Msg"), mac = block.hex("Mac");
    if (mac.size() < 20) continue;  // the RFC cuts one of them
    std::vector<CK_OBJECT_HANDLE> keys{bench.session_secret(value, CKK_GENERIC_SECRET)};
    if (value.size() <= 128) keys.push_back(bench.stored_secret(value, CKK_GENERIC_SECRET));
    for (const CK_OBJECT_HANDLE key : keys) {
      CHECK(blob_of(bench.operate(kSign, key, whole, {}, message)) == mac);
      if (!message.empty()) check_around(bench, key, whole, {}, message, mac);
      for (const std::size_t size : {std::size_t{1}, std::size_t{10}, mac.size()}) {
        const Bytes first = to_bytes(ByteView(mac).first(size));
        CHECK(blob_of(bench.operate(kSign, key, cut, ulongs({size}), message)) == first);
        CHECK(bench.verify(key, cut, ulongs({size}), message, first).code == CKR_OK);
        CHECK(bench.verify(key, cut, ulongs({size}), message, flipped(first, 0)).code == CKR_SIGNATURE_INVALID);
      }
    }
    ++checked;
  }
  CHECK(checked > 20);
}

TEST_CASE("signatures: HMAC-SHA-224 of RFC 4231, test case 1, with session keys only") {
  Bench bench;
  const Bytes mac = from_hex("896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22").value();
  const CK_OBJECT_HANDLE key = bench.session_secret(Bytes(20, 0x0b), CKK_GENERIC_SECRET);
  CHECK(blob_of(bench.operate(kSign, key, CKM_SHA224_HMAC, {}, as_bytes("Hi There"))) == mac);
  check_around(bench, key, CKM_SHA224_HMAC, {}, as_bytes("Hi There"), mac);
  const CK_OBJECT_HANDLE stored = bench.stored_secret(Bytes(20, 0x0b), CKK_GENERIC_SECRET);
  CHECK(bench.operate(kSign, stored, CKM_SHA224_HMAC, {}, as_bytes("x")).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
}

TEST_CASE("signatures: a MAC key of one hash is for that hash, and every symmetric key of the store is a MAC key") {
  Bench bench;
  const CK_OBJECT_HANDLE key = bench.session_secret(Bytes(20, 0x0b), CKK_SHA256_HMAC);
  CHECK(bench.operate(kSign, key, CKM_SHA256_HMAC, {}, as_bytes("x")).code == CKR_OK);
  CHECK(bench.operate(kSign, key, CKM_SHA512_HMAC, {}, as_bytes("x")).code == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(bench.operate(kSign, bench.session_secret(Bytes(16, 1)), CKM_SHA256_HMAC, {}, as_bytes("x")).code ==
        CKR_KEY_TYPE_INCONSISTENT);
  CHECK(bench.operate(kSign, bench.stored_secret(Bytes(16, 1)), CKM_SHA256_HMAC, {}, as_bytes("x")).code == CKR_OK);
}

TEST_CASE("signatures: a key that is endorsed for one hash signs that hash, hashed here or by the application") {
  Bench bench;
  const Bytes message = some_bytes(50);
  const Bytes hash = hash_with_openssl(EVP_sha256(), message);
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256", {kMore + "ecdsa-sha256"});
  CHECK(verifies(bench.public_value(ec), EVP_sha256(), message,
                 blob_of(bench.operate(kSign, ec, CKM_ECDSA_SHA256, {}, message))));
  CHECK(
      verifies(bench.public_value(ec), EVP_sha256(), message, blob_of(bench.operate(kSign, ec, CKM_ECDSA, {}, hash))));
  CHECK(verifies(bench.public_value(ec), EVP_sha256(), message,
                 blob_of(bench.in_parts(kSign, ec, CKM_ECDSA_SHA256, {}, message, 3))));
  for (const CK_MECHANISM_TYPE other : {CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512}) {
    CHECK(bench.operate(kSign, ec, other, {}, message).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
    CHECK(bench.begin(kSign, ec, other).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  }
  for (const std::size_t size : {20U, 31U, 33U, 48U, 64U})
    CHECK(bench.operate(kSign, ec, CKM_ECDSA, {}, some_bytes(size)).code == CKR_DATA_INVALID);

  const CK_OBJECT_HANDLE rsa = bench.stored("rsa2048", {kMore + "rsa-sha256"});
  const Bytes info = concat({from_hex("3031300d060960864801650304020105000420").value(), hash});
  CHECK(verifies(bench.public_value(rsa), EVP_sha256(), message,
                 blob_of(bench.operate(kSign, rsa, CKM_RSA_PKCS, {}, info))));
  CHECK(verifies(bench.public_value(rsa), EVP_sha256(), message,
                 blob_of(bench.operate(kSign, rsa, CKM_SHA256_RSA_PKCS, {}, message))));
  CHECK(bench.operate(kSign, rsa, CKM_RSA_PKCS, {}, hash).code == CKR_DATA_INVALID);
  CHECK(bench.operate(kSign, rsa, CKM_RSA_PKCS, {}, flipped(info, 1)).code == CKR_DATA_INVALID);
  CHECK(bench.operate(kSign, rsa, CKM_SHA384_RSA_PKCS, {}, message).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kSign, rsa, CKM_SHA1_RSA_PKCS, {}, message).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kSign, rsa, CKM_SHA256_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 32), message).code ==
        CKR_KEY_FUNCTION_NOT_PERMITTED);

  const CK_OBJECT_HANDLE raw = bench.stored("rsa2048", {kSksAlg + "rsa.pkcs1.none"});
  CHECK(verifies(bench.public_value(raw), EVP_sha384(), message,
                 blob_of(bench.operate(kSign, raw, CKM_SHA384_RSA_PKCS, {}, message))));

  const CK_OBJECT_HANDLE pss_key = bench.stored("rsa2048", {kMore2007 + "sha256-rsa-MGF1"});
  CHECK(bench.operate(kSign, pss_key, CKM_RSA_PKCS_PSS, pss(CKM_SHA256, CKG_MGF1_SHA256, 32), hash).code == CKR_OK);
  CHECK(bench.operate(kSign, pss_key, CKM_RSA_PKCS_PSS, pss(CKM_SHA384, CKG_MGF1_SHA384, 48), Bytes(48)).code ==
        CKR_KEY_FUNCTION_NOT_PERMITTED);
  CHECK(bench.operate(kSign, pss_key, CKM_SHA256_RSA_PKCS, {}, message).code == CKR_KEY_FUNCTION_NOT_PERMITTED);

  const CK_OBJECT_HANDLE edwards = bench.stored("ed25519", {kSksAlg + "ed448"});
  CHECK(bench.operate(kSign, edwards, CKM_EDDSA, {}, message).code == CKR_KEY_FUNCTION_NOT_PERMITTED);
}

TEST_CASE("signatures: what is too long for the key store is refused, not cut") {
  Bench bench;
  const Bytes longer = some_bytes(16'385);
  CHECK(bench.operate(kSign, bench.stored("ed25519"), CKM_EDDSA, {}, longer).code == CKR_DATA_LEN_RANGE);
  CHECK(bench.operate(kSign, bench.stored_secret(Bytes(32, 1)), CKM_SHA256_HMAC, {}, longer).code ==
        CKR_DATA_LEN_RANGE);
  // Whoever hashes here is not limited.
  const Bytes much = some_bytes(1'000'000);
  const CK_OBJECT_HANDLE ec = bench.stored("ec.nist.p256");
  CHECK(verifies(bench.public_value(ec), EVP_sha256(), much,
                 blob_of(bench.operate(kSign, ec, CKM_ECDSA_SHA256, {}, much))));
  CHECK(bench.operate(kSign, ec, CKM_ECDSA_SHA256, {}, some_bytes(1'000'001)).code == CKR_DATA_LEN_RANGE);
  const std::uint32_t operation = u32_of(bench.begin(kSign, ec, CKM_ECDSA_SHA256));
  for (int i = 0; i < 3; ++i) CHECK(bench.update(operation, much).code == CKR_OK);
  CHECK(bench.finish(operation, {}).code == CKR_OK);
}

TEST_CASE("digests: those of FIPS 180, in one part and in many") {
  Bench bench;
  const Bytes abc = to_bytes(as_bytes("abc"));
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/digest.vec")) {
    const Bytes message = block.hex("Msg");
    const std::vector<std::pair<CK_MECHANISM_TYPE, Bytes>> expected{{CKM_SHA_1, block.hex("Sha1")},
                                                                    {CKM_SHA256, block.hex("Sha256")},
                                                                    {CKM_SHA384, block.hex("Sha384")},
                                                                    {CKM_SHA512, block.hex("Sha512")}};
    for (const auto& [type, digest] : expected) {
      CHECK(blob_of(bench.operate(kDigest, 0, type, {}, message)) == digest);
      CHECK(blob_of(bench.in_parts(kDigest, 0, type, {}, message, 1)) == digest);
    }
  }
  CHECK(blob_of(bench.operate(kDigest, 0, CKM_SHA224, {}, abc)) ==
        from_hex("23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7").value());
}

}  // namespace sks::token::test
