#include <doctest/doctest.h>

#include <map>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/engine/user_calls.h"
#include "tests/support/vectors.h"

// The step tables of spec/sks-api.md 4.27 to 4.32 and 6.4: every row, and which of two failures wins.
namespace sks::test {
namespace {

using MaybeStatus = std::optional<Status>;

const std::string kRsaEs = kSks + "rsa.es.pkcs1_5";
const std::string kOaepSha256 = kSks + "rsa.oaep.sha256";
const std::string kEcdhRaw = kSks + "ecdh.raw";
const std::string kAes128 = kXmlEnc + "aes128-cbc";
const std::string kAesCbc = kSks + "aes.cbc";
const std::string kAesEcb = kSks + "aes.ecb.nopad";
const Bytes kIv(16, 0x17);

/// An algorithm of the method, for keys of each sort that has one.
struct Sample {
  std::string method;
  std::string algorithm;
  std::string key;  ///< a key generation algorithm, or "symmetric" for 16 bytes
  std::size_t data;
};
const std::vector<Sample> kSamples{
    {"signData", kEcdsaSha256, "ec.nist.p256", 5},    {"signHashedData", kEcdsaSha256, "ec.nist.p256", 32},
    {"asymmetricKeyDecrypt", kRsaEs, "rsa1024", 128}, {"keyAgreement", kEcdhRaw, "ec.nist.p256", 91},
    {"performHmac", kHmacSha256, "symmetric", 5},     {"symmetricKeyEncrypt", kAes128, "symmetric", 5},
};

KeyHandle provision_for(SecureKeyStore& store, const std::string& sort, std::vector<std::string> endorsed = {}) {
  if (sort == "symmetric") return provision_symmetric_key(store, Bytes(16, 0x42), std::move(endorsed));
  return provision_key(store, sort, std::move(endorsed));
}

/// Keys of every sort that chapter 6.4 tells apart.
struct Keys {
  explicit Keys(SecureKeyStore& store) {
    for (const char* const sort : {"ec.nist.p256", "ec.nist.p384", "rsa1024", "ed25519", "ed448", "x25519", "x448"})
      by_sort[sort] = provision_key(store, sort);
    for (const std::size_t size : {1U, 16U, 24U, 32U, 128U})
      by_sort["symmetric" + std::to_string(size)] = provision_symmetric_key(store, Bytes(size, 0x42));
  }
  KeyHandle operator[](const std::string& sort) const { return by_sort.at(sort); }
  std::map<std::string, KeyHandle> by_sort;
};

Bytes peer_of(const std::string& algorithm) { return generate_key(kSks + algorithm).public_key().spki(); }

/// RSA encryption with OpenSSL directly. `oaep` null: PKCS#1 v1.5.
Bytes encrypt_for(const crypto::PublicKey& key, const char* oaep, ByteView plaintext) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  REQUIRE(EVP_PKEY_encrypt_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_padding_mode", oaep == nullptr ? "pkcs1" : "oaep") == 1);
  if (oaep != nullptr) REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_oaep_md", oaep) == 1);
  Bytes out(key.rsa_modulus_bytes());
  std::size_t size = out.size();
  REQUIRE(EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.data(), plaintext.size()) == 1);
  return out;
}

}  // namespace

TEST_CASE("user crypto methods: an unknown key wins over everything else that is wrong") {
  Device device;
  SecureKeyStore& store = *device.engine;
  TestIssuer issuer(store);
  REQUIRE(issuer.open());
  const KeyHandle open = issuer.create_certified_key(key_request()).value().handle;
  for (const UserMethod& method : user_methods())
    for (const KeyHandle key : {KeyHandle{0}, open, KeyHandle{99}}) {
      CAPTURE(method.name);
      CAPTURE(key.value);
      CHECK(status_of(method.run(store, {key, "x", Bytes(20000), Bytes(1), "1234", true})) == Status::no_key);
    }
  CHECK(is_open(store, issuer.handle()));
}

