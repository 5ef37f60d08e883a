#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/engine/storage_sweep.h"
#include "tests/support/vectors.h"

// importSymmetricKey and importPrivateKey: spec/sks-api.md 4.12 and 4.13, appendices E4 and E10.
namespace sks::test {
namespace {

const std::string kHmacSha1 = "http://www.w3.org/2000/09/xmldsig#hmac-sha1";
const std::string kAes128Cbc = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";

using Import = Result<void> (TestIssuer::*)(KeyHandle, ByteView, Bytes);
constexpr Import kSymmetric = &TestIssuer::import_symmetric_key;
constexpr Import kPrivate = &TestIssuer::import_private_key;

/// An open session with one key.
struct OpenKey {
  TestIssuer issuer;
  KeyHandle key;
};

enum class State : std::uint8_t { no_certificate, certified, imported };

OpenKey open_key(SecureKeyStore& engine, State state, std::uint16_t op_limit = 1000) {
  OpenKey open{TestIssuer(engine), {}};
  open.issuer.request.session_key_limit = op_limit;
  REQUIRE(open.issuer.open());
  const CreatedKey key = open.issuer.create_key_entry(key_request()).value();
  open.key = key.handle;
  if (state == State::no_certificate) return open;
  REQUIRE(open.issuer.set_certificate_path(key, "Key", {certify(key.public_key)}));
  if (state == State::imported) REQUIRE(open.issuer.import_symmetric_key(open.key, open.issuer.encrypt(Bytes(16, 7))));
  return open;
}

/// The same with a certificate for `certified`, whatever the generated key is.
OpenKey open_key_for(SecureKeyStore& engine, ByteView certified) {
  OpenKey open{TestIssuer(engine), {}};
  REQUIRE(open.issuer.open());
  const CreatedKey key = open.issuer.create_key_entry(key_request()).value();
  open.key = key.handle;
  REQUIRE(open.issuer.set_certificate_path(key, "Key", {certify(certified)}));
  return open;
}

/// How a row of the tables makes encryptedKey.
using Input = std::function<Bytes(const TestIssuer&)>;

Input raw(std::size_t size) {
  return [size](const TestIssuer&) { return Bytes(size, 0x5A); };
}
Input encrypted(std::size_t plaintext) {
  return [plaintext](const TestIssuer& issuer) { return issuer.encrypt(Bytes(plaintext, 0x5A)); };
}
Input unpadded(std::size_t zeros) {
  return [zeros](const TestIssuer& issuer) { return issuer.encrypt_unpadded(Bytes(zeros)); };
}

const Bytes kRightMac;  // the issuer makes it
const Bytes kWrongMac(32, 0x5A);

struct Refusal {
  const char* name;
  State state;
  std::uint16_t ops;  ///< left for the import
  Input input;
  const Bytes& mac;
  Status status;
  const char* reason;  ///< tells the steps with the same status apart
};

// createKeyEntry and setCertificatePath, and the first import.
std::uint16_t ops_before(State state) {
  switch (state) {
    case State::no_certificate:
      return 2;
    case State::certified:
      return 3;
    case State::imported:
      return 5;
  }
  SKS_CHECK(false);
}

// Each row violates its own step and, where that is possible, every later one.
void check_refusals(Import import, const std::vector<Refusal>& rows) {
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const Refusal& row : rows) {
    CAPTURE(row.name);
    OpenKey open = open_key(engine, row.state, static_cast<std::uint16_t>(ops_before(row.state) + row.ops));
    const ProvisioningHandle session = open.issuer.handle();
    const Result<void> result = (open.issuer.*import)(open.key, row.input(open.issuer), row.mac);
    REQUIRE_FALSE(result);
    CHECK(result.error().status == row.status);
    CAPTURE(result.error().detail);
    CHECK(result.error().detail.find(row.reason) != std::string::npos);
    CHECK_FALSE(is_open(engine, session));
    CHECK(status_of((open.issuer.*import)(open.key, Bytes(1), kWrongMac)) == Status::no_key);
  }
  CHECK(device.engine->enumerate_keys({}).value() == std::nullopt);
}

bool is_open_key(SecureKeyStore& engine, OpenKey& open) {
  return is_open(engine, open.issuer.handle()) &&
         engine.get_key_handle(open.issuer.handle(), "Key").value() == open.key;
}

}  // namespace

