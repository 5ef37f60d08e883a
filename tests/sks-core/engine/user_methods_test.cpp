#include <doctest/doctest.h>

#include "sks-core/crypto/hash.h"
#include "sks-core/engine/key_cache.h"
#include "tests/sks-core/engine/user_calls.h"

// enumerateKeys, deleteKey, signData and signHashedData: spec/sks-api.md 1.4, 4.17, 4.22, 4.27, 4.28 and 6.4.
namespace sks::test {
namespace {

const std::string kMessage = "The quick brown fox";

std::optional<Status> sign(SecureKeyStore& engine, KeyHandle key, const std::string& algorithm, std::size_t size = 32) {
  return status_of(engine.sign_data(key, algorithm, {}, {}, Bytes(size)));
}

std::optional<Status> sign_hash(SecureKeyStore& engine, KeyHandle key, const std::string& algorithm, std::size_t size) {
  return status_of(engine.sign_hashed_data(key, algorithm, {}, {}, Bytes(size)));
}

}  // namespace

TEST_CASE("signData and signHashedData: every key type signs with every hash, and OpenSSL verifies") {
  struct HashCase {
    const char* suffix;
    const char* name;
    HashId id;
  };
  const std::vector<HashCase> hashes{
      {"sha256", "SHA256", HashId::sha256}, {"sha384", "SHA384", HashId::sha384}, {"sha512", "SHA512", HashId::sha512}};
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const char* const type : {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "rsa1024", "rsa2048"}) {
    CAPTURE(type);
    const KeyHandle key = provision_key(engine, type);
    const crypto::PublicKey verifier = public_key_of(engine, key);
    const std::string family = verifier.kind() == KeyKind::rsa ? "rsa-" : "ecdsa-";
    for (const HashCase& hash : hashes) {
      CAPTURE(hash.name);
      const EVP_MD* const md = EVP_get_digestbyname(hash.name);
      const std::string algorithm = kDsigMore + family + hash.suffix;
      const Result<Bytes> signature = engine.sign_data(key, algorithm, {}, {}, as_bytes(kMessage));
      REQUIRE(signature);
      CHECK(verifies(verifier, md, as_bytes(kMessage), *signature));
      const Bytes digest = crypto::digest(hash.id, as_bytes(kMessage));
      const Result<Bytes> of_hash = engine.sign_hashed_data(key, algorithm, {}, {}, digest);
      REQUIRE(of_hash);
      CHECK(verifies(verifier, md, as_bytes(kMessage), *of_hash));
      CHECK(of_hash->size() == signature->size());
    }
  }
}

TEST_CASE("signData: Ed25519 signs the message itself, signHashedData does not know it") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_key(engine, "ed25519");
  const Result<Bytes> signature = engine.sign_data(key, kSks + "ed25519", {}, {}, as_bytes(kMessage));
  REQUIRE(signature);
  CHECK(signature->size() == 64);
  CHECK(verifies(public_key_of(engine, key), nullptr, as_bytes(kMessage), *signature));
  CHECK(sign_hash(engine, key, kSks + "ed25519", 32) == Status::algorithm);
  // EC and EdDSA are only told apart by the operation.
  CHECK(sign(engine, key, kEcdsaSha256) == Status::crypto);
  CHECK(sign_hash(engine, key, kEcdsaSha256, 32) == Status::crypto);
  CHECK(sign(engine, provision_key(engine, "ec.nist.p256"), kSks + "ed25519") == Status::crypto);
}

TEST_CASE("signData: an Ed448 key does not sign as Ed25519") {
  Algorithm ed448 = *find_algorithm(kSks + "ed25519");
  ed448.kind = KeyKind::ed448;
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  device.keys.queue(crypto::PrivateKey::generate(ed448).value());
  const KeyHandle key = issuer.create_certified_key(key_request()).value().handle;
  REQUIRE(issuer.close());
  CHECK(sign(*device.engine, key, kSks + "ed25519") == Status::crypto);
}

TEST_CASE("signHashedData: the hash-less algorithms sign whatever fits") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle rsa = provision_key(engine, "rsa1024");
  const std::string rsa_none = kSks + "rsa.pkcs1.none";
  CHECK(sign_hash(engine, rsa, rsa_none, 0) == std::nullopt);
  CHECK(sign_hash(engine, rsa, rsa_none, 117) == std::nullopt);
  CHECK(sign_hash(engine, rsa, rsa_none, 118) == Status::crypto);
  CHECK(sign(engine, rsa, rsa_none) == Status::algorithm);
  const KeyHandle ec = provision_key(engine, "ec.nist.p256");
  const std::string ecdsa_none = kSks + "ecdsa.none";
  CHECK(sign_hash(engine, ec, ecdsa_none, 0) == std::nullopt);
  CHECK(sign_hash(engine, ec, ecdsa_none, 20) == std::nullopt);
  CHECK(sign_hash(engine, ec, ecdsa_none, 64) == std::nullopt);
  CHECK(sign_hash(engine, ec, ecdsa_none, 65) == Status::crypto);
  CHECK(sign(engine, ec, ecdsa_none) == Status::algorithm);

  // With the DigestInfo in front it is the ordinary signature.
  const Bytes digest = crypto::digest(HashId::sha256, as_bytes(kMessage));
  const Bytes prefix{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  CHECK(engine.sign_hashed_data(rsa, rsa_none, {}, {}, concat({prefix, digest})).value() ==
        engine.sign_data(rsa, kRsaSha256, {}, {}, as_bytes(kMessage)).value());
  CHECK(verifies(public_key_of(engine, ec), EVP_sha256(), as_bytes(kMessage),
                 engine.sign_hashed_data(ec, ecdsa_none, {}, {}, digest).value()));
}

