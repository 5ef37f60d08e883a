#include "tests/sks-core/capi/calls.h"

#include "sks-core/crypto/x509.h"
#include "tests/sks-core/capi/c_store.h"

using namespace sks;
using namespace sks::test;

namespace {

/// Key material for callers in C.
struct Parts {
  crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  SecureBytes pkcs8 = key.to_pkcs8().value();
  SecureBytes other = generate_key(kSks + "ec.nist.p256").to_pkcs8().value();
  Bytes certificate = crypto::issue_certificate({crypto::CertificateKind::device,
                                                 crypto::parse_dn("CN=C device").value(),
                                                 1577836800,
                                                 4102444800,
                                                 {},
                                                 {},
                                                 {}},
                                                key.public_key(), nullptr, key)
                          .value()
                          .der();
  device_parts c{to_c(certificate), to_c(pkcs8.view()), to_c(other.view())};
};

struct KeyOfSession {
  KeyHandle key;
  ProvisioningHandle session;
};

KeyOfSession provision(SecureKeyStore& store, KeyEntryRequest request) {
  TestIssuer issuer(store);
  REQUIRE(issuer.open());
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  return {key, issuer.handle()};
}

crypto::PublicKey certified_key(sks_store* store, KeyHandle key) {
  sks_key_attributes* attributes = nullptr;
  REQUIRE(sks_get_key_attributes(store, key.value, &attributes, nullptr) == SKS_OK);
  const sks_bytes certificate = attributes->certificates[0];
  crypto::PublicKey found =
      crypto::Certificate::from_der(ByteView(certificate.data, certificate.size)).value().public_key().value();
  sks_key_attributes_free(attributes);
  return found;
}

}  // namespace

TEST_CASE("sks.h: wrong arguments are refused, in C") {
  const Parts parts;
  CHECK(misuse_of_texts() == 0);
  CHECK(misuse_of_open(&parts.c) == 0);
  CHECK(misuse_of_open_ports(&parts.c) == 0);
  CHECK(misuse_of_handles(&parts.c) == 0);
}

TEST_CASE("sks.h: wrong arguments of an open store are refused, in C, and do no harm") {
  CDevice device;
  device.open();
  const KeyOfSession made = provision(*device.api, key_request());
  const auto before = device.storage.records;
  CHECK(misuse_of_transact(device.store) == 0);
  CHECK(misuse_of_queries(device.store, made.key.value) == 0);
  CHECK(misuse_of_operations(device.store, made.key.value) == 0);
  CHECK(device.storage.records == before);
  CHECK(ordinary_use(device.store, made.key.value, made.session.value) == 0);
}

TEST_CASE("sks.h: a store of a PKCS#8 identity and no storage works and forgets") {
  const Parts parts;
  CDevice device;
  device.identity.sign = nullptr;
  device.identity.private_key = parts.c.private_key;
  device.identity.certificate_path = &parts.c.certificate;
  device.options.storage = nullptr;
  device.open();
  TestIssuer issuer(*device.api);
  issuer.request.privacy_enabled = false;
  REQUIRE(issuer.open(parts.certificate));
  CHECK(issuer.session_attestation_holds(&parts.key.public_key()));
  CHECK(issuer.close());
  const KeyOfSession made = provision(*device.api, key_request());
  CHECK(ordinary_use(device.store, made.key.value, made.session.value) == 0);
  device.restart();
  CHECK(all_keys(*device.api).empty());
}

TEST_CASE("sks.h: signatures over a message and over its hash verify with the certified key") {
  CDevice device;
  device.open();
  const KeyHandle key = provision(*device.api, key_request()).key;
  const crypto::PublicKey verifier = certified_key(device.store, key);
  const ByteView message = as_bytes("a message");
  const sks_operation ecdsa = operation(key, kEcdsaSha256);
  sks_buffer out{};
  REQUIRE(sks_sign_data(device.store, &ecdsa, message.data(), message.size(), &out, nullptr) == SKS_OK);
  CHECK(crypto::verify_signature(verifier, message, take(out)));
  const crypto::Sha256Digest hash = crypto::sha256(message);
  REQUIRE(sks_sign_hash(device.store, &ecdsa, hash.data(), hash.size(), &out, nullptr) == SKS_OK);
  const Bytes of_hash = take(out);
  CHECK(crypto::verify_signature(verifier, message, of_hash));
  CHECK_FALSE(crypto::verify_signature(verifier, as_bytes("another"), of_hash));
}

