#include <doctest/doctest.h>
#include <openssl/core_names.h>

#include "key-user-api/token/session_object.h"
#include "tests/key-user-api/token/local_lab.h"

/// Objects that applications bring, and how long they stay. Spec: spec/sksd.md 6.
namespace sks::test {
namespace {

const crypto::PrivateKey& private_key_of(Client& client, std::uint64_t object) {
  return *client.application().find_object(object)->private_key;
}

Bytes number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key, name, &value) == 1);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, bytes.data());
  BN_free(value);
  return bytes;
}

}  // namespace

TEST_CASE("createObject: secrets leave a session only where the template says so") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto secret_key = [&](bool sensitive, bool extractable) {
    const auto made = client.create(0, Attributes()
                                           .number(CKA_CLASS, CKO_SECRET_KEY)
                                           .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                                           .bytes(CKA_VALUE, Bytes(20, 9))
                                           .boolean(CKA_SENSITIVE, sensitive)
                                           .boolean(CKA_EXTRACTABLE, extractable));
    REQUIRE(made.rv == CKR_OK);
    return made.object;
  };
  CHECK(client.value(0, secret_key(false, true), CKA_VALUE) == Bytes(20, 9));
  for (const std::uint64_t object : {secret_key(true, true), secret_key(false, false), secret_key(true, false)}) {
    CHECK(client.get(0, object, CKA_VALUE).result == 2);
    CHECK(!client.yes(0, object, CKA_ALWAYS_SENSITIVE));
    CHECK(!client.yes(0, object, CKA_NEVER_EXTRACTABLE));
    CHECK(!client.yes(0, object, CKA_LOCAL));
  }
  // Somebody who guesses does not find out either.
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, Bytes(20, 9))).size() == 1);
}

TEST_CASE("createObject: an RSA private key of a session, and into the token") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const crypto::PrivateKey key = generate_key(kSks + "rsa2048");
  const auto numbers = [&] {
    Attributes attributes;
    attributes.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_RSA);
    attributes.bytes(CKA_MODULUS, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_N))
        .bytes(CKA_PUBLIC_EXPONENT, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_E))
        .bytes(CKA_PRIVATE_EXPONENT, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_D))
        .bytes(CKA_PRIME_1, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR1))
        .bytes(CKA_PRIME_2, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR2))
        .bytes(CKA_EXPONENT_1, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_EXPONENT1))
        .bytes(CKA_EXPONENT_2, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_EXPONENT2));
    return attributes;
  };
  const Bytes coefficient = number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  CHECK(client.create(0, numbers()).rv == CKR_TEMPLATE_INCOMPLETE);
  const auto in_session = client.create(
      0, numbers().bytes(CKA_COEFFICIENT, coefficient).boolean(CKA_SENSITIVE, false).boolean(CKA_EXTRACTABLE, true));
  REQUIRE(in_session.rv == CKR_OK);
  CHECK(private_key_of(client, in_session.object).public_key().spki() == key.public_key().spki());
  CHECK(client.value(0, in_session.object, CKA_PRIME_1) == number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR1));
  CHECK(client.value(0, in_session.object, CKA_COEFFICIENT) == coefficient);

  const auto in_token = client.create(0, numbers().bytes(CKA_COEFFICIENT, coefficient).boolean(CKA_TOKEN, true));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(lab.certificate_of(stored(in_token.object)).public_key()->spki() == key.public_key().spki());
  CHECK(!client.yes(0, in_token.object, CKA_LOCAL));
  CHECK(lab.device.engine->sign_data(stored(in_token.object), kRsaSha256, {}, {}, as_bytes("x")));
}

