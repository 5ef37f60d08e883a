#include <doctest/doctest.h>

#include <random>

#include "sks-core/base/encoding.h"
#include "sks-core/engine/property_bag.h"
#include "tests/sks-core/engine/storage_sweep.h"

// addExtension, getExtension and setProperty: spec/sks-api.md 4.14, 4.20 and 4.21, appendices E3 and E5 to E8.
namespace sks::test {
namespace {

constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kEncrypted = 1;
constexpr std::uint8_t kBag = 2;
constexpr std::uint8_t kLogotype = 3;

const std::string kType = "urn:ietf:rfc:4226";
// Counter = 0, writable; Digits = 8, read-only. Spec: sks-api.md 10.4.
const Bytes kCounterBag = from_hex("0007436f756e74657201000130000644696769747300000138").value();
const Bytes kWrongMac(32, 0x5A);

/// An open session with one key, with or without certificate.
struct OpenKey {
  TestIssuer issuer;
  KeyHandle key;
};

// createKeyEntry and setCertificatePath.
constexpr std::uint16_t kOpsBefore = 3;

OpenKey open_key(SecureKeyStore& engine, bool certified = true, std::uint16_t op_limit = 10000) {
  OpenKey open{TestIssuer(engine), {}};
  open.issuer.request.session_key_limit = op_limit;
  REQUIRE(open.issuer.open());
  if (certified) {
    open.key = open.issuer.create_certified_key(key_request()).value().handle;
  } else {
    open.key = open.issuer.create_key_entry(key_request()).value().handle;
  }
  return open;
}

/// A closed key with one extension of kType.
KeyHandle provision(SecureKeyStore& engine, std::uint8_t sub_type, const Bytes& data,
                    const std::string& qualifier = "") {
  OpenKey open = open_key(engine);
  REQUIRE(open.issuer.add_extension(open.key, {kType, sub_type, qualifier, data, {}}));
  REQUIRE(open.issuer.close());
  return open.key;
}

Bytes content(SecureKeyStore& engine, KeyHandle key, const std::string& type = kType) {
  return to_bytes(engine.get_extension(key, type).value().data.view());
}

std::string letters(std::size_t bytes) { return std::string(bytes, 'x'); }

struct Refusal {
  const char* name;
  bool certified;
  std::uint16_t ops;  ///< left for the call
  ExtensionRequest request;
  Status status;
  const char* reason;  ///< tells the steps with the same status apart
};

}  // namespace

TEST_CASE("addExtension: every step refuses in the order of its table, and aborts the session") {
  const Bytes nothing;
  const Bytes too_long(250001);
  const Bytes too_long_encrypted(250033);
  const std::vector<Refusal> rows{
      {"2: subType", false, 0, {"", 4, "q", too_long, kWrongMac}, Status::option, "subType"},
      {"2: subType 255", false, 0, {"", 255, "q", too_long, kWrongMac}, Status::option, "subType"},
      {"3: no type", false, 0, {"", kBag, "q", too_long, kWrongMac}, Status::option, "type length"},
      {"3: long type", false, 0, {letters(1001), kBag, "q", too_long, kWrongMac}, Status::option, "type length"},
      {"5: plain too long", false, 0, {kType, kPlain, "q", too_long, kWrongMac}, Status::option, "too long"},
      {"5: encrypted too long",
       false,
       0,
       {kType, kEncrypted, "q", too_long_encrypted, kWrongMac},
       Status::option,
       "too long"},
      {"5: bag too long", false, 0, {kType, kBag, "q", too_long, kWrongMac}, Status::option, "extensionData"},
      {"5: logotype too long", false, 0, {kType, kLogotype, "", too_long, kWrongMac}, Status::option, "too long"},
      {"6: plain with qualifier", false, 0, {kType, kPlain, "q", nothing, kWrongMac}, Status::option, "qualifier"},
      {"6: encrypted with qualifier",
       false,
       0,
       {kType, kEncrypted, "q", nothing, kWrongMac},
       Status::option,
       "qualifier"},
      {"6: bag with qualifier", false, 0, {kType, kBag, "q", nothing, kWrongMac}, Status::option, "qualifier"},
      {"6: logotype without", false, 0, {kType, kLogotype, "", nothing, kWrongMac}, Status::option, "qualifier"},
      {"6: long qualifier",
       false,
       0,
       {kType, kLogotype, letters(129), nothing, kWrongMac},
       Status::option,
       "qualifier"},
      {"7: empty bag", false, 0, {kType, kBag, "", nothing, kWrongMac}, Status::option, "property bag"},
      {"8: no certificate", false, 0, {kType, kEncrypted, "", nothing, kWrongMac}, Status::option, "Certificate path"},
      {"9: no op for the MAC", true, 0, {kType, kEncrypted, "", nothing, kWrongMac}, Status::option, "sessionKeyLimit"},
      {"9: MAC", true, 1, {kType, kEncrypted, "", nothing, kWrongMac}, Status::mac, "addExtension"},
      {"9: MAC of 31 bytes", true, 1, {kType, kPlain, "", nothing, Bytes(31)}, Status::mac, "addExtension"},
      {"10: no op for the decryption",
       true,
       1,
       {kType, kEncrypted, "", nothing, {}},
       Status::option,
       "sessionKeyLimit"},
      {"10: shorter than an IV", true, 2, {kType, kEncrypted, "", nothing, {}}, Status::internal, ""},
      {"10: no whole blocks", true, 2, {kType, kEncrypted, "", Bytes(33), {}}, Status::crypto, ""},
  };
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const Refusal& row : rows) {
    CAPTURE(row.name);
    const int before = row.certified ? kOpsBefore : kOpsBefore - 1;
    OpenKey open = open_key(engine, row.certified, static_cast<std::uint16_t>(before + row.ops));
    const Result<void> result = open.issuer.add_extension(open.key, row.request);
    REQUIRE_FALSE(result);
    CHECK(result.error().status == row.status);
    CAPTURE(result.error().detail);
    CHECK(result.error().detail.find(row.reason) != std::string::npos);
    CHECK_FALSE(is_open(engine, open.issuer.handle()));
    CHECK(status_of(open.issuer.add_extension(open.key, row.request)) == Status::no_key);
  }
}