TEST_CASE("user crypto methods: the PIN is looked at before anything else, and counts whatever the call is worth") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_pin_key(store).key;
  for (const UserMethod& method : user_methods()) {
    CAPTURE(method.name);
    const auto nonsense = [&](const std::string& pin) {
      return status_of(method.run(store, {key, "x", Bytes(20000), Bytes(1), pin}));
    };
    CHECK(nonsense("9999") == Status::authorization);
    CHECK(nonsense("") == Status::authorization);
    CHECK(pin_errors(store, key) == 2);
    CHECK(nonsense("1234") == (method.limits_data ? Status::option : Status::algorithm));
    CHECK(pin_errors(store, key) == 0);
  }
  for (int attempt = 0; attempt < 3; ++attempt)
    CHECK(status_of_call(store, "performHmac", {key, kHmacSha1, {}, {}, "9999"}) == Status::authorization);
  for (const UserMethod& method : user_methods())
    CHECK(status_of(method.run(store, {key, kEcdsaSha256, Bytes(32), {}, "1234"})) == Status::authorization);
  CHECK(pin_errors(store, key) == 3);
}

TEST_CASE("user crypto methods: a key without PIN takes none, and biometrics where they do not fit are refused") {
  Device device;
  SecureKeyStore& store = *device.engine;
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.method);
    const KeyHandle key = provision_for(store, sample.key);
    CHECK(status_of_call(store, sample.method, {key, "x", {}, {}, "1234"}) == Status::option);
    CHECK(status_of_call(store, sample.method, {key, "x", {}, {}, "", true}) == Status::option);
    CHECK(status_of_call(store, sample.method, {key, "x", {}, {}, ""}) == Status::algorithm);
  }
}

TEST_CASE("user crypto methods: symmetric keys are protected by their PIN too") {
  Device device;
  SecureKeyStore& store = *device.engine;
  TestIssuer issuer(store);
  REQUIRE(issuer.open());
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const KeyHandle key = issuer.create_certified_key(key_request(policy, "1234")).value().handle;
  REQUIRE(issuer.import_symmetric_key(key, issuer.encrypt(Bytes(16, 1))));
  REQUIRE(issuer.close());
  CHECK(status_of_call(store, "performHmac", {key, kHmacSha1, {}, {}, "4321"}) == Status::authorization);
  CHECK(status_of_call(store, "symmetricKeyEncrypt", {key, kAes128, {}, {}, "4321"}) == Status::authorization);
  CHECK(pin_errors(store, key) == 2);
  CHECK(status_of_call(store, "symmetricKeyEncrypt", {key, kAes128, {}, {}, "1234"}) == std::nullopt);
  CHECK(pin_errors(store, key) == 0);
}

TEST_CASE("user crypto methods: a suspended key refuses before any PIN is looked at") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_pin_key(store).key;
  REQUIRE(store.deactivate({ProvisioningHandle{}, key, secret("1234"), {}}));
  for (const UserMethod& method : user_methods())
    for (const char* const pin : {"1234", "9999", ""}) {
      CAPTURE(method.name);
      CHECK(status_of(method.run(store, {key, "x", Bytes(20000), Bytes(1), pin})) == Status::not_allowed);
    }
  CHECK(pin_errors(store, key) == 0);
  REQUIRE(store.activate({ProvisioningHandle{}, key, secret("1234"), {}}));
  CHECK(status_of_call(store, "signData", {key, kEcdsaSha256, {}, {}, "1234"}) == std::nullopt);
}

