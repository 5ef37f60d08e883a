#include <doctest/doctest.h>

#include <algorithm>

#include "keygen2/enumerations.h"
#include "keygen2/mac_data.h"
#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/rows.h"
#include "tests/support/temp_dir.h"

// Chapters 4.11 and 4.12 of keygen2.md, row by row. The message is that of its Appendix C.4: Key.1 with extensions of
// all kinds, Key.2 with a symmetric key that replaces an older key, a key to be unlocked, and one to be deleted.
namespace sks::test::rows {
namespace {

using namespace keygen2;
namespace edit = json_edit;

using M = ProvisioningFinalizationRequest;

std::string request() {
  return read_file(source_file("tests/vectors/keygen2/09-ProvisioningFinalizationRequest.json"));
}
const std::string kFirst = "/issuedCredentials/0/";
const std::string kSecond = "/issuedCredentials/1/";

template <class V>
Read member(V M::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.*property; });
}
template <class V>
Read of_first(V IssuedCredential::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.credentials.at(0).*property; });
}
template <class V>
Read of_symmetric_key(V ImportedKey::*property) {
  return reads<M>(
      [property](const M& message) -> const V& { return message.credentials.at(1).symmetric_key.value().*property; });
}
/// Of an object of Key.1, which has one of each kind.
template <class V>
Read of_extension(std::size_t kind, V Extension::*property) {
  return reads<M>([kind, property](const M& message) -> const V& {
    const Extension& extension = message.credentials.at(0).extensions.at(kind);
    REQUIRE(extension.sub_type == kind);
    return extension.*property;
  });
}
template <class V>
Read of_property(V Property::*property) {
  return reads<M>([property](const M& message) -> const V& {
    return message.credentials.at(0).extensions.at(kPropertyBag).properties.at(0).*property;
  });
}
/// How many objects of a kind there are.
Read count_of(std::uint8_t kind) {
  return reads<M>([kind](const M& message) {
    return std::ranges::count(message.credentials.at(0).extensions, kind, &Extension::sub_type);
  });
}

/// The four places of a targetKeyReference.
struct Target {
  std::string place;
  const TargetKeyReference& (*find)(const M& message);
};
const std::vector<Target> kTargets{
    {"/unlockKeys/0/", [](const M& message) -> const TargetKeyReference& { return message.unlock_keys.at(0); }},
    {"/deleteKeys/0/", [](const M& message) -> const TargetKeyReference& { return message.delete_keys.at(0); }},
    {kSecond + "updateKey/",
     [](const M& message) -> const TargetKeyReference& { return message.credentials.at(1).update_key.value(); }},
    {kFirst + "cloneKeyProtection/",
     [](const M& message) -> const TargetKeyReference& { return message.credentials.at(0).clone_key.value(); }},
};
template <class Get>
Read of_target(const Target& target, Get get) {
  const auto find = target.find;
  return reads<M>([find, get](const M& message) { return get(find(message)); });
}

/// With a clone beside the update, so that every place has a targetKeyReference.
std::string all_targets() {
  return edit::with(request(), kFirst + "cloneKeyProtection", edit::value(request(), kSecond + "updateKey"));
}

/// A byte array from `min` bytes on, of which more than an SKS has to take goes through.
Type long_bytes(std::size_t min) {
  Type type = byte_array(min, 65536);
  std::erase_if(type.refused, [](const Refused& value) { return value.json == bytes_json(65537); });
  return type;
}

/// An authorization: never empty, at most the signature of the largest key.
Type signature_value() {
  Type type = byte_array(1, 512);
  std::erase_if(type.refused, [](const Refused& value) { return value.json == bytes_json(513); });
  return type;
}

}  // namespace