TEST_CASE("addExtension: bad padding is refused, and aborts the session") {
  Device device;
  OpenKey open = open_key(*device.engine);
  const Bytes badly_padded = open.issuer.encrypt_unpadded(Bytes(16));
  CHECK(status_of(open.issuer.add_extension(open.key, {kType, kEncrypted, "", badly_padded, {}})) == Status::crypto);
  CHECK_FALSE(is_open(*device.engine, open.issuer.handle()));
}

TEST_CASE("addExtension: a second extension of a type is refused before everything behind step 4") {
  Device device;
  OpenKey open = open_key(*device.engine);
  REQUIRE(open.issuer.add_extension(open.key, {kType, kPlain, "", {}, {}}));
  const Result<void> result = open.issuer.add_extension(open.key, {kType, kBag, "q", Bytes(250001), kWrongMac});
  REQUIRE_FALSE(result);
  CHECK(result.error().status == Status::option);
  CHECK(result.error().detail.find("of this type already") != std::string::npos);
  CHECK_FALSE(is_open(*device.engine, open.issuer.handle()));
}

TEST_CASE("addExtension: a plaintext longer than extensionDataSize is refused in an encrypted extension only") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  for (const std::size_t size : {250000U, 250001U, 250015U}) {
    CAPTURE(size);
    OpenKey open = open_key(engine);
    const Bytes data = open.issuer.encrypt(Bytes(size, 0x33));
    REQUIRE(data.size() == 250032);
    const std::optional<Status> expected = size == 250000 ? std::nullopt : std::optional(Status::option);
    CHECK(status_of(open.issuer.add_extension(open.key, {kType, kEncrypted, "", data, {}})) == expected);
    CHECK(is_open(engine, open.issuer.handle()) == !expected);
    if (expected) continue;
    REQUIRE(open.issuer.close());
    CHECK(content(engine, open.key) == Bytes(size, 0x33));
  }
}