TEST_CASE("sks.h: sks_agree makes the secret that the peer makes") {
  CDevice device;
  device.open();
  const KeyHandle key = provision(*device.api, key_request()).key;
  const crypto::PrivateKey peer = generate_key(kSks + "ec.nist.p256");
  const std::string algorithm = kSks + "ecdh.raw";
  const sks_operation ecdh = operation(key, algorithm);
  const Bytes& spki = peer.public_key().spki();
  sks_buffer out{};
  REQUIRE(sks_agree(device.store, &ecdh, spki.data(), spki.size(), &out, nullptr) == SKS_OK);
  CHECK(equal(take(out), peer.agree(certified_key(device.store, key)).value().view()));
}

TEST_CASE("sks.h: sks_decrypt decrypts what OpenSSL has encrypted, to nothing too") {
  CDevice device;
  device.open();
  KeyEntryRequest request = key_request();
  request.key_algorithm = kSks + "rsa2048";
  const KeyHandle key = provision(*device.api, std::move(request)).key;
  const crypto::PublicKey recipient = certified_key(device.store, key);
  const std::string algorithm = kSks + "rsa.es.pkcs1_5";
  const sks_operation decryption = operation(key, algorithm);
  for (const std::string_view text : {"secret", ""}) {
    CAPTURE(text);
    const ossl::PkeyCtx context(EVP_PKEY_CTX_new(recipient.openssl(), nullptr));
    Bytes encrypted(256);
    std::size_t size = encrypted.size();
    REQUIRE(EVP_PKEY_encrypt_init(context.get()) == 1);
    REQUIRE(EVP_PKEY_encrypt(context.get(), encrypted.data(), &size, as_bytes(text).data(), text.size()) == 1);
    sks_buffer out{};
    REQUIRE(sks_decrypt(device.store, &decryption, encrypted.data(), size, &out, &device.error) == SKS_OK);
    CHECK(out.data != nullptr);
    CHECK(to_string(take(out)) == text);
  }
}

TEST_CASE("sks.h: PINs are checked, counted and reported") {
  CDevice device;
  device.open();
  const KeyHandle key = provision_pin_key(*device.api).key;
  const auto sign = [&](std::string_view pin) {
    const sks_operation signing = operation(key, kEcdsaSha256, pin);
    sks_buffer out{};
    const sks_status status = sks_sign_data(device.store, &signing, nullptr, 0, &out, &device.error);
    sks_buffer_free(&out);
    return status;
  };
  CHECK(sign("1234") == SKS_OK);
  CHECK(sign("") == SKS_ERROR_AUTHORIZATION);
  CHECK(sign("9999") == SKS_ERROR_AUTHORIZATION);
  sks_key_protection_info info{};
  info.struct_size = sizeof info;
  REQUIRE(sks_get_key_protection_info(device.store, key.value, &info, nullptr) == SKS_OK);
  CHECK(info.protection_status == (SKS_PIN_PROTECTED | SKS_PUK_PROTECTED));
  CHECK(info.retry_limit == 3);
  CHECK(info.pin_error_count == 2);
  CHECK(info.puk_retry_limit == 3);
  CHECK(info.min_length == 4);
  CHECK(info.max_length == 8);
  CHECK(info.user_defined == 1);
  CHECK(info.user_modifiable == 1);
  CHECK(sign("9999") == SKS_ERROR_AUTHORIZATION);
  CHECK(sign("1234") == SKS_ERROR_AUTHORIZATION);
  REQUIRE(sks_get_key_protection_info(device.store, key.value, &info, nullptr) == SKS_OK);
  CHECK((info.protection_status & SKS_PIN_BLOCKED) != 0);
  device.restart();
  CHECK(sign("1234") == SKS_ERROR_AUTHORIZATION);
}

TEST_CASE("sks.h: attributes list endorsed algorithms and extensions") {
  CDevice device;
  device.open();
  TestIssuer issuer(*device.api);
  REQUIRE(issuer.open());
  KeyEntryRequest request = key_request();
  request.endorsed_algorithms = {kDsigMore + "ecdsa-sha256", kDsigMore + "ecdsa-sha512"};
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.add_extension(key, {"https://example.com/logo", 0, "", {1, 2, 3}, {}}));
  REQUIRE(issuer.close());
  sks_key_attributes* attributes = nullptr;
  REQUIRE(sks_get_key_attributes(device.store, key.value, &attributes, nullptr) == SKS_OK);
  REQUIRE(attributes->endorsed_algorithm_count == 2);
  CHECK(attributes->endorsed_algorithms[0].data == kDsigMore + "ecdsa-sha256");
  CHECK(attributes->endorsed_algorithms[1].data == kDsigMore + "ecdsa-sha512");
  REQUIRE(attributes->extension_type_count == 1);
  CHECK(attributes->extension_types[0].data == std::string("https://example.com/logo"));
  sks_key_attributes_free(attributes);
}
