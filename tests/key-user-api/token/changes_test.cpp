#include <doctest/doctest.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "tests/conformance/forwarding_store.h"
#include "tests/key-user-api/token/local_lab.h"

/// Objects that are changed, copied and destroyed. Spec: spec/sksd.md 6.
namespace sks::test {

TEST_CASE("setAttributes: label and id of a local key, for all its objects and for good") {
  LocalLab lab;
  Client client(*lab.service);
  const Attributes names = Attributes().text(CKA_LABEL, "renamed").bytes(CKA_ID, Bytes{0xAB, 0xCD});
  CHECK(client.set(lab.slot, object_of(lab.key, 2), names) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const Bytes old_id = client.value(lab.slot, object_of(lab.key, 1), CKA_ID);
  CHECK(client.set(lab.slot, object_of(lab.key, 1), names) == CKR_OK);
  const Objects whole_key{object_of(lab.key, 1), object_of(lab.key, 2), object_of(lab.key, 3)};
  CHECK(client.find(lab.slot, Attributes().bytes(CKA_ID, Bytes{0xAB, 0xCD})) == whole_key);
  CHECK(client.find(lab.slot, Attributes().bytes(CKA_ID, old_id)).empty());
  CHECK(to_string(client.value(lab.slot, object_of(lab.key, 3), CKA_LABEL)) == "renamed");
  CHECK(client.yes(lab.slot, object_of(lab.key, 1), CKA_MODIFIABLE));
  lab.service.reset();
  lab.open_service();
  Client later(*lab.service);
  CHECK(later.find(lab.slot, Attributes().text(CKA_LABEL, "renamed").number(CKA_CLASS, CKO_CERTIFICATE)) ==
        Objects{object_of(lab.key, 3)});
  // An empty id is the one that the key has by itself.
  REQUIRE(later.login(lab.slot, Lab::kPin) == CKR_OK);
  CHECK(later.set(lab.slot, object_of(lab.key, 1), Attributes().bytes(CKA_ID, {})) == CKR_OK);
  CHECK(later.value(lab.slot, object_of(lab.key, 1), CKA_ID) == old_id);
}

TEST_CASE("setAttributes: what was set before a failure is seen and found") {
  class NoLabels final : public ForwardingStore {
   public:
    using ForwardingStore::ForwardingStore;
    Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                              std::string_view value) override {
      if (name == kPkcs11Label) return Error{Status::storage, "the disk is full"};
      return ForwardingStore::set_property(key, type, name, value);
    }
  };
  Lab lab;
  NoLabels store(*lab.device.engine);
  const KeyHandle key =
      create_key(store, GeneratedKey{kSks + "ec.nist.p256", {}}, LocalKeySpec{}, {}, lab.device.clock)->handle;
  lab.open_service(store);
  Client client(*lab.service);
  CHECK(client.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "new").bytes(CKA_ID, Bytes{0xAB})) ==
        CKR_DEVICE_ERROR);
  CHECK(client.value(0, object_of(key, 1), CKA_ID) == Bytes{0xAB});
  CHECK(client.find(0, Attributes().bytes(CKA_ID, Bytes{0xAB})).size() == 3);
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "new")).empty());
  lab.service.reset();
}

TEST_CASE("propertiesChanged: names that others have set are seen and found") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const std::uint64_t key = object_of(lab.key, 1);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "first");
  REQUIRE(lab.device.engine->set_property(lab.key, kPkcs11ExtensionType, kPkcs11Label, "by others"));
  lab.service->properties_changed(lab.key);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "by others");
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "by others").number(CKA_CLASS, CKO_PRIVATE_KEY)) ==
        Objects{key});
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "first")).empty());
  lab.service->properties_changed(KeyHandle{4711});
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "by others")).size() == 4);
}