TEST_CASE("createObject: an EC private key and its public key") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  const Bytes scalar = number_of(key.openssl(), OSSL_PKEY_PARAM_PRIV_KEY);
  const auto numbers = [&] {
    return Attributes()
        .number(CKA_CLASS, CKO_PRIVATE_KEY)
        .number(CKA_KEY_TYPE, CKK_EC)
        .bytes(CKA_EC_PARAMS, kP256)
        .bytes(CKA_VALUE, scalar);
  };
  const auto in_session = client.create(0, numbers().boolean(CKA_SENSITIVE, false).boolean(CKA_EXTRACTABLE, true));
  REQUIRE(in_session.rv == CKR_OK);
  CHECK(private_key_of(client, in_session.object).public_key().spki() == key.public_key().spki());
  const Bytes value = client.value(0, in_session.object, CKA_VALUE);
  CHECK(value.size() == 32);
  CHECK(crypto::PrivateKey::from_ec_scalar(Curve::p256, value)->public_key().spki() == key.public_key().spki());
  const auto in_token = client.create(0, numbers().boolean(CKA_TOKEN, true).text(CKA_LABEL, "brought"));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(signs(lab, stored(in_token.object)));

  const Bytes point = client.value(0, in_session.object, CKA_EC_POINT);
  const auto public_key = [&] {
    return Attributes()
        .number(CKA_CLASS, CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_EC)
        .bytes(CKA_EC_PARAMS, kP256)
        .bytes(CKA_EC_POINT, point);
  };
  const auto session_public = client.create(0, public_key());
  REQUIRE(session_public.rv == CKR_OK);
  CHECK(client.value(0, session_public.object, CKA_PUBLIC_KEY_INFO) == key.public_key().spki());
  // The public key of a stored pair is there already.
  const auto stored_public = client.create(0, public_key().boolean(CKA_TOKEN, true).text(CKA_LABEL, "renamed"));
  CHECK(stored_public.rv == CKR_OK);
  CHECK(stored_public.object == object_of(stored(in_token.object), 2));
  CHECK(to_string(client.value(0, in_token.object, CKA_LABEL)) == "renamed");
}

TEST_CASE("createObject: refusals") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto of = [](CK_OBJECT_CLASS object_class) { return Attributes().number(CKA_CLASS, object_class); };
  struct Case {
    const char* name;
    Attributes attributes;
    CK_RV rv;
  };
  std::vector<Case> cases;
  cases.push_back({"no class", Attributes(), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"class", of(CKO_DOMAIN_PARAMETERS), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"no type", of(CKO_SECRET_KEY).bytes(CKA_VALUE, Bytes(16)), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"type", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_DES3).bytes(CKA_VALUE, Bytes(16)),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"no value", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"length", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).bytes(CKA_VALUE, Bytes(17)),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"other length",
       of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).bytes(CKA_VALUE, Bytes(16)).number(CKA_VALUE_LEN, 32),
       CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"long secret for the token",
                   of(CKO_SECRET_KEY)
                       .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                       .bytes(CKA_VALUE, Bytes(129))
                       .boolean(CKA_TOKEN, true),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"scalar",
       of(CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_VALUE, Bytes(33, 1)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"scalar zero",
       of(CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_VALUE, Bytes(32)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"point",
       of(CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_EC_POINT, Bytes(65, 4)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"curve of another type",
                   of(CKO_PUBLIC_KEY)
                       .number(CKA_KEY_TYPE, CKK_EC)
                       .bytes(CKA_EC_PARAMS, kX25519Oid)
                       .bytes(CKA_EC_POINT, Bytes(32, 4)),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"certificate", of(CKO_CERTIFICATE).bytes(CKA_VALUE, Bytes{0x30, 0}), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"attribute certificate",
       of(CKO_CERTIFICATE).number(CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT).bytes(CKA_VALUE, lab.authority().der()),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"certificate of no key",
                   of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TOKEN, true),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"data in the token", of(CKO_DATA).boolean(CKA_TOKEN, true), CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"trusted", of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TRUSTED, true),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"trusted in the token",
       of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TOKEN, true).boolean(CKA_TRUSTED, true),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"boolean of a stored key",
                   of(CKO_SECRET_KEY)
                       .number(CKA_KEY_TYPE, CKK_AES)
                       .bytes(CKA_VALUE, Bytes(16))
                       .boolean(CKA_TOKEN, true)
                       .bytes(CKA_SENSITIVE, Bytes{2}),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(client.create(0, c.attributes).rv == c.rv);
  }
  CHECK(client.create(99, of(CKO_DATA)).rv == CKR_SLOT_ID_INVALID);
  CHECK(client.application().objects(0, 0).empty());
  CHECK(all_keys(*lab.device.engine).empty());
}

