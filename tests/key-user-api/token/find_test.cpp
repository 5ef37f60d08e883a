#include <doctest/doctest.h>

#include "sks-core/crypto/hash.h"
#include "tests/key-user-api/token/lab.h"

/// How objects are found, and what the service sees of changes by others. Spec: spec/sksd.md 6.
namespace sks::test {
namespace {

using Objects = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("findObjects: everything, in the order of the handles") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"a"}, {"b"}}, WantedPin{Lab::kPin});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  // The authority of both is there once.
  const Objects before_login{object_of(keys[0], 2),   object_of(keys[0], 3), object_of(keys[0], 4),
                             object_of(keys[0], 200), object_of(keys[1], 2), object_of(keys[1], 3),
                             object_of(keys[1], 200)};
  CHECK(client.find(slot) == before_login);
  CHECK(client.find(slot, {}, 1) == before_login);
  CHECK(client.find(slot, {}, 3) == before_login);
  CHECK(client.find(slot, {}, 7) == before_login);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  Objects all = before_login;
  all.insert(all.begin(), object_of(keys[0], 1));
  all.insert(all.begin() + 5, object_of(keys[1], 1));
  CHECK(client.find(slot) == all);
}

TEST_CASE("findObjects: refusals") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.call(request(170).u32(77).u16(0).u64(0).u16(1).view()).rv == CKR_SLOT_ID_INVALID);
  CHECK(client.call(request(170).u32(0).u16(0).u64(0).u16(0).view()).rv == CKR_ARGUMENTS_BAD);
}

TEST_CASE("findObjects: by each attribute that tells objects apart, alone and together") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"a"}, {"rsa", "rsa2048"}, {"c"}});
  lab.open_service();
  Client client(*lab.service);
  const KeyHandle key = keys[1];
  const std::uint64_t certificate = object_of(key, 3);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_VALUE, CKA_SERIAL_NUMBER}) {
    CAPTURE(type);
    CHECK(client.find(0, Attributes().bytes(type, client.value(0, certificate, type))) == Objects{certificate});
  }
  const Objects whole_key{object_of(key, 1), object_of(key, 2), certificate};
  for (const CK_ATTRIBUTE_TYPE type : {CKA_ID, CKA_SUBJECT}) {
    CAPTURE(type);
    CHECK(client.find(0, Attributes().bytes(type, client.value(0, certificate, type))) == whole_key);
  }
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "rsa")) ==
        Objects{object_of(key, 1), object_of(key, 2), certificate, object_of(key, 200)});
  CHECK(client.find(0, Attributes().bytes(CKA_MODULUS, client.value(0, object_of(key, 2), CKA_MODULUS))) ==
        Objects{object_of(key, 1), object_of(key, 2)});
  const Bytes point = client.value(0, object_of(keys[2], 2), CKA_EC_POINT);
  CHECK(client.find(0, Attributes().bytes(CKA_EC_POINT, point)) ==
        Objects{object_of(keys[2], 1), object_of(keys[2], 2)});
  CHECK(client.find(0, Attributes().bytes(CKA_ISSUER, client.value(0, certificate, CKA_ISSUER))) ==
        Objects{object_of(keys[0], 3), object_of(keys[0], 4), certificate, object_of(keys[2], 3)});

  const Bytes id = client.value(0, certificate, CKA_ID);
  CHECK(client.find(0, Attributes().number(CKA_CLASS, CKO_PUBLIC_KEY).bytes(CKA_ID, id)) == Objects{object_of(key, 2)});
  CHECK(client.find(0, Attributes().bytes(CKA_ID, id).number(CKA_CLASS, CKO_PRIVATE_KEY).boolean(CKA_SIGN, true)) ==
        Objects{object_of(key, 1)});
  CHECK(client.find(0, Attributes().bytes(CKA_ID, id).boolean(CKA_DERIVE, true)).empty());
  CHECK(client.find(0, Attributes().bytes(CKA_ID, id).bytes(CKA_EC_POINT, point)).empty());
  CHECK(client.find(0, Attributes()
                           .bytes(CKA_ISSUER, client.value(0, certificate, CKA_ISSUER))
                           .bytes(CKA_SERIAL_NUMBER, client.value(0, certificate, CKA_SERIAL_NUMBER))) ==
        Objects{certificate});
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, lab.authority().der())) == Objects{object_of(keys[0], 4)});
}

TEST_CASE("findObjects: attributes without an index are looked up") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"a"}, {"rsa", "rsa2048"}, {"p384", "ec.nist.p384"}});
  lab.open_service();
  Client client(*lab.service);
  const Bytes p384 = client.value(0, object_of(keys[2], 2), CKA_EC_PARAMS);
  CHECK(client.find(0, Attributes().bytes(CKA_EC_PARAMS, p384).number(CKA_CLASS, CKO_PUBLIC_KEY)) ==
        Objects{object_of(keys[2], 2)});
  CHECK(client.find(0, Attributes().bytes(CKA_EC_PARAMS, p384), 1) ==
        Objects{object_of(keys[2], 1), object_of(keys[2], 2)});
  CHECK(client.find(0, Attributes().number(CKA_KEY_TYPE, CKK_RSA)) ==
        Objects{object_of(keys[1], 1), object_of(keys[1], 2)});
  CHECK(client.find(0, Attributes().number(CKA_CERTIFICATE_CATEGORY, 2)) == Objects{4, object_of(keys[0], 4)});
}

