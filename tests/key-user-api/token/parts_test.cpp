#include <doctest/doctest.h>

#include <random>
#include <set>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/token/der.h"
#include "key-user-api/token/digest_index.h"
#include "key-user-api/token/key_details.h"
#include "tests/key-user-api/token/lab.h"

/// The parts of the token service that have rules of their own.
namespace sks::test {

TEST_CASE("DER: an element that is not whole is none, and nothing is taken") {
  const std::vector<Bytes> malformed{{},
                                     {0x30},
                                     {0x30, 0x01},
                                     {0x30, 0x80, 0x00, 0x00},
                                     {0x30, 0x81},
                                     {0x30, 0x82, 0x01},
                                     {0x1F, 0x01, 0x00},
                                     {0x30, 0x85, 0, 0, 0, 0, 1, 0},
                                     {0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1}};
  for (const Bytes& bytes : malformed) {
    ByteView rest = bytes;
    CHECK(!token::take_element(rest));
    CHECK(rest.size() == bytes.size());
  }
  const Bytes two{0x04, 0x02, 7, 8, 0x02, 0x81, 0x01, 9};
  ByteView rest = two;
  const auto first = token::take_element(rest);
  REQUIRE(first);
  CHECK(first->tag == 0x04);
  CHECK(to_bytes(first->content) == Bytes{7, 8});
  const auto second = token::take_element(rest);
  REQUIRE(second);
  CHECK(to_bytes(second->content) == Bytes{9});
  CHECK(to_bytes(second->all) == Bytes{0x02, 0x81, 0x01, 9});
  CHECK(rest.empty());
}

TEST_CASE("DER: no beginning of a certificate is one, and no byte more is needed") {
  const Lab lab;
  const Bytes& der = lab.authority().der();
  const auto whole = token::split_certificate(der);
  REQUIRE(whole);
  CHECK(to_bytes(whole->subject) == lab.authority().subject_der());
  CHECK(to_bytes(whole->issuer) == lab.authority().issuer_der());
  CHECK(to_bytes(whole->serial_number) == lab.authority().serial_number_der());
  CHECK(to_bytes(whole->spki) == lab.authority().spki());
  for (std::size_t size = 0; size < der.size(); ++size) CHECK(!token::split_certificate(ByteView(der).first(size)));
}

TEST_CASE("DER: the shape of a key of every kind that a key store makes") {
  struct Case {
    const char* algorithm;
    KeyKind kind;
    std::optional<Curve> curve;
    unsigned bits;
  };
  const std::vector<Case> cases{{"ec.nist.p256", KeyKind::ec, Curve::p256, 256},
                                {"ec.nist.p384", KeyKind::ec, Curve::p384, 384},
                                {"ec.nist.p521", KeyKind::ec, Curve::p521, 521},
                                {"ec.brainpool.p256r1", KeyKind::ec, Curve::brainpool_p256r1, 256},
                                {"ec.secg.p256k1", KeyKind::ec, Curve::secp256k1, 256},
                                {"rsa2048", KeyKind::rsa, std::nullopt, 2048},
                                {"ed25519", KeyKind::ed25519, std::nullopt, 255},
                                {"ed448", KeyKind::ed448, std::nullopt, 448},
                                {"x25519", KeyKind::x25519, std::nullopt, 255},
                                {"x448", KeyKind::x448, std::nullopt, 448}};
  for (const Case& c : cases) {
    CAPTURE(c.algorithm);
    const crypto::PrivateKey key = generate_key(kSks + c.algorithm);
    const Bytes& spki = key.public_key().spki();
    const auto shape = token::shape_of(spki);
    REQUIRE(shape);
    CHECK(shape->kind == c.kind);
    CHECK(shape->curve == c.curve);
    CHECK(shape->bits == c.bits);
    CHECK(!token::shape_of(ByteView(spki).first(spki.size() - 1)));
    if (c.kind != KeyKind::rsa) continue;
    const auto numbers = token::rsa_numbers(spki);
    REQUIRE(numbers);
    CHECK(to_bytes(numbers->modulus) == key.public_key().rsa_modulus());
    CHECK(to_bytes(numbers->exponent) == key.public_key().rsa_exponent());
  }
}

TEST_CASE("DER: dates") {
  const auto date = [](std::uint8_t tag, std::string_view text) {
    Bytes der{tag, static_cast<std::uint8_t>(text.size())};
    der.insert(der.end(), text.begin(), text.end());
    return to_string(token::date_of(der));
  };
  CHECK(date(0x17, "491231235959Z") == "20491231");
  CHECK(date(0x17, "500101000000Z") == "19500101");
  CHECK(date(0x18, "99991231235959Z") == "99991231");
  CHECK(date(0x17, "4912").empty());
  CHECK(date(0x04, "491231235959Z").empty());
}

TEST_CASE("digest index: finds what a set of everything finds, however much comes and goes") {
  token::DigestIndex index;
  std::set<std::pair<std::uint64_t, std::uint32_t>> expected;
  std::mt19937 random(1);
  constexpr std::uint64_t kDigests = 40;
  const auto insert_many = [&] {
    std::vector<token::DigestIndex::Entry> many;
    for (int i = 0; i < 50; ++i) {
      const token::DigestIndex::Entry entry{random() % kDigests, KeyHandle{static_cast<std::uint32_t>(random() % 100)}};
      many.push_back(entry);
      expected.emplace(entry.digest, entry.key.value);
    }
    index.insert_many(std::move(many));
  };
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t digest = random() % kDigests;
    const auto key = static_cast<std::uint32_t>(random() % 100);
    if (random() % 3 != 0) {
      index.insert(digest, KeyHandle{key});
      expected.emplace(digest, key);
    } else {
      index.erase(digest, KeyHandle{key});
      expected.erase({digest, key});
    }
    if (step % 700 == 0) insert_many();
    if (step % 500 != 0) continue;
    for (std::uint64_t wanted = 0; wanted < kDigests; ++wanted) {
      std::vector<KeyHandle> found;
      for (const auto& entry : expected)
        if (entry.first == wanted) found.push_back(KeyHandle{entry.second});
      CHECK(index.find(wanted) == found);
    }
  }
}

TEST_CASE("memory pool: what one holds is part of what all hold, and comes back") {
  const auto all = std::make_shared<token::MemoryPool>(100);
  const auto one = std::make_shared<token::MemoryPool>(60, all);
  const auto other = std::make_shared<token::MemoryPool>(60, all);
  token::MemoryShare first(one);
  CHECK_FALSE(first.resize(61));
  CHECK(first.bytes() == 0);
  CHECK(first.resize(60));
  {
    token::MemoryShare second(other);
    CHECK_FALSE(second.resize(41));
    CHECK(second.resize(40));
    CHECK_FALSE(first.resize(61));
    CHECK(first.resize(10));
    CHECK(second.resize(60));
    CHECK_FALSE(second.resize(SIZE_MAX));
  }
  CHECK(first.resize(60));
  CHECK(token::MemoryShare(other).resize(40));
}

TEST_CASE("certificates of a local key: only what was written is read") {
  const Lab lab;
  const std::vector<Bytes> path{lab.authority().der(), lab.authority().der()};
  CHECK(token::read_certificates(write_certificates(path)) == path);
  CHECK(token::read_certificates("") == std::vector<Bytes>());
  for (const char* text : {".", "MA", "!", "MAA.MAA"}) CHECK(!token::read_certificates(text));
}

}  // namespace sks::test
