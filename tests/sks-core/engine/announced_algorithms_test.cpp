#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <set>
#include <thread>

#include "sks-core/crypto/hash.h"
#include "tests/sks-core/engine/user_calls.h"

// What getDeviceInfo announces is what runs: spec/sks-api.md 6.1; spec/sks-extensions.md, Algorithms.
namespace sks::test {
namespace {

const Bytes kMessage(40, 0x4D);

/// Keys shared by the trials of one device.
class Bench {
 public:
  explicit Bench(SecureKeyStore& store) : store_(store) {}
  SecureKeyStore& store() { return store_; }
  KeyHandle key(const std::string& algorithm) {
    if (!keys_.contains(algorithm)) keys_[algorithm] = provision_key(store_, algorithm);
    return keys_[algorithm];
  }
  KeyHandle symmetric_key(std::size_t size) {
    if (!symmetric_keys_.contains(size)) symmetric_keys_[size] = provision_symmetric_key(store_, Bytes(size, 0x42));
    return symmetric_keys_[size];
  }
  Bytes run(const std::string& method, const Call& call) {
    Result<Bytes> result = user_method(method).run(store_, call);
    REQUIRE_MESSAGE(static_cast<bool>(result), call.algorithm);
    return std::move(result).value();
  }

 private:
  SecureKeyStore& store_;
  std::map<std::string, KeyHandle> keys_;
  std::map<std::size_t, KeyHandle> symmetric_keys_;
};

using Trial = std::function<void(Bench&, const std::string& uri)>;

Trial cipher(std::vector<std::size_t> key_sizes, const Bytes& parameters = {}) {
  return [=](Bench& bench, const std::string& uri) {
    for (const std::size_t size : key_sizes) {
      Call call{bench.symmetric_key(size), uri, Bytes(48, 7), parameters};
      const Bytes plaintext = call.data;
      call.data = bench.run("symmetricKeyEncrypt", call);
      CHECK(call.data != plaintext);
      call.mode = CipherMode::decrypt;
      CHECK(bench.run("symmetricKeyEncrypt", call) == plaintext);
    }
  };
}

Trial hmac(const char* md) {
  return [=](Bench& bench, const std::string& uri) {
    const Bytes key(20, 0x42);
    Bytes expected(EVP_MAX_MD_SIZE);
    std::size_t size = 0;
    REQUIRE(EVP_Q_mac(nullptr, "HMAC", nullptr, md, nullptr, key.data(), key.size(), kMessage.data(), kMessage.size(),
                      expected.data(), expected.size(), &size) != nullptr);
    expected.resize(size);
    CHECK(bench.run("performHmac", {bench.symmetric_key(20), uri, kMessage}) == expected);
  };
}

Trial decryption(const char* padding, const char* md, const Bytes& parameters = {}) {
  return [=](Bench& bench, const std::string& uri) {
    const KeyHandle key = bench.key("rsa2048");
    const crypto::PublicKey public_key = public_key_of(bench.store(), key);
    const ossl::PkeyCtx context(EVP_PKEY_CTX_new(public_key.openssl(), nullptr));
    REQUIRE(EVP_PKEY_encrypt_init(context.get()) == 1);
    REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_padding_mode", padding) == 1);
    if (md != nullptr) REQUIRE(EVP_PKEY_CTX_ctrl_str(context.get(), "rsa_oaep_md", md) == 1);
    Bytes ciphertext(256);
    std::size_t size = ciphertext.size();
    REQUIRE(EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, kMessage.data(), kMessage.size()) == 1);
    CHECK(bench.run("asymmetricKeyDecrypt", {key, uri, ciphertext, parameters}) == kMessage);
  };
}

void agreement(Bench& bench, const std::string& uri) {
  for (const char* const name :
       {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ec.brainpool.p256r1", "ec.secg.p256k1", "x25519", "x448"}) {
    CAPTURE(name);
    const KeyHandle key = bench.key(name);
    const crypto::PrivateKey peer = generate_key(kSks + name);
    const SecureBytes secret = peer.agree(public_key_of(bench.store(), key)).value();
    CHECK(equal(bench.run("keyAgreement", {key, uri, peer.public_key().spki()}), secret.view()));
  }
}

Trial signature(std::vector<std::string> keys, const char* md) {
  return [=](Bench& bench, const std::string& uri) {
    const EVP_MD* const hash = EVP_get_digestbyname(md);
    Bytes digest(static_cast<std::size_t>(EVP_MD_get_size(hash)));
    REQUIRE(EVP_Digest(kMessage.data(), kMessage.size(), digest.data(), nullptr, hash, nullptr) == 1);
    for (const std::string& name : keys) {
      CAPTURE(name);
      const KeyHandle key = bench.key(name);
      const crypto::PublicKey public_key = public_key_of(bench.store(), key);
      CHECK(verifies(public_key, hash, kMessage, bench.run("signData", {key, uri, kMessage})));
      CHECK(verifies(public_key, hash, kMessage, bench.run("signHashedData", {key, uri, digest})));
    }
  };
}

Trial rsa_signature(const char* md) { return signature({"rsa1024", "rsa2048", "rsa3072", "rsa4096"}, md); }
Trial ecdsa_signature(const char* md) {
  return signature({"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "ec.brainpool.p256r1", "ec.secg.p256k1"}, md);
}

Trial pss_signature(const char* md) {
  return [=](Bench& bench, const std::string& uri) {
    const KeyHandle key = bench.key("rsa3072");
    const Bytes signature = bench.run("signData", {key, uri, kMessage});
    const crypto::PublicKey public_key = public_key_of(bench.store(), key);
    const ossl::MdCtx context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* settings = nullptr;
    const EVP_MD* const hash = EVP_get_digestbyname(md);
    REQUIRE(EVP_DigestVerifyInit(context.get(), &settings, hash, nullptr, public_key.openssl()) == 1);
    REQUIRE(EVP_PKEY_CTX_ctrl_str(settings, "rsa_padding_mode", "pss") == 1);
    REQUIRE(EVP_PKEY_CTX_ctrl_str(settings, "rsa_pss_saltlen", "digest") == 1);
    CHECK(EVP_DigestVerify(context.get(), signature.data(), signature.size(), kMessage.data(), kMessage.size()) == 1);
    CHECK_FALSE(verifies(public_key, hash, kMessage, signature));
  };
}

void rsa_none(Bench& bench, const std::string& uri) {
  const Bytes prefix{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  const KeyHandle key = bench.key("rsa2048");
  const Bytes signature =
      bench.run("signHashedData", {key, uri, concat({prefix, crypto::digest(HashId::sha256, kMessage)})});
  CHECK(verifies(public_key_of(bench.store(), key), EVP_sha256(), kMessage, signature));
}

void ecdsa_none(Bench& bench, const std::string& uri) {
  const KeyHandle key = bench.key("ec.nist.p521");
  const Bytes signature = bench.run("signHashedData", {key, uri, crypto::sha1(kMessage)});
  CHECK(verifies(public_key_of(bench.store(), key), EVP_sha1(), kMessage, signature));
}

Trial key_generation(KeyKind kind, std::optional<Curve> curve = std::nullopt) {
  return [=](Bench& bench, const std::string& uri) {
    const crypto::PublicKey key = public_key_of(bench.store(), bench.key(uri.substr(kSks.size())));
    CHECK(key.kind() == kind);
    if (curve) CHECK(key.curve() == *curve);
  };
}

Trial edwards(KeyKind kind) {
  return [=](Bench& bench, const std::string& uri) {
    key_generation(kind)(bench, uri);
    const KeyHandle key = bench.key(uri.substr(kSks.size()));
    const Bytes signature = bench.run("signData", {key, uri, kMessage});
    CHECK(verifies(public_key_of(bench.store(), key), nullptr, kMessage, signature));
  };
}

Trial rsa_key(std::size_t bits) {
  return [=](Bench& bench, const std::string& uri) {
    const crypto::PublicKey key = public_key_of(bench.store(), bench.key(uri.substr(kSks.size())));
    CHECK(key.kind() == KeyKind::rsa);
    CHECK(key.rsa_modulus_bytes() == bits / 8);
    CHECK(key.rsa_exponent() == Bytes{1, 0, 1});
  };
}

Trial rsa_key_with_exponent(std::size_t bits) {
  return [=](Bench& bench, const std::string& uri) {
    KeyEntryRequest request = key_request();
    request.key_algorithm = uri;
    request.key_parameters = {0, 3};
    const crypto::PublicKey key = public_key_of(bench.store(), provision_plain_key(bench.store(), std::move(request)));
    CHECK(key.rsa_modulus_bytes() == bits / 8);
    CHECK(key.rsa_exponent() == Bytes{3});
  };
}

void session_algorithm(Bench& bench, const std::string& uri) {
  TestIssuer issuer(bench.store());
  issuer.request.session_key_algorithm = uri;
  CHECK(issuer.open());
}

void key_entry_algorithm(Bench& bench, const std::string& uri) {
  KeyEntryRequest request = key_request();
  request.key_entry_algorithm = uri;
  CHECK(provision_plain_key(bench.store(), std::move(request)).value != 0);
}

void none_algorithm(Bench& bench, const std::string& uri) {
  const KeyHandle key = provision_key(bench.store(), "ec.nist.p256", {uri});
  CHECK(status_of_call(bench.store(), "signData", {key, kEcdsaSha256, kMessage}) == Status::algorithm);
}

const std::map<std::string, Trial>& trials() {
  static const std::map<std::string, Trial> all{
      {kXmlEnc + "aes128-cbc", cipher({16})},
      {kXmlEnc + "aes192-cbc", cipher({24})},
      {kXmlEnc + "aes256-cbc", cipher({32})},
      {kSks + "aes.ecb.nopad", cipher({16, 24, 32})},
      {kSks + "aes.cbc", cipher({16, 24, 32}, Bytes(16, 1))},
      {kHmacSha1, hmac("SHA1")},
      {kHmacSha256, hmac("SHA256")},
      {kDsigMore + "hmac-sha384", hmac("SHA384")},
      {kDsigMore + "hmac-sha512", hmac("SHA512")},
      {kSks + "rsa.es.pkcs1_5", decryption("pkcs1", nullptr)},
      {kSks + "rsa.oaep.sha1", decryption("oaep", "sha1")},
      {kSks + "rsa.oaep.sha256", decryption("oaep", "sha256")},
      {kSks + "ecdh.raw", agreement},
      {kDsigMore + "rsa-sha256", rsa_signature("SHA256")},
      {kDsigMore + "rsa-sha384", rsa_signature("SHA384")},
      {kDsigMore + "rsa-sha512", rsa_signature("SHA512")},
      {kDsigMore + "ecdsa-sha256", ecdsa_signature("SHA256")},
      {kDsigMore + "ecdsa-sha384", ecdsa_signature("SHA384")},
      {kDsigMore + "ecdsa-sha512", ecdsa_signature("SHA512")},
      {kSks + "rsa.pkcs1.none", rsa_none},
      {kSks + "ecdsa.none", ecdsa_none},
      {kSks + "ec.nist.p256", key_generation(KeyKind::ec, Curve::p256)},
      {kSks + "ec.nist.p384", key_generation(KeyKind::ec, Curve::p384)},
      {kSks + "ec.nist.p521", key_generation(KeyKind::ec, Curve::p521)},
      {kSks + "rsa1024", rsa_key(1024)},
      {kSks + "rsa1024.exp", rsa_key_with_exponent(1024)},
      {kSks + "rsa2048", rsa_key(2048)},
      {kSks + "rsa2048.exp", rsa_key_with_exponent(2048)},
      {kSks + "ed25519", edwards(KeyKind::ed25519)},
      {kSks + "rsa3072", rsa_key(3072)},
      {kSks + "rsa3072.exp", rsa_key_with_exponent(3072)},
      {kSks + "rsa4096", rsa_key(4096)},
      {kSks + "rsa4096.exp", rsa_key_with_exponent(4096)},
      {kSks + "ec.brainpool.p256r1", key_generation(KeyKind::ec, Curve::brainpool_p256r1)},
      {kSks + "ec.secg.p256k1", key_generation(KeyKind::ec, Curve::secp256k1)},
      {kSks + "ed448", edwards(KeyKind::ed448)},
      {kSks + "x25519", key_generation(KeyKind::x25519)},
      {kSks + "x448", key_generation(KeyKind::x448)},
      {kSks + "session.1", session_algorithm},
      {kSks + "key.1", key_entry_algorithm},
      {kSks + "none", none_algorithm},
      {"http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", pss_signature("SHA256")},
      {"http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1", pss_signature("SHA384")},
      {"http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1", pss_signature("SHA512")},
      {"http://www.w3.org/2009/xmlenc11#rsa-oaep", decryption("oaep", "sha384", {3, 3})},
      {"urn:sks:ext:aes.cbc.nopad", cipher({16, 24, 32}, Bytes(16, 1))},
      {"urn:sks:ext:aes.ctr", cipher({16, 24, 32}, concat({Bytes{32}, Bytes(16, 1)}))},
      {"urn:sks:ext:aes.gcm", cipher({16, 24, 32}, {0, 1, 7, 16})},
      {"urn:sks:ext:aes.kw", cipher({16, 24, 32})},
      {"urn:sks:ext:aes.kwp", cipher({16, 24, 32})},
  };
  return all;
}

}  // namespace

TEST_CASE("getDeviceInfo: every announced algorithm runs, and no other is announced") {
  Device device;
  Bench bench(*device.engine);
  std::set<std::string> announced;
  const DeviceInfo info = device.engine->get_device_info().value();
  for (const std::string& uri : info.supported_algorithms) {
    CAPTURE(uri);
    CHECK(announced.insert(uri).second);
    const auto trial = trials().find(uri);
    REQUIRE(trial != trials().end());
    trial->second(bench, uri);
  }
  CHECK(announced.size() == trials().size());
}

TEST_CASE("getDeviceInfo: only what is announced can be endorsed or generates keys") {
  Device device;
  const auto create = [&](const std::string& algorithm, std::vector<std::string> endorsed) {
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request();
    request.key_algorithm = algorithm;
    request.endorsed_algorithms = std::move(endorsed);
    return status_of(issuer.create_key_entry(std::move(request)));
  };
  const std::string p256 = kSks + "ec.nist.p256";
  CHECK(create(p256, {}) == std::nullopt);
  const DeviceInfo info = device.engine->get_device_info().value();
  for (const std::string& uri : info.supported_algorithms) {
    CAPTURE(uri);
    const bool special = uri == kSks + "session.1" || uri == kSks + "key.1";
    CHECK(create(p256, {uri}) == (special ? std::optional(Status::option) : std::nullopt));
    CHECK(create(p256, {uri + "x"}) == Status::option);
    CHECK(create(uri + "x", {}) == Status::option);
  }
  for (const std::string& uri : {kSks + "rsa1020", kSks + "ec.secg.p256k", kSks + "rsa2048.ex", kSks + "P-256",
                                 kEcdsaSha256, kSks + "ecdh.raw", kSks + "none", kSks + "session.1"}) {
    CAPTURE(uri);
    CHECK(create(uri, {}) == Status::option);
  }
}

TEST_CASE("user crypto methods: threads use the same keys and different ones at the same time") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle shared = provision_key(store, "ec.nist.p256");
  const KeyHandle symmetric = provision_symmetric_key(store, Bytes(32, 1));
  const KeyHandle pin_key = provision_pin_key(store).key;
  const crypto::PublicKey public_key = public_key_of(store, shared);
  const Bytes peer = generate_key(kSks + "ec.nist.p256").public_key().spki();
  const Bytes secret_value = user_method("keyAgreement").run(store, {shared, kSks + "ecdh.raw", peer}).value();
  const Bytes mac = user_method("performHmac").run(store, {symmetric, kHmacSha256, kMessage}).value();
  std::vector<KeyHandle> own;
  for (const char* const name : {"ec.nist.p256", "rsa1024", "ed25519", "ec.nist.p256"})
    own.push_back(provision_key(store, name));
  const std::vector<std::string> own_algorithms{kEcdsaSha256, kRsaSha256, kSks + "ed25519", kEcdsaSha256};

  std::vector<int> wrong(own.size(), 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < own.size(); ++i)
    threads.emplace_back([&, i] {
      const auto check = [&](bool holds) { wrong[i] += holds ? 0 : 1; };
      for (int round = 0; round < 20; ++round) {
        const auto signature = user_method("signData").run(store, {shared, kEcdsaSha256, kMessage});
        check(signature && verifies(public_key, EVP_sha256(), kMessage, *signature));
        check(!status_of_call(store, "signData", {own[i], own_algorithms[i], kMessage}));
        check(!status_of_call(store, "signData", {pin_key, kEcdsaSha256, kMessage, {}, "1234"}));
        const auto agreed = user_method("keyAgreement").run(store, {shared, kSks + "ecdh.raw", peer});
        check(agreed && *agreed == secret_value);
        const auto code = user_method("performHmac").run(store, {symmetric, kHmacSha256, kMessage});
        check(code && *code == mac);
        const auto sealed =
            user_method("symmetricKeyEncrypt").run(store, {symmetric, kXmlEnc + "aes256-cbc", kMessage});
        check(sealed && sealed->size() == 64);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(own.size(), 0));
}

}  // namespace sks::test