TEST_CASE("findObjects: values of another length, unknown types and secrets match nothing") {
  Lab lab;
  const KeyHandle key = lab.provision({{"aes", "ec.nist.p256", {}, 3, 0, false, Bytes(32, 1)}}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.find(0, Attributes().number(CKA_CLASS, CKO_SECRET_KEY)) == Objects{object_of(key, 1)});
  CHECK(client.find(0, Attributes().bytes(CKA_CLASS, Bytes{4})).empty());
  CHECK(client.find(0, Attributes().bytes(CKA_TOKEN, Bytes{})).empty());
  CHECK(client.find(0, Attributes().number(0x7777, 1)).empty());
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, Bytes(32, 1))).empty());
  CHECK(client.find(0, Attributes().boolean(CKA_TOKEN, false)).empty());
}

TEST_CASE("storeChanged: keys that come and go are seen, and with them their tokens") {
  Lab lab;
  const std::vector<KeyHandle> first = lab.provision({{"a"}, {"b"}}, WantedPin{Lab::kPin});
  lab.open_service();
  Client client(*lab.service);
  const std::uint32_t slot = lab.slot_of(first[0]);
  const KeyHandle late = lab.provision({{"late"}}, WantedPin{Lab::kPin}).front();
  const std::uint32_t late_slot = lab.slot_of(late);
  CHECK(list_tokens(client).size() == 1);
  lab.service->store_changed();
  CHECK(list_tokens(client).size() == 2);
  CHECK(client.login(late_slot, Lab::kPin) == CKR_OK);
  CHECK(client.find(late_slot, Attributes().text(CKA_LABEL, "late").number(CKA_CLASS, CKO_PRIVATE_KEY)) ==
        Objects{object_of(late, 1)});

  // The first key of a token goes: its authority is that of the others.
  CHECK(client.find(slot, Attributes().bytes(CKA_VALUE, lab.authority().der())) == Objects{object_of(first[0], 4)});
  REQUIRE(lab.device.engine->delete_key(first[0], {}));
  CHECK(client.call(request(171).u32(slot).u64(object_of(first[0], 3)).u16(1).u64(CKA_ID).view()).rv ==
        CKR_OBJECT_HANDLE_INVALID);
  lab.service->store_changed();
  CHECK(client.find(slot, Attributes().bytes(CKA_VALUE, lab.authority().der())) == Objects{object_of(first[1], 4)});
  CHECK(client.login(slot, Lab::kPin) == CKR_OK);
  REQUIRE(lab.device.engine->delete_key(first[1], {}));
  lab.service->store_changed();
  CHECK(list_tokens(client).size() == 1);
  CHECK(client.call(request(162).u32(slot).view()).rv == CKR_SLOT_ID_INVALID);
}

TEST_CASE("storeChanged: a key in the place of another one is another key") {
  Lab lab;
  TestIssuer session(*lab.device.engine);
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  session.request.key_management_key = kmk.public_key().spki();
  REQUIRE(session.open());
  KeyEntryRequest wanted = key_request();
  wanted.friendly_name = "old";
  const CreatedKey old = session.create_certified_key(std::move(wanted)).value();
  const Bytes old_certificate = session.end_entity(old.handle);
  REQUIRE(session.close());
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.find_one(0, Attributes().text(CKA_LABEL, "old").number(CKA_CLASS, CKO_CERTIFICATE)) ==
        object_of(old.handle, 3));

  TestIssuer update(*lab.device.engine);
  REQUIRE(update.open());
  KeyEntryRequest replacement = key_request();
  replacement.friendly_name = "new";
  const CreatedKey fresh = update.create_certified_key(std::move(replacement)).value();
  TargetAuthorization target;
  target.target = old.handle;
  target.authorization = update.target_authorization(kmk, old_certificate);
  REQUIRE(update.post_update_key(fresh.handle, target));
  REQUIRE(update.close());
  lab.service->store_changed();
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "old")).empty());
  CHECK(client.find_one(0, Attributes().text(CKA_LABEL, "new").number(CKA_CLASS, CKO_CERTIFICATE)) ==
        object_of(old.handle, 3));
  CHECK(client.value(0, object_of(old.handle, 3), CKA_VALUE) == lab.certificate_of(old.handle).der());
}

TEST_CASE("storeChanged: handles and labels are the same when the service starts again") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"a"}, {"b"}}, WantedPin{Lab::kPin});
  lab.provision({{"c"}}, WantedPin{Lab::kPin}, "https://other.example.com");
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Objects objects;
  std::string label;
  {
    Client client(*lab.service);
    objects = client.find(slot);
    label = token_of(client, slot).label;
  }
  lab.service.reset();
  lab.device.restart();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.find(slot) == objects);
  CHECK(token_of(client, slot).label == label);
}

}  // namespace sks::test
