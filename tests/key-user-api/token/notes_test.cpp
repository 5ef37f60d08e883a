#include <doctest/doctest.h>

#include "key-user-api/token/key_page.h"
#include "tests/key-user-api/token/lab.h"
#include "tests/sealed-storage/store_fixture.h"

/// What a service notes down in the key store, and what it makes of it when it starts again:
/// sks-core/engine/key_notes.h.
namespace sks::test {
namespace {

using Objects = std::vector<std::uint64_t>;

/// The notes of an engine, with a look at who asks.
class WatchedNotes final : public KeyNotes {
 public:
  Result<std::optional<std::vector<MarkedKey>>> marked_keys() override { return engine->marked_keys(); }
  Result<std::optional<KeyMark>> key_mark(KeyHandle key) override { return engine->key_mark(key); }
  Result<void> visit_notes(const std::function<void(std::uint32_t, ByteView)>& visit) override {
    return engine->visit_notes(visit);
  }
  Result<void> write_notes(const std::map<std::uint32_t, SecureBytes>& notes) override {
    if (is_full) return Error{Status::storage, "no space left"};
    written.push_back(notes.size());
    return engine->write_notes(notes);
  }

  Engine* engine = nullptr;
  bool is_full = false;
  std::vector<std::size_t> written;  ///< pages
};

/// A key store on disk, and one service after the other over it.
class Store {
 public:
  enum class Uses { notes, none };

  explicit Store(Uses uses = Uses::notes) { open(uses); }

  void open_engine() {
    storage = files.open();
    auto opened = Engine::open({*storage, identity});
    REQUIRE(opened);
    engine = std::move(opened).value();
    notes.engine = engine.get();
  }
  Result<std::unique_ptr<token::Service>> try_to_open(Uses uses = Uses::notes) {
    if (!engine) open_engine();
    return token::Service::open({*engine, [this](KeyHandle key) { return engine->pin_group(key); }, clock,
                                 system_random(), dialog, uses == Uses::notes ? &notes : nullptr});
  }
  void open(Uses uses = Uses::notes) {
    auto opened = try_to_open(uses);
    REQUIRE(opened);
    service = std::move(opened).value();
  }
  /// As a process that ends without a word.
  void crash() {
    service.reset();
    engine.reset();
    storage.reset();
  }
  void stop() {
    REQUIRE(service->write_notes());
    crash();
  }

  /// A pair of the local issuer in the slot without PIN.
  KeyHandle make(const std::string& label, const Bytes& id) {
    Client client(*service);
    const Attributes parameters = Attributes().bytes(CKA_EC_PARAMS, kP256).boolean(CKA_TOKEN, true).bytes(CKA_ID, id);
    const Client::Made made =
        client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, parameters,
                             Attributes().boolean(CKA_TOKEN, true).text(CKA_LABEL, label).bytes(CKA_ID, id));
    REQUIRE(made.rv == CKR_OK);
    return KeyHandle{static_cast<std::uint32_t>(made.second / 256)};
  }
  Objects find_id(const Bytes& id) {
    Client client(*service);
    return client.find(0, Attributes().bytes(CKA_ID, id).number(CKA_CLASS, CKO_PRIVATE_KEY));
  }

  StoreFixture files;
  TestIdentity identity;
  FakeClock clock{1700000000};
  ScriptedDialog dialog;
  WatchedNotes notes;
  std::unique_ptr<SqliteStore> storage;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<token::Service> service;

