#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/private_key.h"
#include "tests/support/vectors.h"

namespace sks::crypto {
namespace {

std::string prefix() { return "https://webpki.github.io/sks/algorithm#"; }

Status status_of(const Result<Bytes>& result) { return result ? Status::internal : result.error().status; }

void check_rsa(const test::VectorBlock& block, const PrivateKey& key) {
  const Bytes message = block.hex("Msg");
  CHECK(to_hex(key.sign_rsa(HashId::sha256, message).value()) == block.text("Rsa-sha256"));
  CHECK(to_hex(key.sign_rsa(HashId::sha384, message).value()) == block.text("Rsa-sha384"));
  CHECK(to_hex(key.sign_rsa(HashId::sha512, message).value()) == block.text("Rsa-sha512"));
  CHECK(to_hex(key.sign_rsa_digest(HashId::sha384, digest(HashId::sha384, message)).value()) ==
        block.text("Rsa-sha384"));
  CHECK(to_hex(key.sign_rsa_digest(HashId::none, message).value()) == block.text("Rsa-none"));
  CHECK(key.sign_rsa_digest(HashId::none, {}));
  CHECK(key.sign_rsa_digest(HashId::none, Bytes(128 - 11, 1)));
  CHECK(status_of(key.sign_rsa_digest(HashId::none, Bytes(128 - 10, 1))) == Status::crypto);
  CHECK(status_of(key.sign_ecdsa(HashId::sha256, message)) == Status::crypto);
  CHECK(status_of(key.sign_eddsa(message)) == Status::crypto);
  CHECK(verify_signature(key.public_key(), message, block.hex("Rsa-sha256")));
}

void check_ecdsa(const test::VectorBlock& block, const PrivateKey& key) {
  const Bytes message = block.hex("Msg");
  const Curve curve = key.public_key().curve();
  const Bytes raw = ecdsa_der_to_raw(curve, block.hex("Ecdsa-sha256-der")).value();
  CHECK(raw.size() == 2U * curve_info(curve).field_bytes);
  CHECK(verify_signature(key.public_key(), message, raw));
  CHECK(to_hex(ecdsa_raw_to_der(curve, raw).value()) == block.text("Ecdsa-sha256-der"));
  CHECK(verify_signature(key.public_key(), message, key.sign_ecdsa(HashId::sha256, message).value()));
  CHECK(verify_signature(key.public_key(), message, key.sign_ecdsa_digest(sha256(message)).value()));
  CHECK(key.sign_ecdsa_digest({}));
  CHECK(status_of(key.sign_eddsa(message)) == Status::crypto);
  CHECK(status_of(key.sign_rsa(HashId::sha256, message)) == Status::crypto);
}

void check_eddsa(const test::VectorBlock& block, const PrivateKey& key, const std::string& name) {
  const Bytes message = block.hex("Msg");
  CHECK(to_hex(key.sign_eddsa(message).value()) == block.text(name));
  CHECK(status_of(key.sign_rsa(HashId::sha256, message)) == Status::crypto);
  CHECK(status_of(key.sign_ecdsa(HashId::sha256, message)) == Status::crypto);
}

TEST_CASE("ecdsa_der_to_raw: numbers come out in the size of the field, and only from strict DER") {
  // Two numbers and the length of their sequence, which is all that differs.
  const auto converted = [](Curve curve, std::string_view hex) {
    return ecdsa_der_to_raw(curve, from_hex(hex).value());
  };
  const std::string zeros(62, '0');
  CHECK(to_hex(converted(Curve::p256, "3006020101020102").value()) == zeros + "01" + zeros + "02");
  CHECK(to_hex(converted(Curve::p256, "30080202008002020080").value()) == zeros + "80" + zeros + "80");
  CHECK(to_hex(converted(Curve::p256, "3006020100020100").value()) == zeros + "00" + zeros + "00");
  const std::string most = "ff" + std::string(62, 'f');
  CHECK(to_hex(converted(Curve::p256, "3046022100" + most + "022100" + most).value()) == most + most);
  const std::string p521 = "01" + std::string(130, 'f');
  CHECK(to_hex(converted(Curve::p521, "3081880242" + p521 + "0242" + p521).value()) == p521 + p521);
  for (const std::string& wrong : std::vector<std::string>{
           "", "30", "3000", "3003020101", "30060201010201", "300602010102010200", "3007020101020102",
           "3106020101020102", "308106020101020102", "30820006020101020102", "3006030101020102", "300602010102017f00",
           "3005020002010200", "30060201ff020102", "300702020001020102", "30080202ff80020200ff",
           "3047022100" + most + "02220000" + most, "3026022101" + most + "020101", "3080020101020102"}) {
    CAPTURE(wrong);
    CHECK(status_of(converted(Curve::p256, wrong)) == Status::crypto);
  }
}

TEST_CASE("PrivateKey: signs and agrees as the OpenSSL command line does") {
  int checked = 0;
  for (const test::VectorBlock& block : test::read_vectors("crypto/keys.vec")) {
    const std::string kind = block.text("Kind");
    CAPTURE(kind);
    const auto key = PrivateKey::from_pkcs8(block.hex("Pkcs8"));
    REQUIRE(key);
    CHECK(to_hex(key->public_key().spki()) == block.text("Spki"));
    CHECK(to_hex(key->to_pkcs8().value().view()) == block.text("Pkcs8"));
    if (key->public_key().kind() == KeyKind::rsa) check_rsa(block, *key);
    if (key->public_key().kind() == KeyKind::ec) check_ecdsa(block, *key);
    if (block.has("Ed25519")) check_eddsa(block, *key, "Ed25519");
    if (block.has("Ed448")) check_eddsa(block, *key, "Ed448");
    if (block.has("Z")) {
      const PublicKey peer = PublicKey::from_spki(block.hex("Peer")).value();
      CHECK(to_hex(key->agree(peer).value().view()) == block.text("Z"));
    }
    ++checked;
  }
  CHECK(checked == 11);
}

TEST_CASE("sign_eddsa: RFC 8032") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/eddsa.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const auto key = PrivateKey::from_pkcs8(block.hex("Pkcs8"));
    REQUIRE(key);
    CHECK(to_hex(key->sign_eddsa(block.hex("Msg")).value()) == block.text("Signature"));
  }
}