TEST_CASE("importSymmetricKey: every step refuses in the order of its table, and aborts the session") {
  check_refusals(
      kSymmetric,
      {
          {"2: too long", State::no_certificate, 0, raw(161), kWrongMac, Status::option, "too long"},
          {"3: imported already", State::imported, 0, raw(160), kWrongMac, Status::option, "imported already"},
          {"4: no certificate", State::no_certificate, 0, raw(15), kWrongMac, Status::option, "Certificate path"},
          {"5: no op for the MAC", State::certified, 0, raw(15), kWrongMac, Status::option, "sessionKeyLimit"},
          {"5: MAC", State::certified, 1, raw(15), kWrongMac, Status::mac, "importSymmetricKey"},
          {"6: no op for the decryption", State::certified, 1, raw(15), kRightMac, Status::option, "sessionKeyLimit"},
          {"6: shorter than an IV", State::certified, 2, raw(15), kRightMac, Status::internal, ""},
          {"6: empty", State::certified, 2, raw(0), kRightMac, Status::internal, ""},
          {"6: no whole blocks", State::certified, 2, raw(33), kRightMac, Status::crypto, ""},
          {"6: bad padding", State::certified, 2, unpadded(16), kRightMac, Status::crypto, ""},
          {"E4: an IV alone", State::certified, 2, raw(16), kRightMac, Status::option, "length"},
          {"E4: empty key", State::certified, 2, encrypted(0), kRightMac, Status::option, "length"},
          {"E4: 129 bytes", State::certified, 2, encrypted(129), kRightMac, Status::option, "length"},
          {"E4: 143 bytes", State::certified, 2, encrypted(143), kRightMac, Status::option, "length"},
      });
}

TEST_CASE("importPrivateKey: steps 2 to 8 refuse in the order of their table, and abort the session") {
  check_refusals(
      kPrivate,
      {
          {"2: too long", State::no_certificate, 0, raw(16417), kWrongMac, Status::option, "too long"},
          {"3: no certificate", State::no_certificate, 0, raw(16416), kWrongMac, Status::option, "Certificate path"},
          {"4: no op for the MAC", State::imported, 0, raw(15), kWrongMac, Status::option, "sessionKeyLimit"},
          {"4: MAC", State::imported, 1, raw(15), kWrongMac, Status::mac, "importPrivateKey"},
          {"5: imported already", State::imported, 1, raw(15), kRightMac, Status::option, "imported already"},
          {"6: no op for the decryption", State::certified, 1, raw(15), kRightMac, Status::option, "sessionKeyLimit"},
          {"6: shorter than an IV", State::certified, 2, raw(15), kRightMac, Status::internal, "IV"},
          {"6: no whole blocks", State::certified, 2, raw(33), kRightMac, Status::crypto, ""},
          {"6: bad padding", State::certified, 2, unpadded(16400), kRightMac, Status::crypto, ""},
          {"7: an IV alone", State::certified, 2, raw(16), kRightMac, Status::internal, "too short"},
          {"7: 20 bytes", State::certified, 2, encrypted(20), kRightMac, Status::internal, "too short"},
          {"8: 21 bytes of garbage", State::certified, 2, encrypted(21), kRightMac, Status::crypto, ""},
          {"8: much garbage", State::certified, 2, encrypted(16384), kRightMac, Status::crypto, ""},
      });
}