TEST_CASE("addExtension: a key that is not in an open session is unknown, and nothing is aborted") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle closed = provision_plain_key(engine);
  OpenKey open = open_key(engine);
  const ExtensionRequest wrong{"", 9, "q", Bytes(250001), kWrongMac};
  for (const KeyHandle key : {KeyHandle{}, KeyHandle{99}, closed})
    CHECK(status_of(engine.add_extension(key, wrong)) == Status::no_key);
  // Requests without serialised form reach no method.
  CHECK(status_of(engine.add_extension(open.key, {"\xFF", kPlain, "", {}, kWrongMac})) == Status::option);
  CHECK(status_of(engine.add_extension(open.key, {kType, kLogotype, "\xC0\x80", {}, kWrongMac})) == Status::option);
  CHECK(status_of(engine.add_extension(open.key, {kType, kPlain, "", {}, Bytes(65536)})) == Status::option);
  CHECK(is_open(engine, open.issuer.handle()));
  CHECK(open.issuer.add_extension(open.key, {kType, kPlain, "", {}, {}}));
}

TEST_CASE("addExtension: the MAC covers every argument and the certificate") {
  const ExtensionRequest right{kType, kLogotype, "image/png", Bytes(5, 1), {}};
  const std::vector<std::function<void(ExtensionRequest&)>> changes{
      [](ExtensionRequest& r) { r.type += "x"; },       [](ExtensionRequest& r) { r.qualifier += "x"; },
      [](ExtensionRequest& r) { r.data.push_back(1); }, [](ExtensionRequest& r) { r.data[0] ^= 1; },
      [](ExtensionRequest& r) { r.mac[31] ^= 1; },      [](ExtensionRequest& r) { r.mac.push_back(0); },
  };
  Device device;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    OpenKey open = open_key(*device.engine);
    const Bytes& certificate = open.issuer.end_entity(open.key);
    Bytes data{static_cast<std::uint8_t>(certificate.size() >> 8), static_cast<std::uint8_t>(certificate.size())};
    data = concat({data, certificate, from_hex("0011").value(), as_bytes(kType), from_hex("030009").value(),
                   as_bytes("image/png"), from_hex("000000050101010101").value()});
    ExtensionRequest request = right;
    request.mac = open.issuer.mac("addExtension", data);
    changes[i](request);
    CHECK(status_of(device.engine->add_extension(open.key, request)) == Status::mac);
  }
}

TEST_CASE("addExtension: takes every subType up to its limits, and getExtension returns it after a restart") {
  struct Case {
    std::string type;
    std::uint8_t sub_type;
    std::string qualifier;
    Bytes plaintext;
  };
  std::string longest_type;
  for (int i = 0; i < 500; ++i) longest_type += "\xC3\xA4";  // 1000 bytes
  const std::vector<Case> cases{
      {"urn:z", kPlain, "", {}},
      {longest_type, kPlain, "", Bytes(250000, 0x11)},
      {"u", kEncrypted, "", {}},
      {"urn:encrypted", kEncrypted, "", Bytes(1000, 0x22)},
      {"urn:bag", kBag, "", kCounterBag},
      {"urn:logo", kLogotype, letters(128), Bytes(250000, 0x44)},
      {"urn:empty logo", kLogotype, "i", {}},
  };
  Device device;
  OpenKey open = open_key(*device.engine);
  std::vector<std::string> types;
  for (const Case& c : cases) {
    const Bytes data = c.sub_type == kEncrypted ? open.issuer.encrypt(c.plaintext) : c.plaintext;
    REQUIRE(open.issuer.add_extension(open.key, {c.type, c.sub_type, c.qualifier, data, {}}));
    types.push_back(c.type);
    device.restart();
    open.issuer.use(*device.engine);
  }
  CHECK(status_of(device.engine->get_extension(open.key, "urn:bag")) == Status::no_key);
  REQUIRE(open.issuer.close());
  for (int round = 0; round < 2; ++round) {
    CHECK(device.engine->get_key_attributes(open.key)->extension_types == types);
    for (const Case& c : cases) {
      CAPTURE(c.type);
      const Result<ExtensionContent> found = device.engine->get_extension(open.key, c.type);
      REQUIRE(found);
      CHECK(found->sub_type == c.sub_type);
      CHECK(found->qualifier == c.qualifier);
      CHECK(equal(found->data.view(), c.plaintext));
    }
    device.restart();
  }
}