TEST_CASE("PublicKey: what is malformed is refused with crypto, what is merely unsupported with option") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/refused-spki.vec")) {
    const std::string what = block.text("What");
    CAPTURE(what);
    const auto key = PublicKey::from_spki(block.hex("Spki"));
    REQUIRE_FALSE(key);
    CHECK(to_string(key.error().status) == block.text("Status"));
  }
}

TEST_CASE("PublicKey: the specification's samples decode and keep their bytes") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/keys.vec")) {
    const Bytes spki = block.hex("Spki");
    CHECK(PublicKey::from_spki(spki)->spki() == spki);
    for (const char* name : {"Kind", "Pkcs8", "Msg", "Rsa-sha256", "Rsa-sha384", "Rsa-sha512", "Rsa-none",
                             "Ecdsa-sha256-der", "Peer", "Z", "Ed25519", "Ed448"})
      if (block.has(name)) block.text(name);
  }
}

TEST_CASE("PublicKey: keys are rebuilt from their parts") {
  const auto ec = PrivateKey::generate(*find_algorithm(prefix() + "ec.nist.p521"));
  REQUIRE(ec);
  const PublicKey& point = ec->public_key();
  CHECK(PublicKey::from_ec_point(Curve::p521, point.ec_x(), point.ec_y())->spki() == point.spki());
  CHECK_FALSE(PublicKey::from_ec_point(Curve::p384, point.ec_x(), point.ec_y()));
  CHECK_FALSE(PublicKey::from_ec_point(Curve::p521, point.ec_y(), point.ec_y()));

  const auto rsa = PrivateKey::generate(*find_algorithm(prefix() + "rsa1024"));
  REQUIRE(rsa);
  const PublicKey& numbers = rsa->public_key();
  CHECK(numbers.rsa_modulus_bytes() == 128);
  CHECK(numbers.rsa_exponent() == Bytes{1, 0, 1});
  CHECK(PublicKey::from_rsa(numbers.rsa_modulus(), numbers.rsa_exponent())->spki() == numbers.spki());
  CHECK_FALSE(PublicKey::from_rsa(concat({Bytes{0}, numbers.rsa_modulus()}), numbers.rsa_exponent()));
  CHECK_FALSE(PublicKey::from_rsa(numbers.rsa_modulus(), Bytes{}));

  const auto ed = PrivateKey::generate(*find_algorithm(prefix() + "ed25519"));
  REQUIRE(ed);
  CHECK(PublicKey::from_raw(KeyKind::ed25519, ed->public_key().raw())->spki() == ed->public_key().spki());
  CHECK_FALSE(PublicKey::from_raw(KeyKind::ed25519, Bytes(31)));
}

