#include "sealed-storage/anchor.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "sealed-storage/file_anchor.h"
#include "sealed-storage/store_anchor.h"
#include "sks-core/base/encoding.h"
#include "tests/sealed-storage/failing_sync.h"
#include "tests/sealed-storage/killed_process.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/vectors.h"

/// Stores that were put back as a whole. Spec: spec/sealed-record.md chapter 10.
namespace sks::test {
namespace {

namespace fs = std::filesystem;
using sealed::AnchorChoice;
using sealed::parse_anchor;

constexpr RecordId kKey1{RecordKind::key, 1};

/// A store that is anchored in a file beside its folder.
class Anchored {
 public:
  Anchored() {
    REQUIRE(SqliteStore::create(folder, sample_identity(), sealed::key_file_provider(), no_secrets(), choice()));
  }

  AnchorChoice choice() const { return parse_anchor("file:" + file).value(); }
  std::unique_ptr<SqliteStore> open() const {
    auto store = SqliteStore::open(folder);
    REQUIRE_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
    return std::move(*store);
  }
  void check_refused(Status status, const std::string& sentence) const {
    const auto store = SqliteStore::open(folder);
    REQUIRE_FALSE(store);
    CHECK(store.error().status == status);
    CHECK(store.error().detail == sentence);
  }
  /// As the specification lays it out, at offset 25.
  std::uint64_t epoch() const {
    std::uint64_t value = 0;
    for (const char byte : read_file(file).substr(25, 8)) value = value << 8U | static_cast<std::uint8_t>(byte);
    return value;
  }
  std::string image() const { return read_file(folder + "/store.db"); }
  void put_back(const std::string& database) const { write_file(folder + "/store.db", database); }

  TempDir dir;
  std::string folder = dir.file("store");
  std::string file = dir.file("anchor");
};

enum class Lasting : std::uint8_t { no, yes };

Result<void> put(SqliteStore& store, std::string_view value, Lasting lasting = Lasting::no) {
  SKS_LET(const auto transaction, store.begin());
  SKS_TRY(transaction->put(kKey1, as_bytes(value)));
  if (lasting == Lasting::yes) transaction->forbid_return();
  return transaction->commit();
}

std::string earlier(const Anchored& store, int epoch, int remembered) {
  return "the key store in " + store.folder + " was put back to an earlier state: it is at epoch " +
         std::to_string(epoch) + ", and its anchor remembers epoch " + std::to_string(remembered);
}

}  // namespace

TEST_CASE("anchor: a key store that was put back as a whole does not open") {
  const Anchored store;
  const std::string before = store.image();
  REQUIRE(put(*store.open(), "later"));
  store.put_back(before);
  store.check_refused(Status::crypto, earlier(store, 1, 2));
  CHECK(store.image() == before);
}

TEST_CASE("anchor: each opening begins an epoch with its first commit, and other commits stay in it") {
  const Anchored store;
  CHECK(store.epoch() == 1);
  {
    const auto opened = store.open();
    CHECK(store.epoch() == 1);
    REQUIRE(put(*opened, "1"));
    CHECK(store.epoch() == 2);
    REQUIRE(put(*opened, "2"));
    REQUIRE(put(*opened, "3"));
    CHECK(store.epoch() == 2);
    REQUIRE(put(*opened, "4", Lasting::yes));
    CHECK(store.epoch() == 4);
    REQUIRE((*opened->begin().value()).commit());  // nothing in it
    CHECK(store.epoch() == 4);
  }
  static_cast<void>(store.open());
  CHECK(store.epoch() == 4);
}

TEST_CASE("anchor: a commit that has not reached the anchor is made up for, and no second one is ahead of it") {
  const Anchored store;
  const std::string first = read_file(store.file);
  REQUIRE(put(*store.open(), "1"));
  write_file(store.file, first);  // as a crash before the anchor was written leaves it
  REQUIRE(put(*store.open(), "2"));
  CHECK(store.epoch() == 3);
  const std::string later = read_file(store.file);
  write_file(store.file, first);
  store.check_refused(Status::crypto, "the anchor of the key store in " + store.folder +
                                          " was put back: it remembers epoch 1, and the store is at epoch 3");
  write_file(store.file, later);
  CHECK(store.open());
}

TEST_CASE("anchor: one that is gone, damaged or another store's keeps the store from opening") {
  const Anchored store;
  const Anchored other;
  const std::string good = read_file(store.file);
  const std::string name = store.file;
  REQUIRE(good.size() == 65);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string altered = good;
    altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
    write_file(name, altered);
    const std::size_t byte = bit / 8;
    store.check_refused(Status::crypto,
                        name + (byte < 8    ? " is not the anchor of a key store"
                                : byte < 9  ? " is damaged, or an anchor of a kind that this program does not know"
                                : byte < 25 ? " is the anchor of another key store"
                                            : " was altered"));
  }
  for (const std::size_t size : {std::size_t{8}, std::size_t{64}}) {
    write_file(name, good.substr(0, size));
    store.check_refused(Status::crypto, name + " is damaged, or an anchor of a kind that this program does not know");
  }
  write_file(name, good + "x");
  store.check_refused(Status::storage, name + " is too long");
  write_file(name, "");
  store.check_refused(Status::crypto, name + " is not the anchor of a key store");
  write_file(name, read_file(other.file));
  store.check_refused(Status::crypto, name + " is the anchor of another key store");
  fs::remove(name);
  store.check_refused(Status::not_available,
                      "the anchor of the key store in " + store.folder + " is out of reach: " + name + " is missing");
  write_file(name, good);
  CHECK(store.open());
}