TEST_CASE("user crypto methods: data beyond cryptoDataSize is refused before the algorithm is looked at") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const std::size_t limit = store.get_device_info()->crypto_data_size;
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.method);
    const KeyHandle key = provision_for(store, sample.key);
    const bool limited = user_method(sample.method).limits_data;
    CHECK(status_of_call(store, sample.method, {key, "x", Bytes(limit)}) == Status::algorithm);
    CHECK(status_of_call(store, sample.method, {key, "x", Bytes(limit + 1)}) ==
          (limited ? Status::option : Status::algorithm));
    if (!limited)
      CHECK(status_of_call(store, sample.method, {key, sample.algorithm, Bytes(limit + 1)}) == Status::crypto);
  }
  const KeyHandle ec = provision_key(store, "ec.nist.p256");
  CHECK(status_of_call(store, "signData", {ec, kEcdsaSha256, Bytes(limit)}) == std::nullopt);
  const KeyHandle symmetric = provision_symmetric_key(store, Bytes(16, 1));
  CHECK(status_of_call(store, "performHmac", {symmetric, kHmacSha1, Bytes(limit)}) == std::nullopt);
  for (const CipherMode mode : {CipherMode::encrypt, CipherMode::decrypt})
    CHECK(status_of_call(store, "symmetricKeyEncrypt", {symmetric, kAesEcb, Bytes(limit), {}, "", false, mode}) ==
          std::nullopt);
}

TEST_CASE("6.4 a: what is not announced is refused by every method") {
  Device device;
  SecureKeyStore& store = *device.engine;
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.method);
    const KeyHandle key = provision_for(store, sample.key);
    for (const std::string& uri :
         {std::string(), std::string("x"), sample.algorithm + "x", sample.algorithm.substr(1), kXmlEnc + "kw-aes128",
          kXmlEnc + "kw-aes256", kSks + "aes.ecb", kSks + "aes.cbc.nopad", kSks + "RSA2048",
          std::string("http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
          std::string("http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1"), std::string("urn:sks:ext:aes.ecb")}) {
      CAPTURE(uri);
      CHECK(status_of_call(store, sample.method, {key, uri, Bytes(sample.data), Bytes(1)}) == Status::algorithm);
    }
  }
}

TEST_CASE("6.4 b and c: a method takes the algorithms of its category only, with keys of their kind") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const Keys keys(store);
  // Which method executes what; everything else belongs to none.
  std::map<std::string, std::vector<std::string>> methods_of;
  for (const char* const hash : {"sha256", "sha384", "sha512"})
    for (const char* const type : {"rsa-", "ecdsa-"})
      methods_of[kDsigMore + type + hash] = {"signData", "signHashedData"};
  for (const char* const hash : {"sha256", "sha384", "sha512"})
    methods_of["http://www.w3.org/2007/05/xmldsig-more#" + std::string(hash) + "-rsa-MGF1"] = {"signData",
                                                                                               "signHashedData"};
  methods_of["http://www.w3.org/2009/xmlenc11#rsa-oaep"] = {"asymmetricKeyDecrypt"};
  for (const char* const name : {"aes.cbc.nopad", "aes.ctr", "aes.gcm", "aes.kw", "aes.kwp"})
    methods_of["urn:sks:ext:" + std::string(name)] = {"symmetricKeyEncrypt"};
  methods_of[kSks + "ed25519"] = methods_of[kSks + "ed448"] = {"signData"};
  methods_of[kSks + "rsa.pkcs1.none"] = methods_of[kSks + "ecdsa.none"] = {"signHashedData"};
  for (const char* const name : {"rsa.es.pkcs1_5", "rsa.oaep.sha1", "rsa.oaep.sha256"})
    methods_of[kSks + name] = {"asymmetricKeyDecrypt"};
  methods_of[kEcdhRaw] = {"keyAgreement"};
  for (const std::string& uri : {kHmacSha1, kHmacSha256, kDsigMore + "hmac-sha384", kDsigMore + "hmac-sha512"})
    methods_of[uri] = {"performHmac"};
  for (const std::string& uri : {kAes128, kXmlEnc + "aes192-cbc", kXmlEnc + "aes256-cbc", kAesCbc, kAesEcb})
    methods_of[uri] = {"symmetricKeyEncrypt"};

  const DeviceInfo info = store.get_device_info().value();
  for (const std::string& uri : info.supported_algorithms) {
    CAPTURE(uri);
    const auto& runs = methods_of[uri];
    const bool is_symmetric = !runs.empty() && (runs[0] == "performHmac" || runs[0] == "symmetricKeyEncrypt");
    for (const UserMethod& method : user_methods()) {
      CAPTURE(method.name);
      const bool belongs = std::find(runs.begin(), runs.end(), method.name) != runs.end();
      for (const char* const sort : {"ec.nist.p256", "rsa1024", "ed25519", "x25519", "symmetric16"}) {
        CAPTURE(sort);
        const bool right_sort = is_symmetric == (std::string(sort) == "symmetric16");
        // Parameters are the first thing a method asks about once the algorithm fits.
        const MaybeStatus status = status_of(method.run(store, {keys[sort], uri, Bytes(5), Bytes(3)}));
        if (!belongs || !right_sort) CHECK(status == Status::algorithm);
      }
    }
  }
}