TEST_CASE("PublicKey: a shorter modulus than its bytes say is the key it is") {
  // 1,020 bits fill 128 bytes all the same. Spec: sks-api.md 6.5.
  Bytes modulus(128, 0xFF);
  modulus.front() = 0x0F;
  const auto key = PublicKey::from_rsa(modulus, Bytes{3});
  REQUIRE(key);
  CHECK(key->rsa_modulus_bytes() == 128);
  CHECK(PublicKey::from_spki(key->spki())->spki() == key->spki());
}

TEST_CASE("PrivateKey::generate: the exponent is a positive odd two's-complement number of at least 3") {
  const Algorithm& algorithm = *find_algorithm(prefix() + "rsa1024.exp");
  for (const Bytes& good : {Bytes{3}, Bytes{0, 0, 0, 5}, Bytes{1, 0, 1}}) {
    const auto key = PrivateKey::generate(algorithm, good);
    REQUIRE(key);
    CHECK(key->public_key().rsa_exponent().back() == good.back());
  }
  for (const Bytes& bad :
       {Bytes{1}, Bytes{2}, Bytes{0}, Bytes{0x80}, Bytes{0x83}, Bytes(9, 1), Bytes{0x81, 0, 0, 0, 0, 0, 0, 1}}) {
    const auto key = PrivateKey::generate(algorithm, bad);
    REQUIRE_FALSE(key);
    CHECK(key.error().status == Status::crypto);
  }
}

TEST_CASE("PrivateKey::from_ec_scalar: the specification's scalars give the specification's points") {
  for (const test::VectorBlock& block : test::read_vectors("crypto/ec-scalars.vec")) {
    const auto key = PrivateKey::from_ec_scalar(Curve::p256, block.hex("Scalar"));
    REQUIRE(key);
    CHECK(to_hex(key->public_key().spki()) == block.text("Spki"));
    block.text("Source");
  }
  CHECK_FALSE(PrivateKey::from_ec_scalar(Curve::p256, Bytes(31, 1)));
  CHECK_FALSE(PrivateKey::from_ec_scalar(Curve::p256, Bytes(32, 0)));
  CHECK_FALSE(PrivateKey::from_ec_scalar(Curve::p256, Bytes(32, 0xFF)));
  for (const char* curve : {"ec.nist.p384", "ec.nist.p521"}) {
    const Curve id = *find_algorithm(prefix() + curve)->curve;
    const Bytes scalar(curve_info(id).field_bytes, 0x01);
    Bytes small = scalar;
    small[0] = 0;
    CHECK(PrivateKey::from_ec_scalar(id, small));
  }
}

TEST_CASE("PrivateKey::from_pkcs8: garbage and trailing bytes are refused") {
  const auto key = PrivateKey::generate(*find_algorithm(prefix() + "ec.nist.p256"));
  Bytes der = to_bytes(key->to_pkcs8().value().view());
  der.push_back(0);
  CHECK_FALSE(PrivateKey::from_pkcs8(der));
  CHECK_FALSE(PrivateKey::from_pkcs8(Bytes{1, 2, 3}));
  CHECK_FALSE(PrivateKey::from_pkcs8({}));
}

TEST_CASE("PrivateKey::from_pkcs8: an EC key has its public point uncompressed, as public keys have") {
  const auto key = PrivateKey::generate(*find_algorithm(prefix() + "ec.nist.p256"));
  REQUIRE(key);
  const SecureBytes saved = key->to_pkcs8().value();
  Bytes hybrid = to_bytes(saved.view());
  std::uint8_t& form = hybrid[hybrid.size() - 65];
  REQUIRE(form == 0x04);
  form = static_cast<std::uint8_t>(0x06 | (hybrid.back() & 1U));  // X9.62: the hybrid form, with the parity of y
  const Result<PrivateKey> read = PrivateKey::from_pkcs8(hybrid);
  REQUIRE_FALSE(read);
  CHECK(read.error().status == Status::crypto);
}