TEST_CASE("createObject: data and certificates of a session are seen by their application alone") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  Client other(*lab.service);
  const auto data = client.create(0, Attributes()
                                         .number(CKA_CLASS, CKO_DATA)
                                         .text(CKA_LABEL, "note")
                                         .text(CKA_APPLICATION, "app")
                                         .text(CKA_VALUE, "text"));
  REQUIRE(data.rv == CKR_OK);
  CHECK(to_string(client.value(0, data.object, CKA_VALUE)) == "text");
  CHECK(client.find(0, Attributes().text(CKA_APPLICATION, "app")) == Objects{data.object});
  CHECK(other.find(0, Attributes().text(CKA_APPLICATION, "app")).empty());
  CHECK(other.call(request(171).u32(0).u64(data.object).u16(0).view()).rv == CKR_OBJECT_HANDLE_INVALID);
  CHECK(other.destroy(0, data.object) == CKR_OBJECT_HANDLE_INVALID);
  const auto certificate =
      client.create(0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()));
  REQUIRE(certificate.rv == CKR_OK);
  CHECK(client.value(0, certificate.object, CKA_SUBJECT) == lab.authority().subject_der());
  CHECK(client.destroy(0, data.object) == CKR_OK);
  CHECK(client.destroy(0, data.object) == CKR_OBJECT_HANDLE_INVALID);
}

TEST_CASE("createObject: 4,096 session objects are enough, and so are 8 MiB in them") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const Attributes small = Attributes().number(CKA_CLASS, CKO_DATA);
  std::uint64_t last = 0;
  for (int i = 0; i < 4096; ++i) last = client.create(0, small).object;
  CHECK(last != 0);
  CHECK(client.create(0, small).rv == CKR_HOST_MEMORY);
  CHECK(client.destroy(0, last) == CKR_OK);
  CHECK(client.create(0, small).rv == CKR_OK);

  Client other(*lab.service);
  const Attributes large = Attributes().number(CKA_CLASS, CKO_DATA).bytes(CKA_VALUE, Bytes(65536));
  std::uint64_t rv = CKR_OK;
  int count = 0;
  for (; rv == CKR_OK && count < 1000; ++count) rv = other.create(0, large).rv;
  CHECK(rv == CKR_HOST_MEMORY);
  CHECK(count > 100);
  CHECK(count <= 128);
}

TEST_CASE("session objects: those of all applications together are limited") {
  const auto object = [](std::uint64_t handle, std::size_t bytes) {
    auto made = std::make_shared<token::SessionObject>();
    made->facts.handle = handle;
    made->certificate = Bytes(bytes);
    return made;
  };
  const auto memory = std::make_shared<token::MemoryPool>(300'000);
  token::Application one(memory);
  token::Application other(memory);
  CHECK(one.add_object(object(1, 100'000)));
  CHECK(other.add_object(object(1, 100'000)));
  CHECK(other.add_object(object(2, 200'000)).error().code == CKR_HOST_MEMORY);
  CHECK(other.find_object(2) == nullptr);
  CHECK(other.replace_object(other.find_object(1), object(1, 250'000)).error().code == CKR_HOST_MEMORY);
  {
    token::Application third(memory);
    CHECK(third.add_object(object(1, 90'000)));
    CHECK(third.add_object(object(2, 90'000)).error().code == CKR_HOST_MEMORY);
  }
  CHECK(one.erase_object(1));
  CHECK(other.replace_object(other.find_object(1), object(1, 250'000)));
}

TEST_CASE("logout: takes the private objects of the session with it") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const Attributes data = Attributes().number(CKA_CLASS, CKO_DATA);
  const auto open = client.create(lab.slot, data);
  const auto hidden = client.create(lab.slot, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_PRIVATE, true));
  const auto elsewhere = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_PRIVATE, true));
  REQUIRE(client.logout(lab.slot) == CKR_OK);
  CHECK(client.destroy(lab.slot, hidden.object) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(client.destroy(lab.slot, open.object) == CKR_OK);
  CHECK(client.destroy(0, elsewhere.object) == CKR_OK);
}

}  // namespace sks::test