TEST_CASE("6.4 d: cipher and key length, RSA algorithm and RSA key") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const Keys keys(store);
  const std::map<std::string, std::vector<std::size_t>> lengths{{kAes128, {16}},
                                                                {kXmlEnc + "aes192-cbc", {24}},
                                                                {kXmlEnc + "aes256-cbc", {32}},
                                                                {kAesEcb, {16, 24, 32}},
                                                                {kAesCbc, {16, 24, 32}}};
  for (const auto& cipher : lengths)
    for (const std::size_t size : {1U, 16U, 24U, 32U, 128U}) {
      CAPTURE(cipher.first);
      CAPTURE(size);
      const bool fits = std::find(cipher.second.begin(), cipher.second.end(), size) != cipher.second.end();
      const Bytes parameters = cipher.first == kAesCbc ? kIv : Bytes();
      CHECK(status_of_call(store, "symmetricKeyEncrypt",
                           {keys["symmetric" + std::to_string(size)], cipher.first, Bytes(16), parameters}) ==
            (fits ? MaybeStatus() : Status::option));
    }
  // An HMAC takes any length.
  for (const char* const sort : {"symmetric1", "symmetric24", "symmetric128"})
    CHECK(status_of_call(store, "performHmac", {keys[sort], kHmacSha256, {}}) == std::nullopt);

  const std::vector<std::pair<std::string, std::string>> rsa{{"signData", kRsaSha256},
                                                             {"signHashedData", kRsaSha256},
                                                             {"signHashedData", kSks + "rsa.pkcs1.none"},
                                                             {"asymmetricKeyDecrypt", kRsaEs},
                                                             {"asymmetricKeyDecrypt", kOaepSha256}};
  const std::vector<std::pair<std::string, std::string>> others{{"signData", kEcdsaSha256},
                                                                {"signData", kSks + "ed25519"},
                                                                {"signHashedData", kEcdsaSha256},
                                                                {"signHashedData", kSks + "ecdsa.none"},
                                                                {"keyAgreement", kEcdhRaw}};
  for (const auto& run : rsa)
    for (const char* const sort : {"ec.nist.p256", "ed25519", "ed448", "x25519", "x448"})
      CHECK(status_of_call(store, run.first, {keys[sort], run.second, Bytes(32), Bytes(1)}) == Status::algorithm);
  for (const auto& run : others)
    CHECK(status_of_call(store, run.first, {keys["rsa1024"], run.second, Bytes(32), Bytes(1)}) == Status::algorithm);
}

TEST_CASE("6.4 e: only endorsed algorithms run, after the key's length was looked at, and #none forbids all") {
  Device device;
  SecureKeyStore& store = *device.engine;
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.method);
    const KeyHandle nothing = provision_for(store, sample.key, {kSks + "none"});
    CHECK(status_of_call(store, sample.method, {nothing, sample.algorithm, Bytes(sample.data), Bytes(1)}) ==
          Status::algorithm);
    CHECK(status_of_call(store, sample.method, {nothing, kSks + "none", Bytes(sample.data)}) == Status::algorithm);
    const KeyHandle only = provision_for(store, sample.key, {sample.algorithm});
    // Not refused for the algorithm: what comes next is.
    CHECK(status_of_call(store, sample.method, {only, sample.algorithm, Bytes(sample.data), Bytes(1)}) ==
          Status::option);
  }
  const KeyHandle key = provision_symmetric_key(store, Bytes(24, 1), {kHmacSha1});
  CHECK(status_of_call(store, "performHmac", {key, kHmacSha1, {}}) == std::nullopt);
  CHECK(status_of_call(store, "performHmac", {key, kHmacSha256, {}}) == Status::algorithm);
  CHECK(status_of_call(store, "symmetricKeyEncrypt", {key, kAesEcb, {}}) == Status::algorithm);
  CHECK(status_of_call(store, "symmetricKeyEncrypt", {key, kAes128, {}}) == Status::option);
}