 private:
  static inline const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
};

/// What an application sees of a slot: of each object every attribute by which one is found, and those of yes or no.
std::string seen(token::Service& service) {
  std::string text;
  Client client(service);
  for (const TokenInfo& token : list_tokens(client)) {
    text += token.label + " " + token.serial + " " + token.issuer + "\n";
    for (const std::uint64_t object : client.find(token.slot)) {
      text += std::to_string(object);
      for (const CK_ATTRIBUTE_TYPE type :
           {CKA_CLASS, CKA_KEY_TYPE, CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_NEVER_EXTRACTABLE, CKA_LOCAL, CKA_SIGN,
            CKA_DECRYPT, CKA_DERIVE, CKA_MODIFIABLE, CKA_DESTROYABLE, CKA_MODULUS_BITS, CKA_VALUE_LEN,
            CKA_KEY_GEN_MECHANISM, CKA_ALWAYS_AUTHENTICATE, CKA_CERTIFICATE_CATEGORY}) {
        const Client::Value value = client.get(token.slot, object, type);
        text += " " + std::to_string(value.result);
        for (const std::uint8_t byte : value.bytes) text += "," + std::to_string(byte);
      }
      for (const CK_ATTRIBUTE_TYPE type :
           {CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_VALUE, CKA_MODULUS, CKA_EC_POINT}) {
        const Client::Value value = client.get(token.slot, object, type);
        if (value.result != 0) continue;
        text += " [";
        for (const std::uint64_t found : client.find(token.slot, Attributes().bytes(type, value.bytes)))
          text += std::to_string(found) + " ";
        text += "]";
      }
      text += "\n";
    }
  }
  return text;
}

void provision_under_pin(Engine& engine) {
  PinKeyOptions options;
  provision_pin_key(engine, options);
}

void damage(const Store& store, KeyHandle key) {
  store.files.sql("UPDATE record SET sealed = randomblob(length(sealed)) WHERE kind = 3 AND handle = " +
                  std::to_string(key.value));
}

TEST_CASE("notes: who starts with them sees what one sees who looks at every key") {
  Store store;
  store.make("first", {1});
  store.make("second", {2});
  provision_under_pin(*store.engine);
  KeyEntryRequest rsa = key_request();
  rsa.key_algorithm = kSks + "rsa2048";
  provision_plain_key(*store.engine, std::move(rsa));
  store.service->store_changed();
  const std::string before = seen(*store.service);
  store.stop();

  store.notes.written.clear();
  store.open();
  CHECK(seen(*store.service) == before);
  store.stop();
  CHECK(store.notes.written.empty());  // nothing has changed

  store.open(Store::Uses::none);
  CHECK(seen(*store.service) == before);
}

TEST_CASE("notes: a key that was altered is found by them, and refused before it is used") {
  Store store;
  const KeyHandle key = store.make("altered", {7});
  store.stop();
  damage(store, key);

  store.open();
  CHECK(store.find_id({7}) == Objects{object_of(key, 1)});
  const auto protection = store.engine->get_key_protection_info(key);
  REQUIRE_FALSE(protection);
  CHECK(protection.error().status == Status::crypto);
  const auto signature = store.engine->sign_data(key, kEcdsaSha256, {}, {}, as_bytes("data"));
  REQUIRE_FALSE(signature);
  CHECK(signature.error().status == Status::crypto);
  Client client(*store.service);
  CHECK(client.call(request(171).u32(0).u64(object_of(key, 1)).u16(1).u64(CKA_LABEL).view()).rv == CKR_DEVICE_ERROR);
  store.crash();

  const auto without = store.try_to_open(Store::Uses::none);
  REQUIRE_FALSE(without);
  CHECK(without.error().status == Status::crypto);
}

TEST_CASE("notes: what has changed since then is looked at") {
  Store store;
  const KeyHandle changed = store.make("old name", {1});
  const KeyHandle deleted = store.make("deleted", {2});
  const KeyHandle same = store.make("same", {3});
  store.stop();

  store.open(Store::Uses::none);
  Client client(*store.service);
  REQUIRE(client.set(0, object_of(changed, 1), Attributes().text(CKA_LABEL, "new name").bytes(CKA_ID, Bytes{9})) ==
          CKR_OK);
  REQUIRE(store.engine->delete_key(deleted, {}));
  const KeyHandle added = store.make("added", {4});
  store.crash();

  store.open();
  CHECK(store.find_id({1}).empty());
  CHECK(store.find_id({9}) == Objects{object_of(changed, 1)});
  CHECK(store.find_id({2}).empty());
  CHECK(store.find_id({3}) == Objects{object_of(same, 1)});
  CHECK(store.find_id({4}) == Objects{object_of(added, 1)});
  Client later(*store.service);
  CHECK(later.find(0, Attributes().text(CKA_LABEL, "old name")).empty());
  CHECK(later.find(0, Attributes().text(CKA_LABEL, "deleted")).empty());
}

TEST_CASE("notes: a key that joined the store without one costs a look, whatever was written down before") {
  Store store;
  store.make("noted", {1});
  REQUIRE(store.service->write_notes());
  store.notes.is_full = true;
  const KeyHandle late = store.make("late", {2});
  const Result<void> full = store.service->write_notes();
  REQUIRE_FALSE(full);
  CHECK(full.error().status == Status::storage);
  SUBCASE("the process ends without a word") {}
  SUBCASE("it is tried again") {
    store.notes.is_full = false;
    REQUIRE(store.service->write_notes());
  }
  store.crash();
  store.notes.is_full = false;
  store.open();
  CHECK(store.find_id({1}).size() == 1);
  CHECK(store.find_id({2}) == Objects{object_of(late, 1)});
}

TEST_CASE("notes: those that were altered, dropped, put back or taken from elsewhere tell nothing") {
  Store store;
  const KeyHandle first = store.make("first", {1});
  store.stop();
  const std::string keep = "ATTACH '" + store.files.beside("kept.db") + "' AS k; ";
  store.files.sql(keep + "CREATE TABLE k.kept AS SELECT * FROM record WHERE kind = 10");
  store.open();
  const KeyHandle second = store.make("second", {2});
  store.stop();

  SUBCASE("altered") { store.files.sql("UPDATE record SET sealed = randomblob(length(sealed)) WHERE kind = 10"); }
  SUBCASE("dropped") { store.files.sql("DELETE FROM record WHERE kind = 10"); }
  SUBCASE("put back") { store.files.sql(keep + "INSERT OR REPLACE INTO record SELECT * FROM k.kept"); }
  SUBCASE("of another store") {
    Store other;
    other.make("stranger", {3});
    other.stop();
    store.files.sql("ATTACH '" + other.files.file("store.db") +
                    "' AS o; INSERT OR REPLACE INTO record SELECT * FROM o.record WHERE kind = 10");
  }
  store.open();
  CHECK(store.find_id({1}) == Objects{object_of(first, 1)});
  CHECK(store.find_id({2}) == Objects{object_of(second, 1)});
  CHECK(store.find_id({3}).empty());
  store.notes.written.clear();
  store.stop();
  CHECK(store.notes.written == std::vector<std::size_t>{1});
  // They are right again: nobody looks at a key.
  damage(store, second);
  store.open();
  CHECK(store.find_id({2}) == Objects{object_of(second, 1)});
}

TEST_CASE("key marks: every change of a key or of its extensions gives it another one, and nothing else does") {
  Store store;
  const KeyHandle key = store.make("marked", {1});
  const KeyHandle other = store.make("other", {2});
  const auto mark = [&](KeyHandle of) { return store.engine->key_mark(of).value(); };
  const std::optional<KeyMark> first = mark(key);
  REQUIRE(first);
  CHECK(first != mark(other));
  CHECK_FALSE(mark(KeyHandle{4711}));
  const auto all = store.engine->marked_keys().value();
  REQUIRE(all);
  for (const MarkedKey& one : *all) CHECK(mark(one.key) == one.mark);
  CHECK(all->size() == 2);
  store.crash();
  store.open();
  CHECK(mark(key) == first);
  Client client(*store.service);
  REQUIRE(client.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "changed")) == CKR_OK);
  CHECK(mark(key) != first);
  REQUIRE(client.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "marked")) == CKR_OK);
  CHECK(mark(key) != first);
  REQUIRE(store.engine->delete_key(other, {}));
  CHECK_FALSE(mark(other));
}