TEST_CASE("importSymmetricKey, importPrivateKey: a key that is not in an open session is unknown, nothing is aborted") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle closed = provision_plain_key(engine);
  for (const Import import : {kSymmetric, kPrivate}) {
    OpenKey open = open_key(engine, State::no_certificate);
    for (const KeyHandle key : {KeyHandle{}, KeyHandle{99}, closed})
      CHECK(status_of((open.issuer.*import)(key, Bytes(20000), kWrongMac)) == Status::no_key);
    CHECK(is_open_key(engine, open));
    CHECK(try_to_sign(engine, closed, {}) == std::nullopt);
    // A request without serialised form reaches no method.
    CHECK(status_of((open.issuer.*import)(open.key, Bytes(65536), kWrongMac)) == Status::option);
    CHECK(status_of((open.issuer.*import)(open.key, Bytes(16), Bytes(65536))) == Status::option);
    CHECK(is_open_key(engine, open));
    REQUIRE(engine.abort_provisioning_session(open.issuer.handle()));
  }
}

TEST_CASE("importSymmetricKey, importPrivateKey: only the MAC over this very call is right") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  struct Case {
    const char* name;
    std::function<Bytes(OpenKey&, const std::string& method, ByteView data)> mac;
  };
  const std::vector<Case> cases{
      {"a changed bit",
       [](OpenKey& open, const std::string& method, ByteView data) {
         Bytes mac = open.issuer.mac(method, data);
         mac.back() ^= 1;
         return mac;
       }},
      {"31 bytes",
       [](OpenKey& open, const std::string& method, ByteView data) {
         Bytes mac = open.issuer.mac(method, data);
         mac.pop_back();
         return mac;
       }},
      {"33 bytes",
       [](OpenKey& open, const std::string& method, ByteView data) {
         Bytes mac = open.issuer.mac(method, data);
         mac.push_back(0);
         return mac;
       }},
      {"another method",
       [](OpenKey& open, const std::string&, ByteView data) { return open.issuer.mac("addExtension", data); }},
      {"an older counter",
       [](OpenKey& open, const std::string& method, ByteView data) {
         const std::uint16_t counter = open.issuer.counter();
         open.issuer.set_counter(static_cast<std::uint16_t>(counter - 1));
         Bytes mac = open.issuer.mac(method, data);
         open.issuer.set_counter(counter);
         return mac;
       }},
      {"without certificate",
       [](OpenKey& open, const std::string& method, ByteView data) {
         return open.issuer.mac(method, data.subspan(2 + open.issuer.end_entity(open.key).size()));
       }},
  };
  for (const bool symmetric : {true, false}) {
    CAPTURE(symmetric);
    const std::string method = symmetric ? "importSymmetricKey" : "importPrivateKey";
    for (const Case& c : cases) {
      CAPTURE(c.name);
      OpenKey open = open_key(engine, State::certified);
      const Bytes input = open.issuer.encrypt(Bytes(16, 7));
      const Bytes certificate = open.issuer.end_entity(open.key);
      const auto length = [](std::size_t size) {
        return Bytes{static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size & 0xFF)};
      };
      const Bytes data = concat({length(certificate.size()), certificate, length(input.size()), input});
      const Bytes mac = c.mac(open, method, data);
      CHECK(status_of((open.issuer.*(symmetric ? kSymmetric : kPrivate))(open.key, input, mac)) == Status::mac);
      CHECK_FALSE(is_open(engine, open.issuer.handle()));
    }
  }
}

TEST_CASE("importSymmetricKey: the key is symmetric from then on, across a restart") {
  Device device;
  OpenKey open = open_key(*device.engine, State::certified);
  REQUIRE(open.issuer.import_symmetric_key(open.key, open.issuer.encrypt(Bytes(16, 0))));
  device.restart();
  open.issuer.use(*device.engine);
  REQUIRE(open.issuer.close());
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    SecureKeyStore& engine = *device.engine;
    CHECK(engine.get_key_attributes(open.key)->symmetric_key_length == 16);
    CHECK(engine.get_key_protection_info(open.key)->key_backup == kImported);
    // Spec: sks-api.md 10.6.
    const Result<Bytes> mac = engine.perform_hmac(open.key, kHmacSha1, {}, {}, {});
    REQUIRE(mac);
    CHECK(*mac == from_hex("fbdb1d1b18aa6c08324b7d64b71fb76370690e1d").value());
    CHECK(try_to_sign(engine, open.key, {}) == Status::algorithm);
    CHECK(status_of(engine.sign_hashed_data(open.key, kSks + "ecdsa.none", {}, {}, Bytes(32))) == Status::algorithm);
    const Bytes peer = generate_key(kSks + "ec.nist.p256").public_key().spki();
    CHECK(status_of(engine.key_agreement(open.key, kSks + "ecdh.raw", {}, {}, peer)) == Status::algorithm);
    CHECK(status_of(engine.asymmetric_key_decrypt(open.key, kSks + "rsa.pkcs1", {}, {}, Bytes(128))) ==
          Status::algorithm);
    device.restart();
  }
}

