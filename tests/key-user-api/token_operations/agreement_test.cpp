#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "key-user-api/token/operations/mechanisms.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/token_operations/harness.h"
#include "tests/support/vectors.h"

namespace sks::token::test {
namespace {

const std::string kSksAlg = "https://webpki.github.io/sks/algorithm#";

/// The public data of PKCS#11: an uncompressed point, or the raw key.
Bytes point_of(const crypto::PublicKey& key) {
  if (key.kind() != KeyKind::ec) return key.raw();
  return concat({Bytes{4}, key.ec_x(), key.ec_y()});
}

Bytes octet_string(ByteView content) {
  if (content.size() < 0x80) return concat({Bytes{4, static_cast<std::uint8_t>(content.size())}, content});
  return concat({Bytes{4, 0x81, static_cast<std::uint8_t>(content.size())}, content});
}

Bytes kdf_with_openssl(std::string hash, ByteView z, ByteView shared, std::size_t size) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, "X963KDF", nullptr), EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  Bytes secret = to_bytes(z), info = to_bytes(shared), out(size);
  const std::vector<OSSL_PARAM> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret.data(), secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()), OSSL_PARAM_construct_end()};
  REQUIRE(EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1);
  return out;
}

Bytes agree_with_openssl(const crypto::PrivateKey& key, const crypto::PublicKey& peer) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  std::size_t size = 0;
  REQUIRE(EVP_PKEY_derive_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_derive_set_peer(context.get(), peer.openssl()) == 1);
  REQUIRE(EVP_PKEY_derive(context.get(), nullptr, &size) == 1);
  Bytes out(size);
  REQUIRE(EVP_PKEY_derive(context.get(), out.data(), &size) == 1);
  return out;
}

Template secret_key() {
  return attributes(attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, CKK_GENERIC_SECRET));
}
Template secret_key(std::uint64_t size) {
  Template all = secret_key();
  all.push_back(attribute(CKA_VALUE_LEN, size));
  return all;
}

}  // namespace

TEST_CASE("agreement: X25519 and X448 of RFC 7748, and ECDH of the vectors") {
  Bench bench;
  int checked = 0;
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/agreement.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const auto peer = crypto::PublicKey::from_spki(block.hex("Peer")).value();
    for (const CK_OBJECT_HANDLE key :
         {bench.stored_known(block.hex("Pkcs8")), bench.session_private(block.hex("Pkcs8"))})
      for (const CK_MECHANISM_TYPE mechanism : {CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE})
        for (const Bytes& point : {point_of(peer), octet_string(point_of(peer))}) {
          const Answer answer = bench.derive(key, mechanism, ecdh(CKD_NULL, {}, point), secret_key());
          CHECK(u64_of(answer) == 1'000'000 + bench.keys.made.size());
          CHECK(bench.keys.made.back().value == block.hex("Z"));
        }
    ++checked;
  }
  CHECK(checked == 5);
}

TEST_CASE("agreement: every curve and every KDF is that of OpenSSL") {
  Bench bench;
  const std::vector<std::pair<CK_ULONG, std::string>> kdfs{{CKD_SHA1_KDF, "SHA1"},
                                                           {CKD_SHA224_KDF, "SHA224"},
                                                           {CKD_SHA256_KDF, "SHA256"},
                                                           {CKD_SHA384_KDF, "SHA384"},
                                                           {CKD_SHA512_KDF, "SHA512"}};
  for (const char* const curve :
       {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ec.brainpool.p256r1", "ec.secg.p256k1", "x25519", "x448"}) {
    CAPTURE(curve);
    const crypto::PrivateKey own = sks::test::generate_key(kSksAlg + curve);
    const CK_OBJECT_HANDLE stored = bench.stored(curve);
    // The peer of the stored key is the session key, and the other way round.
    const CK_OBJECT_HANDLE session = bench.session_private(own.to_pkcs8().value().view());
    const Bytes z = agree_with_openssl(own, bench.public_value(stored));
    struct Side {
      CK_OBJECT_HANDLE key;
      Bytes point;
    };
    for (const Side& side :
         {Side{stored, point_of(own.public_key())}, Side{session, point_of(bench.public_value(stored))}}) {
      CHECK(bench.derive(side.key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, side.point), secret_key()).code == CKR_OK);
      CHECK(bench.keys.made.back().value == z);
      CHECK(bench.derive(side.key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, side.point), secret_key(16)).code == CKR_OK);
      CHECK(equal(bench.keys.made.back().value, ByteView(z).last(16)));
      CHECK(bench.derive(side.key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, side.point), secret_key(z.size() + 1)).code ==
            CKR_ATTRIBUTE_VALUE_INVALID);
      for (const auto& [kdf, hash] : kdfs)
        for (const std::size_t size : {1U, 16U, 32U, 100U})
          for (const Bytes& shared : {Bytes(), some_bytes(30)}) {
            CHECK(bench.derive(side.key, CKM_ECDH1_DERIVE, ecdh(kdf, shared, side.point), secret_key(size)).code ==
                  CKR_OK);
            CHECK(bench.keys.made.back().value == kdf_with_openssl(hash, z, shared, size));
          }
      CHECK(bench.derive(side.key, CKM_ECDH1_DERIVE, ecdh(CKD_SHA256_KDF, {}, side.point), secret_key()).code ==
            CKR_TEMPLATE_INCOMPLETE);
    }
  }
}