TEST_CASE("addExtension: type lengths are measured in bytes") {
  std::string type;
  for (int i = 0; i < 501; ++i) type += "\xC3\xA4";
  Device device;
  OpenKey open = open_key(*device.engine);
  CHECK(status_of(open.issuer.add_extension(open.key, {type, kPlain, "", {}, {}})) == Status::option);
  CHECK_FALSE(is_open(*device.engine, open.issuer.handle()));
}

TEST_CASE("addExtension: a key takes 255 extensions and no more") {
  Device device;
  OpenKey open = open_key(*device.engine);
  for (int i = 0; i < 255; ++i)
    REQUIRE(open.issuer.add_extension(open.key, {"urn:" + std::to_string(i), kPlain, "", {}, {}}));
  const Result<void> result = open.issuer.add_extension(open.key, {"urn:one more", kPlain, "", {}, {}});
  REQUIRE_FALSE(result);
  CHECK(result.error().status == Status::option);
  CHECK(result.error().detail.find("too many") != std::string::npos);
  CHECK_FALSE(is_open(*device.engine, open.issuer.handle()));
}

TEST_CASE("addExtension: one operation each, two when encrypted") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  // What is left is the close.
  OpenKey open = open_key(engine, true, kOpsBefore + 1 + 1 + 1 + 2 + 2);
  REQUIRE(open.issuer.add_extension(open.key, {"urn:0", kPlain, "", {}, {}}));
  REQUIRE(open.issuer.add_extension(open.key, {"urn:1", kEncrypted, "", open.issuer.encrypt({}), {}}));
  REQUIRE(open.issuer.add_extension(open.key, {"urn:2", kBag, "", kCounterBag, {}}));
  REQUIRE(open.issuer.add_extension(open.key, {"urn:3", kLogotype, "q", {}, {}}));
  CHECK(open.issuer.close());
}

TEST_CASE("extensions: they leave the storage with their key and with an aborted session") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const std::size_t records = device.storage.memory.record_count();
  OpenKey open = open_key(engine);
  REQUIRE(open.issuer.add_extension(open.key, {kType, kPlain, "", Bytes(10), {}}));
  REQUIRE(engine.abort_provisioning_session(open.issuer.handle()));
  const std::size_t with_counters = device.storage.memory.record_count();
  CHECK(with_counters > records);
  const KeyHandle key = provision(engine, kPlain, Bytes(10));
  CHECK(device.storage.memory.record_count() > with_counters);
  REQUIRE(engine.delete_key(key, {}));
  CHECK(device.storage.memory.record_count() == with_counters);
  device.restart();
  CHECK(status_of(device.engine->get_extension(key, kType)) == Status::no_key);
}

TEST_CASE("getExtension: fails for unknown keys and types") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine, kPlain, Bytes(3));
  const OpenKey open = open_key(engine);
  CHECK(status_of(engine.get_extension(KeyHandle{}, "")) == Status::no_key);
  CHECK(status_of(engine.get_extension(KeyHandle{99}, kType)) == Status::no_key);
  CHECK(status_of(engine.get_extension(open.key, kType)) == Status::no_key);
  CHECK(status_of(engine.get_extension(key, "")) == Status::option);
  CHECK(status_of(engine.get_extension(key, kType + "x")) == Status::option);
  CHECK(status_of(engine.get_extension(key, "\xFF")) == Status::option);
}