TEST_CASE("anchor: a commit that cannot reach it has failed, and the store is as good as before") {
  const Anchored store;
  const auto opened = store.open();
  REQUIRE(put(*opened, "1"));
  fs::rename(store.file, store.file + ".away");
  const Result<void> failed = put(*opened, "2", Lasting::yes);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().status == Status::storage);
  CHECK(failed.error().detail == "the anchor cannot be moved on: the anchor of the key store in " + store.folder +
                                     " is out of reach: " + store.file + " is missing");
  CHECK(put(*opened, "3"));
  CHECK_FALSE(put(*opened, "4", Lasting::yes));
  fs::rename(store.file + ".away", store.file);
  CHECK(put(*opened, "5", Lasting::yes));
  CHECK(store.epoch() == 4);
}

TEST_CASE("anchor: guessing a PIN with copies of the store gains no attempt") {
  const Anchored store;
  const TestIdentity identity;
  KeyHandle key;
  const auto with_engine = [&](const std::function<void(Engine&)>& use) {
    const auto opened = store.open();
    use(*Engine::open({*opened, identity}).value());
  };
  with_engine([&](Engine& engine) {
    TestIssuer issuer(engine);
    REQUIRE(issuer.open());
    const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
    key = issuer.create_certified_key(key_request(policy, "1234")).value().handle;
    REQUIRE(issuer.close());
  });
  const std::string before = store.image();
  for (const char* place : {"anchored", "away"}) {
    CAPTURE(place);
    const std::string anchor = read_file(store.file);
    with_engine([&](Engine& engine) {
      if (place == std::string("away")) fs::remove(store.file);
      const auto wrong = engine.verify_pin(key, SecureBytes::copy_of(as_bytes("0000")));
      REQUIRE_FALSE(wrong);
      // Without the anchor nothing is compared: there is no answer to learn from.
      CHECK(wrong.error().status == (place == std::string("away") ? Status::storage : Status::authorization));
    });
    if (place == std::string("away")) {
      write_file(store.file, anchor);
      continue;
    }
    const std::string now = store.image();
    store.put_back(before);
    const auto refused = SqliteStore::open(store.folder);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find("was put back to an earlier state") != std::string::npos);
    store.put_back(now);
  }
  with_engine([&](Engine& engine) {
    CHECK(engine.get_key_protection_info(key).value().pin_error_count == 1);
    CHECK(engine.verify_pin(key, SecureBytes::copy_of(as_bytes("1234"))));
  });
}

TEST_CASE("anchor: a store that was cut off on its way to the next epoch does not come back after a PIN was judged") {
  const Anchored store;
  const std::string start = store.image();
  const std::string anchor = read_file(store.file);
  // One that went ahead of the anchor without paying for anything, for later.
  REQUIRE(put(*store.open(), "branch"));
  const std::string branch = store.image();
  write_file(store.file, anchor);

  store.put_back(start);
  REQUIRE(put(*store.open(), "an attempt that was paid for", Lasting::yes));
  const std::string paid = store.image();
  store.put_back(branch);
  const auto refused = SqliteStore::open(store.folder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("was put back to an earlier state") != std::string::npos);
  store.put_back(paid);
  CHECK(store.open());
}