TEST_CASE("key marks: a key has none before the close of its session is durable") {
  Store store;
  TestIssuer issuer(*store.engine);
  REQUIRE(issuer.open());
  const auto made = issuer.create_certified_key(key_request());
  REQUIRE(made);
  const std::unique_ptr<PendingCall> end = store.engine->begin_call([&] { CHECK(issuer.close()); });
  REQUIRE(end != nullptr);
  CHECK_FALSE(store.engine->key_mark(made->handle).value());
  CHECK(store.engine->marked_keys().value()->empty());
  CHECK(end->finish());
  CHECK(store.engine->key_mark(made->handle).value());
  CHECK(store.engine->marked_keys().value()->size() == 1);
}

/// Two keys, one with authorities.
SecureBytes sample_page(const token::Digester& digester, std::uint32_t first) {
  token::KeyRecord record;
  record.mark = 5;
  record.kind = KeyKind::ec;
  record.digests[0] = 17;
  token::PageWriter page(digester);
  page.add(KeyHandle{first}, 3, record, {});
  token::Digests authority{};
  authority[1] = 4;
  record.authorities = {9, 9};
  page.add(KeyHandle{first + 1}, 0, record, {&authority, &authority});
  return std::move(page).take();
}

std::size_t count_keys(std::uint32_t number, ByteView page) {
  token::PageReader reader(number, page);
  std::size_t count = 0;
  while (reader.next()) ++count;
  return count;
}

TEST_CASE("pages of notes: come back as they were, and what is cut off or of elsewhere does not count") {
  const token::Digester digester(system_random());
  const SecureBytes page = sample_page(digester, 256);
  token::PageReader reader(1, page.view());
  REQUIRE(reader.digester_key());
  CHECK(equal(*reader.digester_key(), digester.key()));
  const auto first = reader.next();
  const auto second = reader.next();
  REQUIRE((first && second));
  CHECK(first->slot == 3);
  CHECK(first->record.digests[0] == 17);
  CHECK(second->key == KeyHandle{257});
  CHECK(second->authorities.size() == 2);
  CHECK(second->authorities[1][1] == 4);
  CHECK_FALSE(reader.next());

  std::size_t most = 0;
  for (std::size_t size = 0; size < page.size(); ++size) {
    const std::size_t count = count_keys(1, page.view().first(size));
    CHECK(count >= most);
    most = std::max(most, count);
  }
  CHECK(most == 1);
  CHECK(count_keys(0, page.view()) == 0);
  Bytes other_version = to_bytes(page.view());
  other_version[2] ^= 1;
  CHECK_FALSE(token::PageReader(1, other_version).digester_key());
  CHECK(count_keys(1, other_version) == 0);
  CHECK(std::move(token::PageWriter(digester)).take().empty());
}

}  // namespace
}  // namespace sks::test