TEST_CASE("Rows of 4.11: ProvisioningFinalizationRequest") {
  const Type targets = object_array();
  const std::string one = edit::value(request(), "/unlockKeys/0");
  const Type several =
      targets.with({{"[" + one + "]", "[object]"}, {"[" + one + "," + one + "]", "[object,object]"}}, {});
  const std::string other = edit::with(edit::value(request(), "/issuedCredentials/0"), "/id", R"("Key.3")");
  const std::vector<Row> table{
      {"[keygen2.md 4.11 issuedCredentials]", request(), "/issuedCredentials",
       object_array().with({{"[" + other + "]", "[object]"}}, {}), optional("[]"), member(&M::credentials)},
      {"[keygen2.md 4.11 unlockKeys]", request(), "/unlockKeys", several, optional("[]"), member(&M::unlock_keys)},
      {"[keygen2.md 4.11 deleteKeys]", request(), "/deleteKeys", several, optional("[]"), member(&M::delete_keys)},
      {"[keygen2.md 4.11 sessionCloseData]", request(), "/sessionCloseData",
       object().with({}, {{"{}", ErrorClass::json}}), kMandatory, member(&M::close_mac)},
      {"[keygen2.md 4.11 sessionCloseData.nonce]", request(), "/sessionCloseData/nonce", byte_array(1, 32), kMandatory,
       member(&M::close_nonce)},
      {"[keygen2.md 4.11 sessionCloseData.mac]", request(), "/sessionCloseData/mac", byte_array(32, 32), kMandatory,
       member(&M::close_mac)},
  };
  for (const Row& row : table) check(row);
  const std::string nonce = edit::value(request(), "/sessionCloseData/nonce");
  const std::string mac = edit::value(request(), "/sessionCloseData/mac");
  const std::vector<Rule> rules{
      // The form that the published document prints.
      {"[keygen2.md 4.11 sessionCloseData]",
       "its members at the top",
       request(),
       {{"/sessionCloseData", ""}, {"/nonce", nonce}, {"/mac", mac}},
       ErrorClass::json},
      {"[keygen2.md 4.11 sessionCloseData]",
       "its members at the top as well",
       request(),
       {{"/nonce", nonce}, {"/mac", mac}},
       ErrorClass::json},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.12: issuedCredential") {
  using C = IssuedCredential;
  const std::string certificate = bytes_json(16384, 0x30);
  const std::vector<Row> table{
      {"[keygen2.md 4.12 id]", request(), kFirst + "id", id(), kMandatory, of_first(&C::id)},
      {"[keygen2.md 4.12 certificatePath]", request(), kFirst + "certificatePath",
       array({{{certificate, certificate}, {R"("MAA","MAEA")", R"("MAA","MAEA")"}},
              {{"5", ErrorClass::json},
               {R"("")", ErrorClass::value},
               {bytes_json(16385), ErrorClass::value},
               {"\"MAA\"" + repeated(10, ",\"MAA\""), ErrorClass::policy}}}),
       kMandatory, of_first(&C::certificate_path)},
      {"[keygen2.md 4.12 mac]", request(), kFirst + "mac", byte_array(32, 32), kMandatory, of_first(&C::mac)},
      {"[keygen2.md 4.12 trustAnchor]", request(), kFirst + "trustAnchor", boolean(), optional("false", "false"),
       of_first(&C::trust_anchor)},
      {"[keygen2.md 4.12 importSymmetricKey]", request(), kFirst + "importSymmetricKey",
       object().with({{edit::value(request(), kSecond + "importSymmetricKey"), "object"}}, {{"{}", ErrorClass::json}}),
       optional("absent"), of_first(&C::symmetric_key)},
      {"[keygen2.md 4.12 importPrivateKey]", request(), kFirst + "importPrivateKey",
       object().with({{edit::value(request(), kSecond + "importSymmetricKey"), "object"}}, {{"{}", ErrorClass::json}}),
       optional("absent"), of_first(&C::private_key)},
      {"[keygen2.md 4.12 extensions]", request(), kFirst + "extensions", object_array(), optional("0"), count_of(0)},
      {"[keygen2.md 4.12 encryptedExtensions]", request(), kFirst + "encryptedExtensions", object_array(),
       optional("0"), count_of(1)},
      {"[keygen2.md 4.12 propertyBags]", request(), kFirst + "propertyBags", object_array(), optional("0"),
       count_of(2)},
      {"[keygen2.md 4.12 logotypes]", request(), kFirst + "logotypes", object_array(), optional("0"), count_of(3)},
      {"[keygen2.md 4.12 cloneKeyProtection]", request(), kFirst + "cloneKeyProtection",
       object().with({{edit::value(request(), kSecond + "updateKey"), "object"}}, {{"{}", ErrorClass::json}}),
       optional("absent"), of_first(&C::clone_key)},
      {"[keygen2.md 4.12 updateKey]", request(), kFirst + "updateKey",
       object().with({{edit::value(request(), kSecond + "updateKey"), "object"}}, {{"{}", ErrorClass::json}}),
       optional("absent"), of_first(&C::update_key)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.12: what excludes what in a credential, and in a message") {
  const std::string imported = edit::value(request(), kSecond + "importSymmetricKey");
  const std::string target = edit::value(request(), kSecond + "updateKey");
  const std::string type = edit::value(request(), kFirst + "extensions/0/type");
  std::vector<Rule> rules{
      {"[keygen2.md 4.12 importSymmetricKey]",
       "and importPrivateKey",
       request(),
       {{kSecond + "importPrivateKey", imported}},
       ErrorClass::json},
      {"[keygen2.md 4.12 importPrivateKey]",
       "instead",
       request(),
       {{kSecond + "importSymmetricKey", ""}, {kSecond + "importPrivateKey", imported}},
       std::nullopt},
      {"[keygen2.md 4.12 updateKey]",
       "and cloneKeyProtection",
       request(),
       {{kSecond + "cloneKeyProtection", target}},
       ErrorClass::json},
      {"[keygen2.md 4.12 cloneKeyProtection]",
       "instead",
       request(),
       {{kSecond + "updateKey", ""}, {kSecond + "cloneKeyProtection", target}},
       std::nullopt},
      {"[keygen2.md 4.12 id]",
       "that of another credential",
       request(),
       {{kSecond + "id", R"("Key.1")"}},
       ErrorClass::value},
      {"[keygen2.md 4.12 extension.type]",
       "twice in one kind",
       request(),
       {{kFirst + "extensions/1", edit::value(request(), kFirst + "extensions/0")}},
       ErrorClass::value},
      {"[keygen2.md 4.12 extension.type]",
       "in another credential",
       request(),
       {{kSecond + "extensions", edit::value(request(), kFirst + "extensions")}},
       std::nullopt},
      {"[keygen2.md 4.12 logotype.mimeType]",
       "of no logotype",
       request(),
       {{kFirst + "extensions/0/mimeType", R"("a/b")"}},
       ErrorClass::json},
      {"[keygen2.md 4.12 propertyBag.properties]",
       "of no bag",
       request(),
       {{kFirst + "extensions/0/properties", R"([{"name":"a","value":"b"}])"}},
       ErrorClass::json},
      {"[keygen2.md 4.12 extension.extensionData]",
       "of a bag",
       request(),
       {{kFirst + "propertyBags/0/extensionData", R"("AA")"}},
       ErrorClass::json},
  };
  for (const char* const kind : {"encryptedExtensions", "propertyBags", "logotypes"})
    rules.push_back(
        {"[keygen2.md 4.12 extension.type]", kind, request(), {{kFirst + kind + "/0/type", type}}, ErrorClass::value});
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.12: importedKey") {
  // IV and padding: 160 bytes for a symmetric key of 128, 16416 for a PKCS #8 of 16384.
  const std::string other =
      edit::with(edit::without(request(), kSecond + "importSymmetricKey"), kSecond + "importPrivateKey",
                 edit::value(request(), kSecond + "importSymmetricKey"));
  const auto private_key = [](auto property) {
    return reads<M>([property](const M& message) { return message.credentials.at(1).private_key.value().*property; });
  };
  const std::vector<Row> table{
      {"[keygen2.md 4.12 importedKey.encryptedKey]", request(), kSecond + "importSymmetricKey/encryptedKey",
       byte_array(32, 160), kMandatory, of_symmetric_key(&ImportedKey::encrypted_key)},
      {"[keygen2.md 4.12 importedKey.encryptedKey]", other, kSecond + "importPrivateKey/encryptedKey",
       byte_array(32, 16416), kMandatory, private_key(&ImportedKey::encrypted_key)},
      {"[keygen2.md 4.12 importedKey.mac]", request(), kSecond + "importSymmetricKey/mac", byte_array(32, 32),
       kMandatory, of_symmetric_key(&ImportedKey::mac)},
      {"[keygen2.md 4.12 importedKey.mac]", other, kSecond + "importPrivateKey/mac", byte_array(32, 32), kMandatory,
       private_key(&ImportedKey::mac)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.12 and 4.14: objects of the four kinds, whose position is their subType") {
  const std::vector<std::string> kinds{"extensions", "encryptedExtensions", "propertyBags", "logotypes"};
  for (std::uint8_t kind = 0; kind < kinds.size(); ++kind) {
    const std::string at = kFirst + kinds[kind] + "/0/";
    // "[keygen2.md 4.14 extension subType]": of_extension() finds each kind by it.
    check(Row{"[keygen2.md 4.12 extension.type] [keygen2.md 4.12 propertyBag.type] [keygen2.md 4.12 logotype.type]",
              request(), at + "type", uri(), kMandatory, of_extension(kind, &Extension::type)});
    check(Row{"[keygen2.md 4.12 extension.mac] [keygen2.md 4.12 propertyBag.mac] [keygen2.md 4.12 logotype.mac]",
              request(), at + "mac", byte_array(32, 32), kMandatory, of_extension(kind, &Extension::mac)});
    if (kind == kPropertyBag) continue;
    check(Row{"[keygen2.md 4.12 extension.extensionData] [keygen2.md 4.12 logotype.extensionData]", request(),
              at + "extensionData", long_bytes(kind == kEncryptedExtension ? 32 : 0), kMandatory,
              of_extension(kind, &Extension::data)});
  }
  const auto decoded = decode<M>(request());
  REQUIRE(decoded);
  for (std::size_t kind = 0; kind < kLogotype; ++kind)
    CHECK(decoded->credentials.at(0).extensions.at(kind).mime_type.empty());
}

TEST_CASE("Rows of 4.12: logotype and propertyBag") {
  // Limits count bytes: 64 characters of two bytes each.
  const std::string long_type = text_json(repeated(64, "\xC3\x85"));
  const std::string long_name = text_json(repeated(127, "\xC3\x85") + "x");
  const std::string bag = kFirst + "propertyBags/0/";
  const std::string property = bag + "properties/0/";
  const std::vector<Row> table{
      {"[keygen2.md 4.12 logotype.mimeType]", request(), kFirst + "logotypes/0/mimeType",
       text(1, 128).with({{long_type, long_type}}, {{text_json(repeated(65, "\xC3\x85")), ErrorClass::value}}),
       kMandatory, of_extension(3, &Extension::mime_type)},
      {"[keygen2.md 4.12 propertyBag.properties]", request(), bag + "properties",
       object_array().with({{R"([{"name":"a","value":""}])", "[object]"},
                            {R"([{"name":"b","value":"1"},{"name":"a","value":"1"}])", "[object,object]"}},
                           {{R"([{"name":"a","value":"1"},{"name":"a","value":"2"}])", ErrorClass::value}}),
       kMandatory, of_extension(2, &Extension::properties)},
      {"[keygen2.md 4.12 property.name]", request(), property + "name",
       text(1, 255).with({{long_name, long_name}}, {{text_json(repeated(128, "\xC3\x85")), ErrorClass::value}}),
       kMandatory, of_property(&Property::name)},
      {"[keygen2.md 4.12 property.value]", request(), property + "value",
       text(0, 65535).with({}, {{text_json(repeated(32768, "\xC3\x85")), ErrorClass::value}}), kMandatory,
       of_property(&Property::value)},
      {"[keygen2.md 4.12 property.writable]", request(), property + "writable", boolean(), optional("false", "false"),
       of_property(&Property::writable)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.12: targetKeyReference, in every place of one") {
  for (const Target& target : kTargets) {
    CAPTURE(target.place);
    using T = TargetKeyReference;
    const std::vector<Row> table{
        {"[keygen2.md 4.12 targetKeyReference.fingerPrint]", all_targets(), target.place + "fingerPrint",
         byte_array(32, 32), kMandatory, of_target(target, [](const T& found) { return found.finger_print; })},
        {"[keygen2.md 4.12 targetKeyReference.serverSessionId]", all_targets(), target.place + "serverSessionId", id(),
         kMandatory, of_target(target, [](const T& found) { return found.owner.server; })},
        {"[keygen2.md 4.12 targetKeyReference.clientSessionId]", all_targets(), target.place + "clientSessionId", id(),
         kMandatory, of_target(target, [](const T& found) { return found.owner.client; })},
        {"[keygen2.md 4.12 targetKeyReference.authorization]", all_targets(), target.place + "authorization",
         signature_value(), kMandatory, of_target(target, [](const T& found) { return found.authorization; })},
        {"[keygen2.md 4.12 targetKeyReference.mac]", all_targets(), target.place + "mac", byte_array(32, 32),
         kMandatory, of_target(target, [](const T& found) { return found.mac; })},
    };
    for (const Row& row : table) check(row);
  }
}

}  // namespace sks::test::rows