TEST_CASE("importSymmetricKey: takes keys of 1 to 128 bytes") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{127}, std::size_t{128}}) {
    CAPTURE(size);
    OpenKey open = open_key(engine, State::certified, 3 + 2 + 2);  // two for the import, two for the close
    REQUIRE(open.issuer.import_symmetric_key(open.key, open.issuer.encrypt(Bytes(size, 1))));
    REQUIRE(open.issuer.close());
    CHECK(engine.get_key_attributes(open.key)->symmetric_key_length == size);
  }
}

TEST_CASE("importSymmetricKey: close looks at the certificate and the endorsed algorithms of a symmetric key") {
  struct Case {
    const char* name;
    std::vector<std::string> endorsed;
    std::size_t size;
    bool own_certificate;
    std::optional<Status> close;
  };
  const std::vector<Case> cases{
      {"a cipher of its length", {kAes128Cbc}, 16, true, std::nullopt},
      {"a cipher of another length", {kAes128Cbc}, 24, true, Status::option},
      {"an HMAC", {kHmacSha1}, 24, true, std::nullopt},
      {"a signature algorithm", {kEcdsaSha256}, 16, true, Status::option},
      {"the certificate of another key", {}, 16, false, Status::option},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request();
    request.endorsed_algorithms = c.endorsed;
    const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
    const Bytes other = generate_key(kSks + "ec.nist.p256").public_key().spki();
    REQUIRE(issuer.set_certificate_path(key, "Key", {certify(c.own_certificate ? key.public_key : other)}));
    REQUIRE(issuer.import_symmetric_key(key.handle, issuer.encrypt(Bytes(c.size, 1))));
    CHECK(status_of(issuer.close()) == c.close);
  }
}

TEST_CASE("importPrivateKey: the imported key takes the place of the generated one, across a restart") {
  for (const char* const type : {"rsa1024", "rsa2048", "ec.nist.p256", "ec.nist.p384", "ec.nist.p521",
                                 "ec.brainpool.p256r1", "ec.secg.p256k1"}) {
    CAPTURE(type);
    Device device;
    const crypto::PrivateKey imported = generate_key(kSks + type);
    const crypto::PublicKey& verifier = imported.public_key();
    OpenKey open = open_key_for(*device.engine, verifier.spki());
    REQUIRE(open.issuer.import_private_key(open.key, open.issuer.encrypt(imported.to_pkcs8()->view())));
    device.restart();
    open.issuer.use(*device.engine);
    REQUIRE(open.issuer.close());
    CHECK(device.engine->get_key_protection_info(open.key)->key_backup == kImported);
    CHECK(device.engine->get_key_attributes(open.key)->symmetric_key_length == 0);
    const std::string algorithm = verifier.kind() == KeyKind::rsa ? kRsaSha256 : kEcdsaSha256;
    for (int round = 0; round < 2; ++round) {
      const Result<Bytes> signature = device.engine->sign_data(open.key, algorithm, {}, {}, as_bytes("message"));
      REQUIRE(signature);
      CHECK(crypto::verify_signature(verifier, as_bytes("message"), *signature));
      device.restart();
    }
  }
}

