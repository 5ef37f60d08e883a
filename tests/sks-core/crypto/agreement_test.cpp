#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/support/vectors.h"

// Key agreement: spec/sks-api.md 4.30 and 6.7.
namespace sks::crypto {
namespace {

PrivateKey new_key(const std::string& algorithm) {
  return PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#" + algorithm)).value();
}

TEST_CASE("agree: RFC 7748 and CAVP") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/agreement.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const auto key = PrivateKey::from_pkcs8(block.hex("Pkcs8"));
    REQUIRE(key);
    const auto peer = PublicKey::from_spki(block.hex("Peer"));
    REQUIRE(peer);
    CHECK(to_hex(key->agree(*peer).value().view()) == block.text("Z"));
  }
}

TEST_CASE("agree: a public key of low order is refused with crypto") {
  const PrivateKey x25519 = new_key("x25519");
  const PrivateKey x448 = new_key("x448");
  int checked = 0;
  for (const test::VectorBlock& block : test::read_vectors("crypto/low-order.vec")) {
    const std::string source = block.text("What");
    CAPTURE(source);
    const auto peer = PublicKey::from_spki(block.hex("Spki"));
    REQUIRE(peer);
    const auto secret = (peer->kind() == KeyKind::x25519 ? x25519 : x448).agree(*peer);
    REQUIRE_FALSE(secret);
    CHECK(secret.error().status == Status::crypto);
    ++checked;
  }
  CHECK(checked == 19);
}

TEST_CASE("agree: both sides get the same secret, and only from a key of their own type and curve") {
  struct Row {
    std::string algorithm;
    std::size_t size;  // 0: cannot agree
  };
  const std::vector<Row> rows{
      {"ec.nist.p256", 32},   {"ec.nist.p384", 48}, {"ec.nist.p521", 66}, {"ec.brainpool.p256r1", 32},
      {"ec.secg.p256k1", 32}, {"x25519", 32},       {"x448", 56},         {"ed25519", 0},
      {"ed448", 0},           {"rsa1024", 0}};
  std::vector<PrivateKey> ours;
  std::vector<PrivateKey> theirs;
  for (const Row& row : rows) {
    ours.push_back(new_key(row.algorithm));
    theirs.push_back(new_key(row.algorithm));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows.size(); ++j) {
      CAPTURE(rows[i].algorithm);
      CAPTURE(rows[j].algorithm);
      const auto secret = ours[i].agree(theirs[j].public_key());
      if (i == j && rows[i].size != 0) {
        REQUIRE(secret);
        CHECK(secret->size() == rows[i].size);
        CHECK(equal(secret->view(), theirs[j].agree(ours[i].public_key()).value().view()));
      } else {
        REQUIRE_FALSE(secret);
        CHECK(secret.error().status == Status::crypto);
      }
    }
  }
}

}  // namespace
}  // namespace sks::crypto