TEST_CASE("setProperty: every step refuses in the order of its table and changes nothing") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine, kBag, kCounterBag);
  const KeyHandle plain = provision(engine, kPlain, kCounterBag);
  const OpenKey open = open_key(engine);
  const std::string too_long = letters(65535);
  struct Case {
    const char* name;
    KeyHandle key;
    std::string type;
    std::string property;
    std::string value;
    Status status;
  };
  const std::vector<Case> cases{
      {"1: unknown key", KeyHandle{99}, "urn:x", "None", too_long, Status::no_key},
      {"1: key of an open session", open.key, "urn:x", "None", too_long, Status::no_key},
      {"2: no such extension", key, "urn:x", "None", too_long, Status::option},
      {"2: no property bag", plain, kType, "Counter", "1", Status::option},
      {"3: no such property", key, kType, "None", too_long, Status::option},
      {"3: no such property, other case", key, kType, "counter", "1", Status::option},
      {"3: no name", key, kType, "", "1", Status::option},
      {"3: the beginning of a name", key, kType, "Count", "1", Status::option},
      {"4: read-only", key, kType, "Digits", too_long, Status::not_allowed},
      {"no serialised form: name", key, kType, "\xFF", "1", Status::option},
      {"no serialised form: value", key, kType, "Counter", "\xFF", Status::option},
      {"no serialised form: long value", key, kType, "Counter", letters(65536), Status::option},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(status_of(engine.set_property(c.key, c.type, c.property, c.value)) == c.status);
    CHECK(content(engine, key) == kCounterBag);
  }
  CHECK(is_open(engine, open.issuer.handle()));
}

namespace {

// One property of a bag as the specification writes it.
Bytes property(std::string_view name, bool writable, std::string_view value) {
  const auto length = [](std::size_t size) {
    return Bytes{static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size & 0xFF)};
  };
  return concat({length(name.size()), as_bytes(name), Bytes{static_cast<std::uint8_t>(writable ? 1 : 0)},
                 length(value.size()), as_bytes(value)});
}

}  // namespace

TEST_CASE("setProperty: the value changes in its place, longer, shorter and empty, across a restart") {
  const auto bag = [](std::string_view value) {
    return concat({property("a", false, "1"), property("b", true, value), property("c", true, "")});
  };
  Device device;
  const KeyHandle key = provision(*device.engine, kBag, bag("22"));
  for (const std::string& value : {std::string("333333"), std::string("4"), std::string(), letters(65535),
                                   std::string("\xC3\xA4"), std::string("\0x", 2)}) {
    CAPTURE(value.size());
    REQUIRE(device.engine->set_property(key, kType, "b", value));
    CHECK(content(*device.engine, key) == bag(value));
    device.restart();
    CHECK(content(*device.engine, key) == bag(value));
  }
  CHECK(device.engine->get_extension(key, kType)->sub_type == kBag);
}

TEST_CASE("setProperty: of several properties with one name the first counts") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const Bytes writable_first = concat({property("n", true, "1"), property("n", false, "2")});
  const KeyHandle key = provision(engine, kBag, writable_first);
  REQUIRE(engine.set_property(key, kType, "n", "3"));
  CHECK(content(engine, key) == concat({property("n", true, "3"), property("n", false, "2")}));
  const KeyHandle read_only = provision(engine, kBag, concat({property("n", false, "1"), property("n", true, "2")}));
  CHECK(status_of(engine.set_property(read_only, kType, "n", "3")) == Status::not_allowed);
}

TEST_CASE("setProperty: the bag stays within extensionDataSize") {
  // Four properties with room for values of 249,976 bytes between them.
  const auto bag = [](std::size_t last) {
    return concat({property("a", true, letters(65535)), property("b", true, letters(65535)),
                   property("c", true, letters(65535)), property("d", true, letters(last))});
  };
  const std::size_t fitting = 250000 - bag(0).size();
  REQUIRE(fitting < 65535);
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine, kBag, bag(0));
  CHECK(status_of(engine.set_property(key, kType, "d", letters(fitting + 1))) == Status::option);
  CHECK(content(engine, key) == bag(0));
  CHECK(engine.set_property(key, kType, "d", letters(fitting)));
  CHECK(content(engine, key) == bag(fitting));
  CHECK(engine.set_property(key, kType, "d", letters(fitting - 1)));
  CHECK(status_of(engine.set_property(key, kType, "d", letters(fitting + 1))) == Status::option);
  CHECK(content(engine, key) == bag(fitting - 1));
}