TEST_CASE("anchor: copies of an earlier time under the same anchor do not pass for those of a later one") {
  const Anchored store;
  REQUIRE(put(*store.open(), "1"));
  const std::string before = store.image();
  REQUIRE(SqliteStore::set_anchor(store.folder, {}, no_secrets()));
  REQUIRE(SqliteStore::set_anchor(store.folder, store.choice(), no_secrets()));
  const std::string now = store.image();
  store.put_back(before);
  CHECK(SqliteStore::open(store.folder).error().detail.find("was put back to an earlier state") != std::string::npos);
  store.put_back(now);

  // The anchor that the store has already stays as it is, under its own name and no other.
  const std::string file = read_file(store.file);
  REQUIRE(SqliteStore::set_anchor(store.folder, store.choice(), no_secrets()));
  CHECK(read_file(store.file) == file);
  fs::create_hard_link(store.file, store.dir.file("link"));
  const auto again =
      SqliteStore::set_anchor(store.folder, parse_anchor("file:" + store.dir.file("link")).value(), no_secrets());
  REQUIRE_FALSE(again);
  CHECK(again.error().detail == store.dir.file("link") + " is the present anchor under another name");
  CHECK(store.open());
}

TEST_CASE("anchor: a place that is unfit is refused, and no store comes to be") {
  const TempDir dir;
  write_file(dir.file("taken"), "something of somebody's");
  const std::string folder = dir.file("store");
  struct Case {
    std::string place;
    std::string sentence;
  };
  for (const Case& c :
       {Case{dir.file("taken"), "there is a file already: " + dir.file("taken")},
        Case{dir.file("no/anchor"), "the folder of the anchor " + dir.file("no/anchor") + " does not exist"},
        Case{dir.path(), "there is a file already: "},
        Case{dir.path() + "/" + std::string(1024, 'x'), "the path of the anchor is longer than 1024 bytes"}}) {
    CAPTURE(c.place);
    const auto made = SqliteStore::create(folder, sample_identity(), sealed::key_file_provider(), no_secrets(),
                                          parse_anchor("file:" + c.place).value());
    REQUIRE_FALSE(made);
    CHECK(made.error().status == Status::option);
    CHECK(made.error().detail.starts_with(c.sentence));
    CHECK(entries(dir.path()) == "taken");
  }
  CHECK(read_file(dir.file("taken")) == "something of somebody's");

  const StoreFixture fixture;
  const auto inside =
      SqliteStore::set_anchor(fixture.folder(), parse_anchor("file:" + fixture.file("a")).value(), no_secrets());
  REQUIRE_FALSE(inside);
  CHECK(inside.error().detail == "an anchor in the key store's own folder would be put back together with it");
  for (const char* text : {"", "fil", "file", "file:", "tpm2:x", "none:x", "File:/x"}) {
    CAPTURE(text);
    const auto parsed = parse_anchor(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().status == Status::option);
  }
}

TEST_CASE("anchor: changed, taken away, and given up when it is lost") {
  const Anchored store;
  const std::string other = store.dir.file("other");
  REQUIRE(put(*store.open(), "1"));
  const std::string before = store.image();
  REQUIRE(SqliteStore::set_anchor(store.folder, parse_anchor("file:" + other).value(), no_secrets()));
  CHECK_FALSE(fs::exists(store.file));
  CHECK(read_file(other).size() == 65);
  const std::string now = store.image();
  store.put_back(before);  // its anchor is gone for good
  CHECK(SqliteStore::open(store.folder).error().status == Status::not_available);
  store.put_back(now);
  CHECK(store.open());

  // The one that it has, once more.
  REQUIRE(SqliteStore::set_anchor(store.folder, parse_anchor("file:" + other).value(), no_secrets()));
  CHECK(fs::exists(other));
  CHECK(store.open());

  fs::remove(other);
  const auto lost = SqliteStore::set_anchor(store.folder, {}, no_secrets());
  REQUIRE_FALSE(lost);
  CHECK(lost.error().status == Status::not_available);
  REQUIRE(SqliteStore::set_anchor(store.folder, {}, no_secrets(), AnchorCheck::skipped));
  CHECK(store.open());
  REQUIRE(SqliteStore::set_anchor(store.folder, store.choice(), no_secrets()));
  const std::uint64_t again = store.epoch();
  CHECK(again > 2);  // as it was when it went
  REQUIRE(put(*store.open(), "2"));
  CHECK(store.epoch() == again + 1);
  REQUIRE(SqliteStore::set_anchor(store.folder, {}, no_secrets()));
  CHECK_FALSE(fs::exists(store.file));
  CHECK(store.open());
}