TEST_CASE("importPrivateKey: keys of other curves are taken under a certificate of their own type") {
  for (const char* const type : {"ed25519", "ed448", "x25519", "x448"}) {
    CAPTURE(type);
    Device device;
    const crypto::PrivateKey imported = generate_key(kSks + type);
    const Bytes pkcs8 = to_bytes(imported.to_pkcs8()->view());
    OpenKey open = open_key_for(*device.engine, imported.public_key().spki());
    REQUIRE(open.issuer.import_private_key(open.key, open.issuer.encrypt(pkcs8)));
    REQUIRE(open.issuer.close());
    CHECK(equal(device.engine->export_key(open.key, {})->view(), pkcs8));

    // Another key of the type: found at close.
    OpenKey other = open_key_for(*device.engine, generate_key(kSks + type).public_key().spki());
    REQUIRE(other.issuer.import_private_key(other.key, other.issuer.encrypt(pkcs8)));
    CHECK(status_of(other.issuer.close()) == Status::option);
    CHECK_FALSE(is_open(*device.engine, other.issuer.handle()));
  }
}

TEST_CASE("importPrivateKey: an EC key that does not belong to the certificate is found at close") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const char* const type : {"ec.nist.p256", "ec.nist.p384"}) {
    CAPTURE(type);
    OpenKey open = open_key(engine, State::certified);
    const SecureBytes pkcs8 = generate_key(kSks + type).to_pkcs8().value();
    REQUIRE(open.issuer.import_private_key(open.key, open.issuer.encrypt(pkcs8.view())));
    CHECK(is_open_key(engine, open));
    CHECK(status_of(open.issuer.close()) == Status::option);
  }
}

TEST_CASE("importPrivateKey: without an import the generated key must fit the certificate") {
  Device device;
  OpenKey open = open_key_for(*device.engine, generate_key(kSks + "ec.nist.p256").public_key().spki());
  CHECK(status_of(open.issuer.close()) == Status::option);
}

namespace {

/// `der` with the only occurrence of `old` replaced by as many bytes.
Bytes replaced(Bytes der, ByteView old, ByteView with) {
  REQUIRE(old.size() == with.size());
  const auto at = std::search(der.begin(), der.end(), old.begin(), old.end());
  REQUIRE(at != der.end());
  std::copy(with.begin(), with.end(), at);
  return der;
}

Bytes number_of(const crypto::PrivateKey& key, const char* name) {
  BIGNUM* value = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key.openssl(), name, &value) == 1);
  const ossl::BigNum owner(value);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, bytes.data());
  return bytes;
}

/// Imports `pkcs8` under a certificate for `certified`.
std::optional<Status> try_import(SecureKeyStore& engine, const crypto::PublicKey& certified, ByteView pkcs8) {
  OpenKey open = open_key_for(engine, certified.spki());
  const std::optional<Status> status = status_of(open.issuer.import_private_key(open.key, open.issuer.encrypt(pkcs8)));
  CHECK(is_open(engine, open.issuer.handle()) == !status);
  return status ? status : status_of(open.issuer.close());
}

}  // namespace

TEST_CASE("importPrivateKey: keys of OpenSSL's making that are unsuitable are refused") {
  Device device;
  for (const VectorBlock& v : read_vectors("sks-api/refused-pkcs8.vec")) {
    const std::string name = v.text("Name");
    CAPTURE(name);
    const crypto::PrivateKey certified = generate_key(kSks + v.text("Certified"));
    const Status expected = v.text("Status") == "option" ? Status::option : Status::crypto;
    OpenKey open = open_key_for(*device.engine, certified.public_key().spki());
    const Bytes input = open.issuer.encrypt(v.hex("Pkcs8"));
    CHECK(status_of(open.issuer.import_private_key(open.key, input)) == expected);
    CHECK_FALSE(is_open(*device.engine, open.issuer.handle()));
  }
}