TEST_CASE("setAttributes: refusals") {
  LocalLab lab;
  const KeyHandle managed = lab.provision({{"managed"}}).front();
  lab.service->store_changed();
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const std::uint64_t key = object_of(lab.key, 1);
  CHECK(client.set(0, object_of(managed, 1), Attributes().text(CKA_LABEL, "x")) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, object_of(managed, 1), Attributes().bytes(CKA_ID, Bytes{1})) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, object_of(managed, 1), Attributes().text(CKA_LABEL, "managed")) == CKR_OK);  // as it is
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_SIGN, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_SIGN, true)) == CKR_OK);
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_EXTRACTABLE, true)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_VALUE, Bytes(32))) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().number(0x4711, 1)) == CKR_ATTRIBUTE_TYPE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_LABEL, Bytes{0xFF})) == CKR_ATTRIBUTE_VALUE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_ID, Bytes(257))) == CKR_ATTRIBUTE_VALUE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().text(CKA_LABEL, "a").text(CKA_LABEL, "b")) == CKR_TEMPLATE_INCONSISTENT);
  CHECK(client.set(lab.slot, object_of(lab.key, 200), Attributes().text(CKA_LABEL, "a")) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, object_of(managed, 1), Attributes()) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "first");
}

TEST_CASE("setAttributes: a session key becomes more secret, never less") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.create(0, Attributes()
                                         .number(CKA_CLASS, CKO_SECRET_KEY)
                                         .number(CKA_KEY_TYPE, CKK_AES)
                                         .bytes(CKA_VALUE, Bytes(16, 1))
                                         .boolean(CKA_SENSITIVE, false)
                                         .boolean(CKA_EXTRACTABLE, true));
  REQUIRE(made.rv == CKR_OK);
  CHECK(client.set(0, made.object, Attributes().text(CKA_LABEL, "new").bytes(CKA_ID, Bytes{1})) == CKR_OK);
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "new")) == Objects{made.object});
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_ENCRYPT, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_SENSITIVE, true)) == CKR_OK);
  CHECK(client.get(0, made.object, CKA_VALUE).result == 2);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_SENSITIVE, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_EXTRACTABLE, false)) == CKR_OK);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_EXTRACTABLE, true)) == CKR_ATTRIBUTE_READ_ONLY);
  const auto fixed = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_MODIFIABLE, false));
  CHECK(client.set(0, fixed.object, Attributes().text(CKA_LABEL, "x")) == CKR_ACTION_PROHIBITED);
}

TEST_CASE("setAttributes: a certificate stays what it says") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made =
      client.create(0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()));
  REQUIRE(made.rv == CKR_OK);
  const Bytes subject = client.value(0, made.object, CKA_SUBJECT);
  CHECK(client.set(0, made.object, Attributes().bytes(CKA_SUBJECT, Bytes{0x30, 0})) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().bytes(CKA_SUBJECT, subject)) == CKR_OK);
  CHECK(client.copy(0, made.object, Attributes().bytes(CKA_SUBJECT, Bytes{0x30, 0})).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.value(0, made.object, CKA_SUBJECT) == subject);
}

TEST_CASE("copyObject: a session key into another, and into the token") {
  LocalLab lab;
  Client client(*lab.service);
  const auto pair = client.generate_pair(lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(), Attributes().text(CKA_LABEL, "k"));
  REQUIRE(pair.rv == CKR_OK);
  const auto copy = client.copy(lab.slot, pair.second, Attributes().text(CKA_LABEL, "copy"));
  REQUIRE(copy.rv == CKR_OK);
  CHECK(copy.object != pair.second);
  CHECK(to_string(client.value(lab.slot, copy.object, CKA_LABEL)) == "copy");
  CHECK(client.value(lab.slot, copy.object, CKA_ID) == client.value(lab.slot, pair.second, CKA_ID));
  CHECK(client.copy(lab.slot, pair.second, token_key()).rv == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const auto in_token = client.copy(lab.slot, pair.second, token_key().bytes(CKA_ID, Bytes{5}));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(lab.slot_of(stored(in_token.object)) == lab.slot);
  CHECK(signs(lab, stored(in_token.object), Lab::kPin));
  CHECK(to_string(client.value(lab.slot, in_token.object, CKA_LABEL)) == "k");
  CHECK(client.value(lab.slot, in_token.object, CKA_ID) == Bytes{5});
  CHECK(!client.yes(lab.slot, in_token.object, CKA_EXTRACTABLE));

  const auto aes = client.generate(lab.slot, CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 16));
  const auto stored_aes = client.copy(lab.slot, aes.object, token_key());
  REQUIRE(stored_aes.rv == CKR_OK);
  CHECK(client.number(lab.slot, stored_aes.object, CKA_KEY_TYPE) == CKK_AES);

  const auto lasting = client.generate(lab.slot, CKM_AES_KEY_GEN,
                                       Attributes().number(CKA_VALUE_LEN, 16).boolean(CKA_DESTROYABLE, false));
  const auto stored_lasting = client.copy(lab.slot, lasting.object, token_key());
  REQUIRE(stored_lasting.rv == CKR_OK);
  CHECK(!client.yes(lab.slot, stored_lasting.object, CKA_DESTROYABLE));
}