TEST_CASE("anchor: a death at any system call leaves a store that agrees with its anchor") {
  std::size_t deaths = 0;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const Anchored store;
    const std::string other = store.dir.file("other");
    std::vector<std::uint64_t> calls;
    const bool killed = killed_at(stop, calls, [&] {
      {
        const auto opened = SqliteStore::open(store.folder);
        if (!opened || !put(**opened, "1") || !put(**opened, "2", Lasting::yes)) return false;
      }
      return static_cast<bool>(
          SqliteStore::set_anchor(store.folder, parse_anchor("file:" + other).value(), no_secrets()));
    });
    const auto opened = SqliteStore::open(store.folder);
    REQUIRE_MESSAGE(static_cast<bool>(opened), (opened ? std::string() : opened.error().detail));
    REQUIRE(put(**opened, "3", Lasting::yes));
    if (!killed) break;
    ++deaths;
  }
  MESSAGE(deaths << " deaths");
  CHECK(deaths > 200);
}

TEST_CASE("anchor: files that another implementation made from the specification") {
  const std::string store = "the store";
  const TempDir dir;
  for (const VectorBlock& block : read_vectors("sealed-storage/anchors.vec")) {
    sealed::StoreId store_id{};
    std::ranges::copy(block.hex("StoreId"), store_id.begin());
    const sealed::RecordSealer sealer(block.hex("MasterKey"), store_id);
    const SecureBytes key = sealer.anchor_key();
    CHECK(equal(key.view(), block.hex("AnchorKey")));
    const sealed::AnchorContext context{store_id, key.view(), store};
    const std::string file = to_string(block.hex("File"));
    write_file(dir.file("anchor"), file);
    const auto anchor = sealed::open_file_anchor(as_bytes(dir.file("anchor")), context).value();
    CHECK(std::to_string(anchor->read().value()) == block.text("Epoch"));
    write_file(dir.file("anchor"), "anything");
    REQUIRE(anchor->advance(std::stoull(std::string(block.text("Epoch")))));
    CHECK(read_file(dir.file("anchor")) == file);
  }
}

TEST_CASE("AnchorRecord: what is not exactly one is refused") {
  CHECK(sealed::AnchorRecord::decode(from_hex("a2010102412f").value()).value() == sealed::AnchorRecord{1, Bytes{'/'}});
  for (const char* hex :
       {"", "a0", "a2010102412f00", "a20101", "a1010102412f", "a2020101412f", "a201410102412f", "a20101025f412fff"}) {
    CAPTURE(hex);
    CHECK_FALSE(sealed::AnchorRecord::decode(from_hex(hex).value()));
  }
  const std::string store = "the store";
  const sealed::AnchorContext context{{}, {}, store};
  for (const std::string& path :
       {std::string(), std::string("anchor"), std::string("/a\0b", 4), "/" + std::string(1024, 'x')})
    CHECK(sealed::open_file_anchor(as_bytes(path), context).error().status == Status::crypto);
}

TEST_CASE(
    "SqliteStore::create: a store whose name may not last keeps its anchor, and the sentence says that it is there") {
  const TempDir anchors;
  const TempDir dir;
  const std::string folder = dir.file("store");
  const AnchorChoice choice = parse_anchor("file:" + anchors.file("anchor")).value();
  {
    const FailingSync failing(dir.path());
    const auto made = SqliteStore::create(folder, sample_identity(), sealed::key_file_provider(), no_secrets(), choice);
    REQUIRE_FALSE(made);
    CHECK(made.error().status == Status::storage);
    CHECK(made.error().detail == folder + " is in its place, but may not survive a power cut: cannot sync " +
                                     dir.path() + ": Input/output error");
  }
  CHECK(fs::exists(anchors.file("anchor")));
  CHECK(SqliteStore::open(folder));
}

}  // namespace sks::test