TEST_CASE("addExtension, setProperty: a failing storage changes nothing but the aborted session") {
  struct Prepared {
    std::optional<OpenKey> open;
    KeyHandle closed;
    std::size_t records = 0;
  };
  const std::function<Prepared(Device&)> prepare = [](Device& device) {
    Prepared prepared;
    prepared.closed = provision(*device.engine, kBag, kCounterBag);
    prepared.records = device.storage.memory.record_count();
    return prepared;
  };
  sweep<Prepared>(
      [&](Device& device) {
        Prepared prepared = prepare(device);
        prepared.open = open_key(*device.engine);
        return prepared;
      },
      [](Device&, Prepared& p) {
        return status_of(p.open->issuer.add_extension(p.open->key, {kType, kPlain, "", Bytes(5), {}}));
      },
      [](Device& device, Prepared& p) {
        CHECK(all_sessions(*device.engine, SessionState::open).empty());
        CHECK(all_keys(*device.engine) == std::vector{p.closed});
        CHECK(device.storage.memory.record_count() == p.records);
        CHECK(content(*device.engine, p.closed) == kCounterBag);
      });
  sweep<Prepared>(
      prepare,
      [](Device& device, Prepared& p) {
        return status_of(device.engine->set_property(p.closed, kType, "Counter", "17"));
      },
      [](Device& device, Prepared& p) { CHECK(content(*device.engine, p.closed) == kCounterBag); });
}