TEST_CASE("importPrivateKey: the numbers of an RSA key must belong together and to the certificate") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const crypto::PrivateKey key = generate_key(kSks + "rsa1024");
  const crypto::PublicKey& certified = key.public_key();
  const Bytes pkcs8 = to_bytes(key.to_pkcs8()->view());
  const auto with_changed = [&](const char* name) {
    const Bytes old = number_of(key, name);
    Bytes changed = old;
    changed.back() ^= 2;
    return replaced(pkcs8, old, changed);
  };
  CHECK(try_import(engine, certified, pkcs8) == std::nullopt);
  // With the other numbers alone OpenSSL would compute right signatures.
  CHECK(try_import(engine, certified, with_changed(OSSL_PKEY_PARAM_RSA_D)) == Status::option);
  CHECK(try_import(engine, certified, with_changed(OSSL_PKEY_PARAM_RSA_N)) == Status::option);
  const Bytes exponent = from_hex("0203010001").value();
  CHECK(try_import(engine, certified, replaced(pkcs8, exponent, from_hex("0203010003").value())) == Status::option);

  // The certificate holds the modulus, but another exponent.
  const Bytes other_spki = replaced(certified.spki(), exponent, from_hex("0203010003").value());
  CHECK(try_import(engine, crypto::PublicKey::from_spki(other_spki).value(), pkcs8) == Status::option);
}

TEST_CASE("importPrivateKey: an RSA key with which nothing can be computed is refused") {
  Device device;
  const crypto::PrivateKey key = generate_key(kSks + "rsa1024");
  const Bytes factor = number_of(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
  const Bytes no_factor = replaced(to_bytes(key.to_pkcs8()->view()), factor, Bytes(factor.size(), 0));
  CHECK(try_import(*device.engine, key.public_key(), no_factor) == Status::crypto);
}

namespace {

Bytes der(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  const Bytes content = concat(parts);
  return concat({Bytes{tag, 0x82, static_cast<std::uint8_t>(content.size() >> 8),
                       static_cast<std::uint8_t>(content.size() & 0xFF)},
                 content});
}

Bytes der_number(const Bytes& number) { return der(0x02, {Bytes(1), number}); }

/// PKCS#8 of an RSA key whose first prime, and the exponent that goes with it, are replaced.
Bytes with_first_prime(const crypto::PrivateKey& key, const Bytes& prime, const Bytes& exponent) {
  const auto number = [&](const char* name) { return der_number(number_of(key, name)); };
  const Bytes rsa = der(
      0x30, {der_number({}), number(OSSL_PKEY_PARAM_RSA_N), number(OSSL_PKEY_PARAM_RSA_E),
             number(OSSL_PKEY_PARAM_RSA_D), der_number(prime), number(OSSL_PKEY_PARAM_RSA_FACTOR2),
             der_number(exponent), number(OSSL_PKEY_PARAM_RSA_EXPONENT2), number(OSSL_PKEY_PARAM_RSA_COEFFICIENT1)});
  const Bytes algorithm = from_hex("300d06092a864886f70d0101010500").value();
  return der(0x30, {der_number({}), algorithm, der(0x04, {rsa})});
}

}  // namespace

TEST_CASE("importPrivateKey: an RSA key with a prime that is longer than its modulus is refused") {
  Device device;
  const crypto::PrivateKey key = generate_key(kSks + "rsa1024");
  const Bytes prime = number_of(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
  const Bytes exponent = number_of(key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
  CHECK(try_import(*device.engine, key.public_key(), with_first_prime(key, prime, exponent)) == std::nullopt);
  // Computing with a longer one would keep the store busy for minutes.
  const Bytes long_prime(129, 0xFF);
  CHECK(try_import(*device.engine, key.public_key(), with_first_prime(key, long_prime, exponent)) == Status::crypto);
}

TEST_CASE("importPrivateKey: what is not exactly one sound PKCS#8 key is refused") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  const crypto::PublicKey& certified = key.public_key();
  const Bytes pkcs8 = to_bytes(key.to_pkcs8()->view());
  const ByteView scalar = ByteView(pkcs8).subspan(36, 32);
  CHECK(try_import(engine, certified, pkcs8) == std::nullopt);
  CHECK(try_import(engine, certified, concat({pkcs8, Bytes(1, 0)})) == Status::crypto);
  CHECK(try_import(engine, certified, ByteView(pkcs8).first(pkcs8.size() - 1)) == Status::crypto);
  CHECK(try_import(engine, certified, certified.spki()) == Status::crypto);
  CHECK(try_import(engine, certified, replaced(pkcs8, scalar, Bytes(32, 0))) == Status::crypto);
  CHECK(try_import(engine, certified, replaced(pkcs8, scalar, Bytes(32, 0xFF))) == Status::crypto);
  const Bytes x = certified.ec_x();
  Bytes off_curve = x;
  off_curve.at(off_curve.size() - 1) ^= 1;  // back() makes g++ see a write behind the end
  CHECK(try_import(engine, certified, replaced(pkcs8, x, off_curve)) == Status::crypto);
}

TEST_CASE("importPrivateKey: the point inside a PKCS#8 key is not believed") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  const crypto::PrivateKey other = generate_key(kSks + "ec.nist.p256");
  const Bytes point = concat({key.public_key().ec_x(), key.public_key().ec_y()});
  const Bytes other_point = concat({other.public_key().ec_x(), other.public_key().ec_y()});
  const Bytes mixed = replaced(to_bytes(key.to_pkcs8()->view()), point, other_point);
  // The scalar of one key with the point, and the certificate, of another.
  CHECK(try_import(engine, other.public_key(), mixed) == Status::option);
  // Under the certificate of the scalar's own key it is a sound key.
  CHECK(try_import(engine, key.public_key(), mixed) == std::nullopt);
}

TEST_CASE("importSymmetricKey, importPrivateKey: a key is imported once") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  for (const Import second : {kSymmetric, kPrivate}) {
    OpenKey open = open_key_for(engine, key.public_key().spki());
    const Bytes input = open.issuer.encrypt(key.to_pkcs8()->view());
    REQUIRE(open.issuer.import_private_key(open.key, input));
    const Bytes again = open.issuer.encrypt(Bytes(16, 1));
    const Result<void> result = (open.issuer.*second)(open.key, again, kRightMac);
    REQUIRE_FALSE(result);
    CHECK(result.error().status == Status::option);
    CHECK(result.error().detail.find("imported already") != std::string::npos);
  }
}