TEST_CASE("6.4 f: EC, EdDSA and XDH are only told apart by the operation") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const Keys keys(store);
  const auto status = [&](const char* method, const char* sort, const std::string& uri, const Bytes& data) {
    return status_of_call(store, method, {keys[sort], uri, data});
  };
  for (const char* const sort : {"ed25519", "ed448", "x25519", "x448"}) {
    CAPTURE(sort);
    CHECK(status("signData", sort, kEcdsaSha256, Bytes(5)) == Status::crypto);
    CHECK(status("signHashedData", sort, kEcdsaSha256, Bytes(32)) == Status::crypto);
    CHECK(status("signHashedData", sort, kSks + "ecdsa.none", Bytes(32)) == Status::crypto);
    CHECK(status_of_call(store, "signData", {keys[sort], kEcdsaSha256, Bytes(5), Bytes(1)}) == Status::option);
    CHECK(status("keyAgreement", sort, kEcdhRaw, peer_of("ec.nist.p256")) == Status::crypto);
  }
  for (const char* const sort : {"ec.nist.p256", "ed448", "x25519", "x448"})
    CHECK(status("signData", sort, kSks + "ed25519", Bytes(5)) == Status::crypto);
  for (const char* const sort : {"ec.nist.p256", "ed25519", "x25519", "x448"})
    CHECK(status("signData", sort, kSks + "ed448", Bytes(5)) == Status::crypto);
}

TEST_CASE("signData and signHashedData: parameters and the length of the hash come before the signature") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle rsa = provision_key(store, "rsa1024");
  const KeyHandle ec = provision_key(store, "ec.nist.p256");
  CHECK(status_of_call(store, "signData", {rsa, kRsaSha256, Bytes(5), Bytes(1)}) == Status::option);
  CHECK(status_of_call(store, "signHashedData", {rsa, kRsaSha256, Bytes(32), Bytes(1)}) == Status::option);
  // Too long to be signed, but that is seen last.
  CHECK(status_of_call(store, "signHashedData", {rsa, kSks + "rsa.pkcs1.none", Bytes(118), Bytes(1)}) ==
        Status::option);
  CHECK(status_of_call(store, "signHashedData", {rsa, kSks + "rsa.pkcs1.none", Bytes(118)}) == Status::crypto);
  CHECK(status_of_call(store, "signHashedData", {ec, kSks + "ecdsa.none", Bytes(65), Bytes(1)}) == Status::option);
  CHECK(status_of_call(store, "signHashedData", {ec, kSks + "ecdsa.none", Bytes(65)}) == Status::crypto);
  const std::vector<std::pair<std::string, std::size_t>> hashes{{"sha256", 32}, {"sha384", 48}, {"sha512", 64}};
  for (const auto& hash : hashes)
    for (const std::size_t size : {0U, 20U, 31U, 32U, 33U, 47U, 48U, 49U, 63U, 64U, 65U}) {
      CAPTURE(hash.first);
      CAPTURE(size);
      const MaybeStatus expected = size == hash.second ? MaybeStatus() : Status::option;
      CHECK(status_of_call(store, "signHashedData", {rsa, kDsigMore + "rsa-" + hash.first, Bytes(size)}) == expected);
      CHECK(status_of_call(store, "signHashedData", {ec, kDsigMore + "ecdsa-" + hash.first, Bytes(size)}) == expected);
    }
}