namespace {

// Well-formedness once more, from the words of chapter 4.14 and E6, by positions instead of a reader. Returns the
// number of properties, 0 for a malformed bag.
std::size_t count_properties(const Bytes& bag) {
  std::size_t count = 0;
  std::size_t at = 0;
  while (at != bag.size()) {
    const std::size_t left = bag.size() - at;
    if (left < 2) return 0;
    const std::size_t name = bag[at] * 256U + bag[at + 1];
    if (name < 1 || name > 255 || left < 2 + name + 1 + 2) return 0;
    const std::uint8_t writable = bag[at + 2 + name];
    if (writable != 0 && writable != 1) return 0;
    const std::size_t value = bag[at + name + 3] * 256U + bag[at + name + 4];
    if (left < 2 + name + 1 + 2 + value) return 0;
    at += 2 + name + 1 + 2 + value;
    ++count;
  }
  return count;
}

std::size_t properties_read(const Bytes& bag) {
  const Result<std::vector<engine::Property>> read = engine::read_property_bag(bag);
  if (!read) CHECK(read.error().status == Status::option);
  return read ? read->size() : 0;
}

class BagMaker {
 public:
  explicit BagMaker(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

  Bytes bag() {
    Bytes made;
    for (std::size_t i = 0, properties = 1 + below(4); i < properties; ++i) {
      const std::size_t name = below(8) == 0 ? 250 + below(6) : 1 + below(5);
      const std::size_t value = below(8) == 0 ? below(600) : below(5);
      made = concat({made, property(letters(name), below(2) == 1, letters(value))});
    }
    return made;
  }

  Bytes mutated(Bytes bag) {
    for (std::size_t i = 0, mutations = 1 + below(3); i < mutations; ++i) mutate(bag);
    return bag;
  }

 private:
  void mutate(Bytes& bag) {
    const auto at = [&](std::size_t index) { return bag.begin() + static_cast<std::ptrdiff_t>(index); };
    switch (below(5)) {
      case 0:
        if (!bag.empty()) bag[below(bag.size())] = byte();
        break;
      case 1:
        if (!bag.empty()) bag[below(bag.size())] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 2:
        bag.resize(below(bag.size() + 1));
        break;
      case 3:
        bag.insert(at(below(bag.size() + 1)), static_cast<std::uint8_t>(below(3)));
        break;
      default:
        if (!bag.empty()) bag.erase(at(below(bag.size())));
    }
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("property bags: well-formed and malformed ones") {
  const std::string long_name = letters(255);
  for (const Bytes& bag : {kCounterBag, property("n", true, ""), property(long_name, false, letters(65535))}) {
    CHECK(properties_read(bag) > 0);
    // No bag but the whole one ends at the end of a property, except kCounterBag after its first.
    for (std::size_t size = 0; size < std::min(bag.size(), std::size_t{300}); ++size) {
      CAPTURE(size);
      const bool whole = bag == kCounterBag && size == 13;
      CHECK((properties_read(Bytes(bag.begin(), bag.begin() + static_cast<std::ptrdiff_t>(size))) > 0) == whole);
    }
    CHECK(properties_read(concat({bag, Bytes(1)})) == 0);
  }
  CHECK(properties_read(property("", true, "v")) == 0);
  CHECK(properties_read(property(letters(256), true, "v")) == 0);
  for (const unsigned writable : {2U, 0x80U, 0xFFU}) {
    Bytes bag = property("n", true, "v");
    bag[3] = static_cast<std::uint8_t>(writable);
    CHECK(properties_read(bag) == 0);
  }
  CHECK(properties_read(Bytes(1000, 0)) == 0);
  CHECK(properties_read(Bytes(1000, 0xFF)) == 0);
}

TEST_CASE("property bags: what is read is what stands there") {
  const std::vector<engine::Property> properties = engine::read_property_bag(kCounterBag).value();
  REQUIRE(properties.size() == 2);
  CHECK(to_string(properties[0].name) == "Counter");
  CHECK(properties[0].writable);
  CHECK(to_string(properties[0].value) == "0");
  CHECK(to_string(properties[1].name) == "Digits");
  CHECK_FALSE(properties[1].writable);
  CHECK(to_string(properties[1].value) == "8");
}

TEST_CASE("property bags: mutated ones are read exactly when an independent checker finds them well-formed") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  BagMaker maker(seed);
  int well_formed = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    const Bytes bag = maker.bag();
    REQUIRE(properties_read(bag) == count_properties(bag));
    const Bytes mutated = maker.mutated(bag);
    CAPTURE(to_hex(mutated));
    REQUIRE(properties_read(mutated) == count_properties(mutated));
    if (count_properties(mutated) > 0) ++well_formed;
  }
  // Both outcomes were tested.
  CHECK(well_formed > kRounds / 100);
  CHECK(well_formed < kRounds);
}

TEST_CASE("property bags: a changed bag is well-formed, keeps its other bytes and holds the value") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  BagMaker maker(seed);
  for (int round = 0; round < 5000; ++round) {
    const Bytes before = concat({maker.bag(), property("the one", true, letters(maker.below(50)))});
    const Bytes after_it = maker.bag();
    const Bytes old = concat({before, after_it});
    const std::string value = letters(maker.below(300));
    const std::size_t head = before.size() - engine::read_property_bag(before)->back().value.size() - 2;
    const Result<SecureBytes> changed = engine::with_property(old, as_bytes("the one"), as_bytes(value), 250000);
    REQUIRE(changed);
    const Bytes length{static_cast<std::uint8_t>(value.size() >> 8), static_cast<std::uint8_t>(value.size() & 0xFF)};
    CHECK(equal(changed->view(), concat({ByteView(before).first(head), length, as_bytes(value), after_it})));
    CHECK(count_properties(to_bytes(changed->view())) == count_properties(old));
  }
}

TEST_CASE("addExtension: no malformed property bag gets through the API") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  BagMaker maker(seed);
  Device device;
  SecureKeyStore& engine = *device.engine;
  std::optional<OpenKey> open;
  for (int round = 0; round < 100; ++round) {
    if (!open) open = open_key(engine);
    const Bytes bag = maker.mutated(maker.bag());
    CAPTURE(to_hex(bag));
    const bool well_formed = count_properties(bag) > 0;
    CHECK(status_of(open->issuer.add_extension(open->key, {"urn:" + std::to_string(round), kBag, "", bag, {}})) ==
          (well_formed ? std::nullopt : std::optional(Status::option)));
    CHECK(is_open(engine, open->issuer.handle()) == well_formed);
    if (!well_formed) open.reset();
  }
}

}  // namespace sks::test