TEST_CASE("signData and signHashedData: refuse what the specification refuses, in its order") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle ec = provision_key(engine, "ec.nist.p256");
  const KeyHandle rsa = provision_key(engine, "rsa1024");
  for (const std::string& unsuitable : {std::string("x"), std::string(), kDsigMore + "rsa-sha999", kSks + "none",
                                        kSks + "key.1", kSks + "session.1", kSks + "ec.nist.p256", kSks + "rsa1024"}) {
    CAPTURE(unsuitable);
    CHECK(sign(engine, ec, unsuitable) == Status::algorithm);
    CHECK(sign_hash(engine, ec, unsuitable, 32) == Status::algorithm);
  }
  CHECK(sign(engine, ec, kRsaSha256) == Status::algorithm);
  CHECK(sign(engine, rsa, kEcdsaSha256) == Status::algorithm);
  CHECK(sign(engine, rsa, kSks + "ed25519") == Status::algorithm);
  CHECK(sign(engine, ec, kEcdsaSha256, 16384) == std::nullopt);
  CHECK(sign(engine, ec, kEcdsaSha256, 16385) == Status::option);
  CHECK(sign(engine, ec, "x", 16385) == Status::option);
  CHECK(sign(engine, ec, kEcdsaSha256, 0) == std::nullopt);
  CHECK(status_of(engine.sign_data(ec, kEcdsaSha256, Bytes(1), {}, Bytes(1))) == Status::option);
  CHECK(status_of(engine.sign_data(ec, kRsaSha256, Bytes(1), {}, Bytes(1))) == Status::algorithm);
  CHECK(status_of(engine.sign_hashed_data(ec, kEcdsaSha256, Bytes(1), {}, Bytes(32))) == Status::option);
  for (const std::size_t size : {0U, 31U, 33U, 48U}) CHECK(sign_hash(engine, ec, kEcdsaSha256, size) == Status::option);
  CHECK(sign_hash(engine, rsa, kDsigMore + "rsa-sha384", 32) == Status::option);
  CHECK(sign_hash(engine, rsa, kDsigMore + "rsa-sha512", 48) == Status::option);
  CHECK(sign_hash(engine, ec, kSks + "ecdsa.none", 16385) == Status::option);
}

TEST_CASE("endorsed algorithms: only what is on the list runs, and #none forbids everything") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle one = provision_key(engine, "ec.nist.p256", {kDsigMore + "ecdsa-sha384"});
  CHECK(sign(engine, one, kDsigMore + "ecdsa-sha384") == std::nullopt);
  CHECK(sign(engine, one, kEcdsaSha256) == Status::algorithm);
  CHECK(sign_hash(engine, one, kSks + "ecdsa.none", 32) == Status::algorithm);
  const KeyHandle nothing = provision_key(engine, "ec.nist.p256", {kSks + "none"});
  CHECK(sign(engine, nothing, kEcdsaSha256) == Status::algorithm);
  CHECK(sign(engine, nothing, kSks + "none") == Status::algorithm);
  CHECK(engine.get_key_attributes(nothing)->endorsed_algorithms == std::vector{kSks + "none"});
}

TEST_CASE("user methods: unknown keys and keys of open sessions answer no_key") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const KeyHandle open = issuer.create_certified_key(key_request(policy, "1234")).value().handle;
  for (const KeyHandle key : {KeyHandle{0}, open, KeyHandle{99}}) {
    CAPTURE(key.value);
    CHECK(try_to_sign(engine, key, with_pin("1234")) == Status::no_key);
    CHECK(status_of(engine.sign_hashed_data(key, kEcdsaSha256, {}, with_pin("1234"), Bytes(32))) == Status::no_key);
    CHECK(status_of(engine.verify_pin(key, secret("1234"))) == Status::no_key);
    CHECK(status_of(engine.delete_key(key, {})) == Status::no_key);
    CHECK(status_of(engine.get_key_attributes(key)) == Status::no_key);
    CHECK(status_of(engine.get_key_protection_info(key)) == Status::no_key);
    CHECK(status_of(device.real_engine->pin_group(key)) == Status::no_key);
  }
  CHECK(is_open(engine, issuer.handle()));
}