TEST_CASE("check_halves: both halves of a key belong together") {
  for (const char* const name : {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "rsa1024", "rsa3072"}) {
    CAPTURE(name);
    CHECK(check_halves(*PrivateKey::generate(*find_algorithm(prefix() + name))));
  }
  CHECK(check_halves(*PrivateKey::generate(*find_algorithm(prefix() + "ed25519"))).error().status == Status::crypto);
  const auto key = PrivateKey::generate(*find_algorithm(prefix() + "ec.nist.p256"));
  REQUIRE(key);
  Bytes foreign = to_bytes(key->to_pkcs8()->view());
  const std::size_t last_of_scalar = foreign.size() - 65 - 5 - 1;  // behind it A1 44 03 42 00 and the point
  foreign[last_of_scalar] ^= 1U;
  const Result<PrivateKey> mixed = PrivateKey::from_pkcs8(foreign);
  REQUIRE(mixed);
  const Result<void> checked = check_halves(*mixed);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().status == Status::option);
}

TEST_CASE("check_halves: an RSA key with the exponent of another one") {
  const auto key = PrivateKey::generate(*find_algorithm(prefix() + "rsa2048"));
  REQUIRE(key);
  Bytes foreign = to_bytes(key->to_pkcs8()->view());
  const Bytes exponent = from_hex("0203010001").value();  // 65537, behind it the private one
  const auto at = std::search(foreign.begin(), foreign.end(), exponent.begin(), exponent.end());
  REQUIRE(at != foreign.end());
  at[2] = 0x03;
  const Result<PrivateKey> mixed = PrivateKey::from_pkcs8(foreign);
  REQUIRE(mixed);
  CHECK(check_halves(*mixed).error().status == Status::option);
}

TEST_CASE("PrivateKey::from_pkcs8: a key of another type is refused before anything is computed with it") {
  // DSA with p = 23, q = 11, g = 4, x = 3. OpenSSL would compute y, which with large numbers takes minutes.
  const auto key =
      PrivateKey::from_pkcs8(from_hex("301e020100301406072a8648ce380401300902011702010b0201040403020103").value());
  REQUIRE_FALSE(key);
  CHECK(key.error().status == Status::crypto);
  CHECK(key.error().detail.find("PKCS#8 key of a type") != std::string::npos);
}

TEST_CASE("verify_signature: wrong lengths and zero numbers are crypto, a wrong signature is option") {
  const auto key = PrivateKey::generate(*find_algorithm(prefix() + "ec.nist.p256"));
  const Bytes message{1, 2, 3};
  Bytes signature = key->sign(message).value();
  const auto verify = [&](ByteView data, ByteView value) {
    const auto result = verify_signature(key->public_key(), data, value);
    return result ? Status::internal : result.error().status;
  };
  CHECK(verify(Bytes{1, 2, 4}, signature) == Status::option);
  CHECK(verify(message, ByteView(signature).first(63)) == Status::crypto);
  CHECK(verify(message, concat({signature, Bytes{0}})) == Status::crypto);
  CHECK(verify(message, concat({Bytes(32, 0), ByteView(signature).last(32)})) == Status::crypto);
  CHECK(verify(message, concat({ByteView(signature).first(32), Bytes(32, 0)})) == Status::crypto);
  CHECK(verify(message, Bytes(64, 0xFF)) == Status::option);
  CHECK(verify(message, ecdsa_raw_to_der(Curve::p256, signature).value()) == Status::crypto);

  const auto rsa = PrivateKey::generate(*find_algorithm(prefix() + "rsa1024"));
  Bytes rsa_signature = rsa->sign(message).value();
  CHECK(verify_signature(rsa->public_key(), message, rsa_signature));
  CHECK(verify_signature(rsa->public_key(), message, ByteView(rsa_signature).first(127)).error().status ==
        Status::crypto);
  rsa_signature[5] = static_cast<std::uint8_t>(rsa_signature[5] ^ 1);
  CHECK(verify_signature(rsa->public_key(), message, rsa_signature).error().status == Status::option);
}

TEST_CASE("all_algorithms: every key generation row makes the key it describes") {
  for (const Algorithm& algorithm : all_algorithms()) {
    CAPTURE(algorithm.uri);
    CHECK(find_algorithm(algorithm.uri) == &algorithm);
    if (algorithm.category != Category::key_generation) continue;
    const Bytes exponent = algorithm.takes_parameters ? Bytes{1, 0, 1} : Bytes{};
    const auto key = PrivateKey::generate(algorithm, exponent);
    REQUIRE(key);
    CHECK(key->public_key().kind() == *algorithm.kind);
    if (algorithm.curve) CHECK(key->public_key().curve() == *algorithm.curve);
    if (algorithm.kind == KeyKind::rsa) CHECK(key->public_key().rsa_modulus_bytes() * 8 == algorithm.size);
  }
  CHECK(find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p25") == nullptr);
}

}  // namespace
}  // namespace sks::crypto