TEST_CASE("copyObject: refusals") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.copy(0, object_of(key, 1), {}).rv == CKR_ACTION_PROHIBITED);
  CHECK(client.copy(0, object_of(key, 3), {}).rv == CKR_ACTION_PROHIBITED);
  CHECK(client.copy(0, object_of(key, 9), {}).rv == CKR_OBJECT_HANDLE_INVALID);
  const auto secret_key = client.generate(0, CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 16));
  CHECK(client.copy(0, secret_key.object, Attributes().boolean(CKA_EXTRACTABLE, true)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, token_key().boolean(CKA_EXTRACTABLE, true)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, Attributes().number(CKA_KEY_TYPE, CKK_RSA)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, Attributes().number(0x4711, 1)).rv == CKR_ATTRIBUTE_TYPE_INVALID);
  const auto data = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA));
  CHECK(client.copy(0, data.object, token_key()).rv == CKR_TEMPLATE_INCONSISTENT);
  const auto unique = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_COPYABLE, false));
  CHECK(client.copy(0, unique.object, {}).rv == CKR_ACTION_PROHIBITED);
}

TEST_CASE("destroyObject: a key of the store goes as its deleteProtection says") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"free", "ec.nist.p256", {}, 3, 0},
                                                     {"pin", "ec.nist.p256", {}, 3, 1},
                                                     {"puk", "ec.nist.p256", {}, 3, 2},
                                                     {"never", "ec.nist.p256", {}, 3, 3}},
                                                    WantedPin{Lab::kPin, Lab::kPuk});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  CHECK(client.destroy(slot, object_of(keys[0], 1)) == CKR_OBJECT_HANDLE_INVALID);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  CHECK(client.destroy(slot, object_of(keys[2], 1)) == CKR_ACTION_PROHIBITED);
  CHECK(client.destroy(slot, object_of(keys[3], 1)) == CKR_ACTION_PROHIBITED);
  for (const unsigned part : {2U, 3U, 4U, 200U})
    CHECK(client.destroy(slot, object_of(keys[0], part)) == CKR_ACTION_PROHIBITED);
  for (const std::size_t i : {0U, 1U}) {
    CHECK(client.destroy(slot, object_of(keys[i], 1)) == CKR_OK);
    CHECK(client.destroy(slot, object_of(keys[i], 1)) == CKR_OBJECT_HANDLE_INVALID);
    for (const unsigned part : {2U, 3U}) {  // went with the key, which this application deleted
      CHECK(client.destroy(slot, object_of(keys[i], part)) == CKR_OK);
      CHECK(Client(*lab.service).destroy(slot, object_of(keys[i], part)) == CKR_OBJECT_HANDLE_INVALID);
    }
    CHECK(client.find(slot, Attributes().text(CKA_LABEL, i == 0 ? "free" : "pin")).empty());
  }
  CHECK(all_keys(*lab.device.engine) == std::vector<KeyHandle>{keys[2], keys[3]});
}

}  // namespace sks::test