TEST_CASE("asymmetricKeyDecrypt: opens what OpenSSL encrypted for the key's certificate") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const std::map<std::string, std::pair<const char*, std::size_t>> paddings{
      {kRsaEs, {nullptr, 11}}, {kSks + "rsa.oaep.sha1", {"sha1", 42}}, {kOaepSha256, {"sha256", 66}}};
  for (const char* const sort : {"rsa1024", "rsa2048"}) {
    const KeyHandle key = provision_key(store, sort);
    const crypto::PublicKey public_key = public_key_of(store, key);
    for (const auto& padding : paddings) {
      CAPTURE(padding.first);
      const char* const oaep = padding.second.first;
      for (const std::size_t size :
           {std::size_t{0}, std::size_t{19}, public_key.rsa_modulus_bytes() - padding.second.second}) {
        const Bytes plaintext(size, 0x35);
        Bytes ciphertext = encrypt_for(public_key, oaep, plaintext);
        const auto run = [&](const Bytes& data, const Bytes& parameters) {
          return user_method("asymmetricKeyDecrypt").run(store, {key, padding.first, data, parameters});
        };
        CHECK(run(ciphertext, {}).value() == plaintext);
        CHECK(status_of(run(ciphertext, Bytes(1))) == Status::option);
        CHECK(status_of(run(Bytes(3), Bytes(1))) == Status::option);
        CHECK(status_of(run({}, {})) == Status::crypto);
        CHECK(status_of(run(concat({ciphertext, Bytes(1)}), {})) == Status::crypto);
        CHECK(status_of(run(Bytes(ciphertext.begin() + 1, ciphertext.end()), {})) == Status::crypto);
      }
    }
    CHECK(status_of_call(store, "asymmetricKeyDecrypt", {key, kRsaEs, encrypt_for(public_key, "sha1", {})}) ==
          Status::crypto);
    CHECK(status_of_call(store, "asymmetricKeyDecrypt", {key, kOaepSha256, encrypt_for(public_key, "sha1", {})}) ==
          Status::crypto);
  }
}

TEST_CASE("keyAgreement: first parameters, then what the public key is, then whether it fits") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const Keys keys(store);
  const auto agree = [&](const std::string& sort, const Bytes& peer, const Bytes& parameters = {}) {
    return status_of_call(store, "keyAgreement", {keys[sort], kEcdhRaw, peer, parameters});
  };
  for (const char* const sort : {"ec.nist.p256", "ec.nist.p384", "ed25519", "ed448", "x25519", "x448"}) {
    CAPTURE(sort);
    CHECK(agree(sort, Bytes(5), Bytes(1)) == Status::option);
    CHECK(agree(sort, Bytes(5)) == Status::crypto);
    CHECK(agree(sort, {}) == Status::crypto);
    Bytes off_curve = peer_of("ec.nist.p256");
    off_curve.back() = static_cast<std::uint8_t>(off_curve.back() ^ 1U);
    CHECK(agree(sort, off_curve) == Status::crypto);
    CHECK(agree(sort, peer_of("rsa1024")) == Status::option);
    CHECK(agree(sort, peer_of("ed25519")) == Status::option);
    CHECK(agree(sort, peer_of("ed448")) == Status::option);
    for (const char* const peer :
         {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ec.brainpool.p256r1", "ec.secg.p256k1", "x25519", "x448"}) {
      CAPTURE(peer);
      CHECK(agree(sort, peer_of(peer)) == (std::string(sort) == peer ? MaybeStatus() : Status::crypto));
    }
  }
  for (const VectorBlock& block : read_vectors("crypto/refused-spki.vec")) {
    const std::string what = block.text("What");
    CAPTURE(what);
    const MaybeStatus status = agree("ec.nist.p256", block.hex("Spki"));
    REQUIRE(status);
    CHECK(to_string(*status) == block.text("Status"));
  }
  for (const VectorBlock& block : read_vectors("crypto/low-order.vec")) {
    const std::string what = block.text("What");
    CAPTURE(what);
    CHECK(agree(what.starts_with("X448") ? "x448" : "x25519", block.hex("Spki")) == Status::crypto);
  }
}

