#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/crypto/hash.h"
#include "tests/key-user-api/token/lab.h"

/// Objects at work: the whole service, with the operations of chapter 7. Spec: spec/sksd.md.
namespace sks::test {
namespace {

constexpr std::uint8_t kSign = 3;
constexpr std::uint8_t kTrustedGui = 2;
const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

Answer sign(Client& client, std::uint32_t slot, std::uint64_t key, std::uint32_t ticket = 0) {
  return client.call(request(180)
                         .u8(kSign)
                         .u32(slot)
                         .u64(key)
                         .u64(CKM_ECDSA_SHA256)
                         .u32(0)
                         .u32(ticket)
                         .blob(as_bytes("message"))
                         .view());
}

/// Whether it is a signature that verifies with the public key of the object.
bool verifies(Client& client, std::uint32_t slot, std::uint64_t public_key, const Answer& signature) {
  if (!signature.ok()) return false;
  const Bytes spki = client.value(slot, public_key, CKA_PUBLIC_KEY_INFO);
  ByteReader in(signature.body);
  const ByteView raw = in.blob();
  return in.finish() && crypto::verify_signature(crypto::PublicKey::from_spki(spki).value(), as_bytes("message"), raw);
}

}  // namespace

TEST_CASE("use: stored and session keys sign; without login there is no such key") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  CHECK(sign(client, slot, object_of(key, 1)).rv == CKR_KEY_HANDLE_INVALID);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  CHECK(verifies(client, slot, object_of(key, 2), sign(client, slot, object_of(key, 1))));
  const auto pair =
      client.generate_pair(slot, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kP256), Attributes());
  REQUIRE(pair.rv == CKR_OK);
  CHECK(verifies(client, slot, pair.object, sign(client, slot, pair.second)));
  const auto made = client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kP256),
                                         Attributes().boolean(CKA_TOKEN, true));
  CHECK(verifies(client, 0, made.object, sign(client, 0, made.second)));
  REQUIRE(client.logout(slot) == CKR_OK);
  CHECK(sign(client, slot, object_of(key, 1)).rv == CKR_KEY_HANDLE_INVALID);
}

TEST_CASE("use: a key that asks for its PIN each time takes one ticket for one operation") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin, "", 3, true, kTrustedGui}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  lab.dialog.answers = {Lab::kPin, Lab::kPin};
  REQUIRE(client.login(slot, "", 1, true) == CKR_OK);
  CHECK(sign(client, slot, object_of(key, 1)).rv == CKR_USER_NOT_LOGGED_IN);
  const Answer login = client.call(request(164).u32(slot).u64(object_of(key, 1)).boolean(true).u16(0).view());
  REQUIRE(login.ok());
  const std::uint32_t ticket = ByteReader(login.body).u32();
  CHECK(verifies(client, slot, object_of(key, 2), sign(client, slot, object_of(key, 1), ticket)));
  CHECK(sign(client, slot, object_of(key, 1), ticket).rv == CKR_USER_NOT_LOGGED_IN);
}

TEST_CASE("use: a PIN that was changed elsewhere costs one attempt, and ends the login") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  REQUIRE(lab.device.engine->change_pin(key, secret(Lab::kPin), secret("7777")));
  for (int i = 0; i < 5; ++i) CHECK(!sign(client, slot, object_of(key, 1)).ok());
  CHECK(pin_errors(*lab.device.engine, key) == 1);
  CHECK(token_of(client, slot).logged_in == 0);
}

TEST_CASE("use: a PIN that was changed elsewhere costs one attempt, in however many applications") {
  Lab lab;
  const std::vector<KeyHandle> keys =
      lab.provision({{"ec"}, {.name = "to delete", .delete_protection = 1}}, WantedPin{Lab::kPin});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client one(*lab.service);
  Client other(*lab.service);
  Client late(*lab.service);
  REQUIRE(one.login(slot, Lab::kPin) == CKR_OK);
  REQUIRE(other.login(slot, Lab::kPin) == CKR_OK);
  REQUIRE(lab.device.engine->change_pin(keys[0], secret(Lab::kPin), secret("7777")));
  REQUIRE(late.login(slot, "7777") == CKR_OK);
  CHECK(one.destroy(slot, object_of(keys[1], 1)) == CKR_USER_NOT_LOGGED_IN);
  CHECK(token_of(other, slot).logged_in == 0);
  CHECK_FALSE(sign(other, slot, object_of(keys[0], 1)).ok());
  CHECK(pin_errors(*lab.device.engine, keys[0]) == 1);
  // Who has shown the new one is logged in.
  CHECK(sign(late, slot, object_of(keys[0], 1)).ok());
}

TEST_CASE("use: two keys derive one secret, which leaves as its template says") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto pair = [&](bool in_token) {
    return client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kP256),
                                Attributes().boolean(CKA_TOKEN, in_token));
  };
  const auto one = pair(true);
  const auto other = pair(false);
  const auto derive = [&](std::uint64_t key, std::uint64_t peer) {
    ByteWriter parameter;
    parameter.u64(CKD_NULL).blob({}).blob(client.value(0, peer, CKA_EC_POINT));
    const Attributes wanted = Attributes()
                                  .number(CKA_CLASS, CKO_SECRET_KEY)
                                  .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                                  .boolean(CKA_SENSITIVE, false)
                                  .boolean(CKA_EXTRACTABLE, true);
    const Answer answer = client.call(request(187)
                                          .u32(0)
                                          .u64(key)
                                          .u64(CKM_ECDH1_DERIVE)
                                          .blob(parameter.view())
                                          .u32(0)
                                          .u16(wanted.count)
                                          .raw(wanted.encoded.view())
                                          .view());
    REQUIRE(answer.ok());
    return client.value(0, ByteReader(answer.body).u64(), CKA_VALUE);
  };
  const Bytes secret_of_one = derive(one.second, other.object);
  CHECK(secret_of_one.size() == 32);
  CHECK(secret_of_one == derive(other.second, one.object));
}

TEST_CASE("use: mechanisms of the slots are those that run") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const Answer answer = client.call(request(162).u32(0).view());
  REQUIRE(answer.ok());
  ByteReader in(answer.body);
  const std::size_t count = in.u16();
  bool generates = false;
  bool signs = false;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t type = in.u64();
    in.u64();
    in.u64();
    const std::uint64_t flags = in.u64();
    if (type == CKM_EC_KEY_PAIR_GEN) generates = (flags & CKF_GENERATE_KEY_PAIR) != 0;
    if (type == CKM_ECDSA_SHA256) signs = (flags & (CKF_SIGN | CKF_VERIFY)) == (CKF_SIGN | CKF_VERIFY);
  }
  CHECK(in.finish());
  CHECK(generates);
  CHECK(signs);
}

}  // namespace sks::test