TEST_CASE("importPrivateKey: a later setCertificatePath is judged as one of a certified key") {
  Device device;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  OpenKey open = open_key_for(*device.engine, key.public_key().spki());
  REQUIRE(open.issuer.import_private_key(open.key, open.issuer.encrypt(key.to_pkcs8()->view())));
  const CreatedKey as_certified{open.key, key.public_key().spki(), {}};
  CHECK(status_of(open.issuer.set_certificate_path(as_certified, "Key", {certify(key.public_key().spki())})) ==
        Status::option);
}

TEST_CASE("importSymmetricKey, importPrivateKey: a failing storage aborts the session and leaves no trace") {
  struct Prepared {
    std::optional<OpenKey> open;
    std::size_t records = 0;
  };
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  const Bytes pkcs8 = to_bytes(key.to_pkcs8()->view());
  for (const Import import : {kSymmetric, kPrivate}) {
    sweep<Prepared>(
        [&](Device& device) {
          provision_plain_key(*device.engine);
          Prepared prepared;
          prepared.records = device.storage.memory.record_count();
          prepared.open = open_key_for(*device.engine, key.public_key().spki());
          return prepared;
        },
        [&](Device&, Prepared& prepared) {
          TestIssuer& issuer = prepared.open->issuer;
          const Bytes plaintext = import == kSymmetric ? Bytes(16, 1) : pkcs8;
          return status_of((issuer.*import)(prepared.open->key, issuer.encrypt(plaintext), kRightMac));
        },
        [](Device& device, Prepared& prepared) {
          CHECK(all_sessions(*device.engine, SessionState::open).empty());
          CHECK(all_keys(*device.engine) == std::vector{KeyHandle{1}});
          CHECK(device.storage.memory.record_count() == prepared.records);
        });
  }
}

}  // namespace sks::test