TEST_CASE("keyAgreement: gives the values of RFC 7748 and of the OpenSSL command line") {
  Device device;
  for (const char* const file : {"crypto/agreement.vec", "crypto/keys.vec"})
    for (const VectorBlock& block : read_vectors(file)) {
      for (const char* const name : {"Source", "Kind", "Spki", "Msg", "Rsa-sha256", "Rsa-sha384", "Rsa-sha512",
                                     "Rsa-none", "Ecdsa-sha256-der", "Ed25519", "Ed448"})
        if (block.has(name)) block.text(name);
      const Bytes pkcs8 = block.hex("Pkcs8");
      if (!block.has("Z")) continue;
      const KeyHandle key = provision_known_key(device, pkcs8);
      const Result<Bytes> secret = user_method("keyAgreement").run(*device.engine, {key, kEcdhRaw, block.hex("Peer")});
      REQUIRE(secret);
      CHECK(to_hex(*secret) == block.text("Z"));
    }
}

TEST_CASE("performHmac: the values of RFC 2202 and RFC 4231, with keys of any length") {
  Device device;
  const std::map<std::string, std::string> uris{{"sha1", kHmacSha1},
                                                {"sha256", kHmacSha256},
                                                {"sha384", kDsigMore + "hmac-sha384"},
                                                {"sha512", kDsigMore + "hmac-sha512"}};
  int checked = 0;
  for (const VectorBlock& block : read_vectors("crypto/hmac.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const std::string uri = uris.at(block.text("Hash"));
    const Bytes secret_key = block.hex("Key");
    const Bytes message = block.hex("Msg");
    const std::string mac = block.text("Mac");
    if (secret_key.size() > 128) continue;  // longer than a symmetric key may be
    const KeyHandle key = provision_symmetric_key(*device.engine, secret_key);
    const Result<Bytes> result = user_method("performHmac").run(*device.engine, {key, uri, message});
    REQUIRE(result);
    CHECK(to_hex(*result) == mac);
    CHECK(status_of_call(*device.engine, "performHmac", {key, uri, message, Bytes(1)}) == Status::option);
    ++checked;
  }
  CHECK(checked == 20);
}

TEST_CASE("symmetricKeyEncrypt: the values of SP 800-38A in every mode") {
  Device device;
  SecureKeyStore& store = *device.engine;
  for (const VectorBlock& block : read_vectors("crypto/aes.vec")) {
    const std::string source = block.text("Source");
    CAPTURE(source);
    const Bytes iv = block.hex("Iv");
    const Bytes plaintext = block.hex("Plaintext");
    const Bytes ciphertext = concat({block.hex("Cbc"), block.hex("Last")});
    const Bytes aes_key = block.hex("Key");
    const KeyHandle key = provision_symmetric_key(store, aes_key);
    const std::string internal = kXmlEnc + "aes" + std::to_string(8 * aes_key.size()) + "-cbc";
    const auto run = [&](const std::string& uri, CipherMode mode, const Bytes& data, const Bytes& parameters = {}) {
      return user_method("symmetricKeyEncrypt").run(store, {key, uri, data, parameters, "", false, mode}).value();
    };
    device.random.queue(iv);
    CHECK(run(internal, CipherMode::encrypt, plaintext) == concat({iv, ciphertext}));
    CHECK(run(internal, CipherMode::decrypt, concat({iv, ciphertext})) == plaintext);
    CHECK(run(internal, CipherMode::encrypt, plaintext) != run(internal, CipherMode::encrypt, plaintext));
    CHECK(run(kAesCbc, CipherMode::encrypt, plaintext, iv) == ciphertext);
    CHECK(run(kAesCbc, CipherMode::decrypt, ciphertext, iv) == plaintext);
    CHECK(run(kAesEcb, CipherMode::encrypt, plaintext) == block.hex("Ecb"));
    CHECK(run(kAesEcb, CipherMode::decrypt, block.hex("Ecb")) == plaintext);
  }
}

TEST_CASE("symmetricKeyEncrypt: every row of its step table") {
  Device device;
  const KeyHandle key = provision_symmetric_key(*device.engine, Bytes(16, 0x42));
  constexpr CipherMode kEncrypt = CipherMode::encrypt;
  constexpr CipherMode kDecrypt = CipherMode::decrypt;
  struct Case {
    std::string algorithm;
    CipherMode mode;
    std::size_t data;
    std::size_t parameters;
    MaybeStatus expected;
  };
  const MaybeStatus fine;
  for (const Case& c : {
           Case{kAes128, kEncrypt, 5, 1, Status::option},
           Case{kAes128, kEncrypt, 5, 16, Status::option},
           Case{kAes128, kDecrypt, 0, 16, Status::option},
           Case{kAesEcb, kEncrypt, 16, 16, Status::option},
           Case{kAesEcb, kDecrypt, 16, 1, Status::option},
           Case{kAesCbc, kEncrypt, 5, 0, Status::option},
           Case{kAesCbc, kEncrypt, 5, 15, Status::option},
           Case{kAesCbc, kEncrypt, 5, 17, Status::option},
           Case{kAesCbc, kDecrypt, 16, 0, Status::option},
           Case{kAes128, kDecrypt, 15, 0, Status::option},
           Case{kAes128, kDecrypt, 33, 0, Status::option},
           Case{kAesCbc, kDecrypt, 15, 16, Status::option},
           Case{kAesEcb, kDecrypt, 15, 0, Status::option},
           Case{kAesEcb, kEncrypt, 17, 0, Status::option},
           Case{kAes128, kDecrypt, 0, 0, Status::internal},
           Case{kAesCbc, kDecrypt, 0, 16, fine},
           Case{kAesEcb, kDecrypt, 0, 0, fine},
           Case{kAesEcb, kEncrypt, 0, 0, fine},
           Case{kAes128, kEncrypt, 0, 0, fine},
           Case{kAes128, kEncrypt, 15, 0, fine},
           Case{kAesCbc, kEncrypt, 0, 16, fine},
           Case{kAesCbc, kEncrypt, 17, 16, fine},
           Case{kAes128, kDecrypt, 16, 0, fine},
           Case{kAesEcb, kDecrypt, 32, 0, fine},
       }) {
    CAPTURE(c.algorithm);
    CAPTURE(c.data);
    CAPTURE(c.parameters);
    CHECK(status_of_call(*device.engine, "symmetricKeyEncrypt",
                         {key, c.algorithm, Bytes(c.data), Bytes(c.parameters), "", false, c.mode}) == c.expected);
  }
}

TEST_CASE("symmetricKeyEncrypt: padding must be strict PKCS#7") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle key = provision_symmetric_key(store, Bytes(16, 0x42));
  const auto ecb = [&](const Bytes& block) {
    return user_method("symmetricKeyEncrypt").run(store, {key, kAesEcb, block}).value();
  };
  // One block that decrypts to `last` under an IV of zeros.
  const auto decrypt = [&](const Bytes& last, const std::string& uri) {
    const Bytes iv(16);
    const bool internal = uri != kAesCbc;
    return user_method("symmetricKeyEncrypt")
        .run(store, {key, uri, internal ? concat({iv, ecb(last)}) : ecb(last), internal ? Bytes() : iv, "", false,
                     CipherMode::decrypt});
  };
  for (const std::string& uri : {kAes128, kAesCbc}) {
    CHECK(decrypt(Bytes(16, 16), uri).value().empty());
    Bytes block(16, 4);
    block[11] = 0x77;
    CHECK(decrypt(block, uri)->size() == 12);
    // XML Encryption fills up with anything; so does nobody here.
    block[13] = 0x55;
    CHECK(status_of(decrypt(block, uri)) == Status::crypto);
    for (const std::uint8_t last : {std::uint8_t{0}, std::uint8_t{17}, std::uint8_t{255}}) {
      Bytes bad(16, last);
      CHECK(status_of(decrypt(bad, uri)) == Status::crypto);
    }
  }
  // The empty result of an IV alone.
  CHECK(user_method("symmetricKeyEncrypt")
            .run(store, {key, kAes128, kIv, {}, "", false, CipherMode::decrypt})
            .value()
            .empty());
}

}  // namespace sks::test