TEST_CASE("agreement: the new key gets what the template says, but not its length") {
  Bench bench;
  const CK_OBJECT_HANDLE key = bench.stored("ec.nist.p256");
  const Bytes point = point_of(bench.public_value(key));
  Template wanted = secret_key(32);
  wanted.push_back(attribute_of(CKA_LABEL, as_bytes("shared")));
  REQUIRE(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, point), wanted).code == CKR_OK);
  const auto& made = bench.keys.made.back().attributes;
  CHECK(made.size() == 3);
  CHECK(made.at(CKA_LABEL) == to_bytes(as_bytes("shared")));
  CHECK_FALSE(made.contains(CKA_VALUE_LEN));
  REQUIRE(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, point), {}).code == CKR_OK);
  CHECK(bench.keys.made.back().attributes.at(CKA_CLASS) == ulongs({CKO_SECRET_KEY}));
}

TEST_CASE("agreement: peers and templates that do not fit are refused") {
  Bench bench;
  const CK_OBJECT_HANDLE stored = bench.stored("ec.nist.p256");
  const crypto::PrivateKey own = sks::test::generate_key(kSksAlg + "ec.nist.p256");
  const CK_OBJECT_HANDLE session = bench.session_private(own.to_pkcs8().value().view());
  const Bytes good = point_of(own.public_key());
  Bytes off_curve = good, compressed = to_bytes(ByteView(good).first(33));
  off_curve.back() ^= 1;
  compressed[0] = 2;
  Bytes hybrid = good;
  hybrid[0] = 6;
  const Bytes other_curve = point_of(sks::test::generate_key(kSksAlg + "ec.nist.p384").public_key());
  for (const CK_OBJECT_HANDLE key : {stored, session}) {
    for (const Bytes& point : {Bytes(), Bytes{0}, off_curve, compressed, hybrid, other_curve, concat({good, Bytes{0}}),
                               to_bytes(ByteView(good).first(64)), Bytes(65, 0)})
      CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, point), secret_key()).code ==
            CKR_MECHANISM_PARAM_INVALID);
    CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, Bytes(1), good), secret_key()).code ==
          CKR_MECHANISM_PARAM_INVALID);
    for (const std::uint64_t kdf : {0x0UL, 0x3UL, 0x9UL, 0xFFFFFFFFFFFFFFFFUL})
      CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(kdf, {}, good), secret_key(16)).code ==
            CKR_MECHANISM_PARAM_INVALID);
    Template private_key = attributes(attribute(CKA_CLASS, CKO_PRIVATE_KEY));
    CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, good), private_key).code == CKR_TEMPLATE_INCONSISTENT);
    for (const std::uint64_t size : {0UL, 65'537UL, 0xFFFFFFFFFFFFFFFFUL})
      CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_SHA256_KDF, {}, good), secret_key(size)).code ==
            CKR_ATTRIBUTE_VALUE_INVALID);
    Template short_length = attributes(attribute_of(CKA_VALUE_LEN, Bytes(4, 1)));
    CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_SHA256_KDF, {}, good), short_length).code ==
          CKR_ATTRIBUTE_VALUE_INVALID);
  }
  CHECK(bench.keys.made.empty());
  bench.keys.refuse_to_make = CKR_TEMPLATE_INCONSISTENT;
  CHECK(bench.derive(stored, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, good), secret_key()).code ==
        CKR_TEMPLATE_INCONSISTENT);
}

TEST_CASE("agreement: points of low order make no secret") {
  Bench bench;
  int checked = 0;
  const CK_OBJECT_HANDLE x25519 = bench.stored("x25519"), x448 = bench.stored("x448");
  for (const sks::test::VectorBlock& block : sks::test::read_vectors("crypto/low-order.vec")) {
    const std::string what = block.text("What");
    CAPTURE(what);
    const auto peer = crypto::PublicKey::from_spki(block.hex("Spki"));
    if (!peer) continue;
    const CK_OBJECT_HANDLE key = peer->kind() == KeyKind::x25519 ? x25519 : x448;
    CHECK(bench.derive(key, CKM_ECDH1_DERIVE, ecdh(CKD_NULL, {}, peer->raw()), secret_key()).code ==
          CKR_MECHANISM_PARAM_INVALID);
    ++checked;
  }
  CHECK(checked > 10);
}

}  // namespace sks::token::test