TEST_CASE("enumerateKeys: walks the keys of closed sessions in ascending order") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  CHECK_FALSE(engine.enumerate_keys({}).value());
  const KeyHandle first = provision_plain_key(engine);
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  const KeyHandle open = issuer.create_certified_key(key_request()).value().handle;
  const PinKey last = provision_pin_key(engine);
  CHECK(all_keys(engine) == std::vector{first, last.key});
  CHECK(engine.enumerate_keys(open).value()->handle == last.key);
  CHECK(engine.enumerate_keys(first).value()->session == last.session);
  CHECK_FALSE(engine.enumerate_keys(KeyHandle{99}).value());
  CHECK_FALSE(engine.enumerate_keys(last.key).value());
  REQUIRE(issuer.close());
  CHECK(all_keys(engine) == std::vector{first, open, last.key});
}

TEST_CASE("deleteKey: follows deleteProtection") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle unprotected = provision_pin_key(engine).key;
  CHECK(status_of(engine.delete_key(unprotected, secret("1234"))) == Status::option);
  CHECK(pin_errors(engine, unprotected) == 0);
  CHECK(engine.delete_key(unprotected, {}));
  CHECK(status_of(engine.delete_key(unprotected, {})) == Status::no_key);

  const KeyHandle by_pin = provision_pin_key(engine, {.delete_protection = 1}).key;
  CHECK(status_of(engine.delete_key(by_pin, {})) == Status::authorization);
  CHECK(status_of(engine.delete_key(by_pin, secret("99999"))) == Status::authorization);
  CHECK(pin_errors(engine, by_pin) == 2);
  CHECK(engine.delete_key(by_pin, secret("1234")));

  const KeyHandle by_puk = provision_pin_key(engine, {.delete_protection = 2}).key;
  CHECK(status_of(engine.delete_key(by_puk, secret("1234"))) == Status::authorization);
  CHECK(puk_errors(engine, by_puk) == 1);
  CHECK(engine.delete_key(by_puk, secret("99999")));

  const KeyHandle forever = provision_pin_key(engine, {.delete_protection = 3}).key;
  for (const char* const any : {"", "1234", "99999"})
    CHECK(status_of(engine.delete_key(forever, secret(any))) == Status::not_allowed);
  CHECK(pin_errors(engine, forever) == 0);
  CHECK(puk_errors(engine, forever) == 0);
  CHECK(all_keys(engine) == std::vector{forever});
}

TEST_CASE("deleteKey: policies and session go with the last key that needs them") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  TestIssuer issuer(engine);
  const ProvisioningHandle session = issuer.open().value();
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}).value();
  PinPolicyRequest request = pin_policy_request(puk);
  const PinPolicyHandle pin1 = issuer.create_pin_policy(request).value();
  request.id = "PIN2";
  request.grouping = 1;
  const PinPolicyHandle pin2 = issuer.create_pin_policy(request).value();
  std::vector<KeyHandle> keys;
  for (const PinPolicyHandle policy : {pin1, pin2, pin2}) {
    KeyEntryRequest key = key_request(policy, "1234");
    key.id = "Key" + std::to_string(keys.size());
    keys.push_back(issuer.create_certified_key(std::move(key)).value().handle);
  }
  REQUIRE(issuer.close());
  // Counters, session, PUK policy, two PIN policies, two PIN groups, three keys with their private keys, and a page of
  // the directory for each of the five kinds of objects.
  const auto records = [&] { return device.storage.memory.record_count(); };
  CHECK(records() == 18);
  REQUIRE(engine.delete_key(keys[1], {}));
  CHECK(records() == 16);
  REQUIRE(engine.delete_key(keys[0], {}));  // with its PIN policy and group
  CHECK(records() == 12);
  CHECK(all_sessions(engine, SessionState::closed) == std::vector{session});
  device.restart();
  REQUIRE(device.engine->delete_key(keys[2], {}));
  CHECK(records() == 1);
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  device.restart();
  CHECK(provision_plain_key(*device.engine) == KeyHandle{4});
}

TEST_CASE("KeyCache: keeps the keys used last and no more than its capacity") {
  engine::KeyCache cache(2);
  const auto insert = [&](std::uint32_t handle) {
    cache.insert(KeyHandle{handle}, generate_key(kSks + "ec.nist.p256"));
  };
  insert(1);
  insert(2);
  CHECK(cache.find(KeyHandle{1}) != nullptr);
  insert(3);
  CHECK(cache.size() == 2);
  CHECK(cache.find(KeyHandle{2}) == nullptr);
  CHECK(cache.find(KeyHandle{1}) != nullptr);
  const auto held = cache.find(KeyHandle{3});
  cache.erase(KeyHandle{3});
  CHECK(cache.find(KeyHandle{3}) == nullptr);
  CHECK(std::get<crypto::PrivateKey>(*held).sign(as_bytes(kMessage)));
  cache.erase(KeyHandle{42});
  CHECK(cache.size() == 1);
}

}  // namespace sks::test
