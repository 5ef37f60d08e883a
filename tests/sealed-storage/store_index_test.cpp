#include "sealed-storage/store_index.h"

#include <doctest/doctest.h>

#include <fstream>
#include <random>

#include "sealed-storage/cbor.h"
#include "sealed-storage/schema.h"
#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

/// Changes that wait in the root. Spec: spec/sealed-record.md chapter 8.
namespace sks::test {
namespace {

using sealed::kMaxChanges;
using sealed::RecordPlace;
using sealed::RootRecord;
using sealed::StoreIndex;
using sealed::Tag;

Tag tag_of(std::uint32_t number) {
  Tag tag{};
  for (std::size_t i = 0; i < 4; ++i) tag.at(i) = static_cast<std::uint8_t>(number >> (8 * i));
  return tag;
}

/// An index in an empty database, and the root that it had last.
class IndexFixture {
 public:
  IndexFixture() {
    std::ofstream(dir_.file("db")).close();
    database_.emplace(sealed::Database::open(dir_.file("db")).value());
    REQUIRE(sealed::create_tables(*database_));
    open();
  }
  void open() { index_ = StoreIndex::open(*database_, sealer_, root_).value(); }
  StoreIndex& index() { return *index_; }
  void commit() {
    const auto sealed = index_->seal(++generation_);
    REQUIRE(sealed);
    index_->keep();
    root_ = sealed::open_root(sealer_, generation_, *sealed).value();
  }
  const RootRecord& root() const { return root_; }

 private:
  TempDir dir_;
  sealed::RecordSealer sealer_{Bytes(sealed::kMasterKeySize, 7), {}};
  std::optional<sealed::Database> database_;
  std::int64_t generation_ = 0;
  RootRecord root_;
  std::unique_ptr<StoreIndex> index_;
};

std::vector<std::uint32_t> handles(StoreIndex& index, std::uint8_t kind) {
  std::vector<std::uint32_t> found;
  for (std::uint64_t from = 0;;) {
    const auto next = index.next(kind, from).value();
    if (!next) return found;
    found.push_back(*next);
    from = std::uint64_t{*next} + 1;
  }
}

TEST_CASE("StoreIndex knows what a map knows, whatever waits in its root, is kept or dropped") {
  IndexFixture fixture;
  std::map<RecordPlace, Tag> kept;
  std::mt19937 random(20261129);
  std::size_t most_waiting = 0;
  bool moved = false;
  for (int round = 0; round < 400; ++round) {
    std::map<RecordPlace, Tag> staged = kept;
    const std::size_t writes = random() % 12;
    for (std::size_t i = 0; i < writes; ++i) {
      const auto near_the_end = static_cast<std::uint32_t>(UINT32_MAX - random() % 3);
      const auto handle = random() % 8 == 0 ? near_the_end : static_cast<std::uint32_t>(random() % 90);
      const RecordPlace place{static_cast<std::uint8_t>(1 + random() % 3), handle};
      if (random() % 3 == 0) {
        REQUIRE(fixture.index().erase(place));
        staged.erase(place);
      } else {
        const Tag tag = tag_of(static_cast<std::uint32_t>(random()));
        fixture.index().set(place, tag);
        staged[place] = tag;
      }
    }
    if (random() % 4 == 0) {
      if (random() % 2 == 0) static_cast<void>(fixture.index().seal(1));  // a commit that fails after it
      fixture.index().drop();
    } else {
      kept = staged;
      const std::size_t before = fixture.root().changes.size();
      fixture.commit();
      most_waiting = std::max(most_waiting, fixture.root().changes.size());
      moved = moved || fixture.root().changes.size() < before;
    }
    if (random() % 5 == 0) fixture.open();
    for (std::uint8_t kind = 1; kind <= 3; ++kind) {
      std::vector<std::uint32_t> expected;
      for (const auto& [place, tag] : kept) {
        if (place.kind != kind) continue;
        expected.push_back(place.handle);
        CHECK(fixture.index().find(place).value() == tag);
      }
      CHECK(handles(fixture.index(), kind) == expected);
      std::vector<std::uint32_t> visited;
      REQUIRE(fixture.index().visit(kind, [&](std::uint32_t handle, const Tag& tag) {
        visited.push_back(handle);
        CHECK(kept.at({kind, handle}) == tag);
      }));
      CHECK(visited == expected);
    }
    CHECK_FALSE(fixture.index().find({2, 1000}).value());
  }
  CHECK(most_waiting > kMaxChanges / 2);
  CHECK(most_waiting <= kMaxChanges);
  CHECK(moved);
}

TEST_CASE("StoreIndex: an erased record stays away from a list, also when the tree has it") {
  IndexFixture fixture;
  for (std::uint32_t handle = 1; handle <= kMaxChanges + 1; ++handle) fixture.index().set({3, handle}, tag_of(handle));
  fixture.commit();
  CHECK(fixture.root().changes.empty());
  REQUIRE(fixture.index().erase({3, 1}));
  REQUIRE(fixture.index().erase({3, kMaxChanges + 1}));
  fixture.commit();
  CHECK(fixture.root().changes.size() == 2);
  fixture.open();
  CHECK(fixture.index().next(3, 0).value() == 2U);
  CHECK(handles(fixture.index(), 3).size() == kMaxChanges - 1);
  CHECK_FALSE(fixture.index().find({3, 1}).value());
}

TEST_CASE("RootRecord: what is not exactly a root is refused") {
  const std::string tag = "50" + std::string(32, 'a');
  struct Case {
    const char* name;
    std::string hex;
    bool accepted;
  };
  const std::string none = "80";
  std::string many = "9841";  // 65 changes
  for (int i = 0; i < 65; ++i)
    many += "8303" + std::string(i < 24 ? "" : "18") + to_hex(Bytes{static_cast<std::uint8_t>(i)}) + "40";
  std::string most = "9840";
  for (int i = 0; i < 64; ++i)
    most += "8303" + std::string(i < 24 ? "" : "18") + to_hex(Bytes{static_cast<std::uint8_t>(i)}) + "40";
  for (const Case& c : std::initializer_list<Case>{
           {"empty",
            "a301000280"
            "0380",
            true},
           {"a root and a change", "a3010002818303 01" + tag + "0381830304" + tag, true},
           {"an erased record", "a301000280038183030440", true},
           {"64 changes", "a30100028003" + most, true},
           {"65 changes", "a30100028003" + many, false},
           {"without changes", "a201000280", false},
           {"without an epoch", "a202800380", false},
           {"another key", "a3010002800480", false},
           {"something behind it", "a30100028003" + none + "00", false},
           {"cut", "a301000280038183030450", false},
           {"a short tag", "a30100028003818303044f" + std::string(30, 'a'), false},
           {"kind 0", "a301000280038183000440", false},
           {"kind 256", "a3010002800381831901000440", false},
           {"a handle of 33 bits",
            "a3010002800381"
            "83031b000000010000000040",
            false},
           {"the same place twice",
            "a3010002800382"
            "83030440"
            "83030440",
            false},
           {"descending handles",
            "a3010002800382"
            "83030540"
            "83030440",
            false},
           {"descending kinds",
            "a3010002800382"
            "83040440"
            "83030540",
            false},
           {"height 0", "a3010002818303 00" + tag + "0380", false},
           {"height 8", "a3010002818303 08" + tag + "0380", false},
           {"roots of one kind twice", "a3010002828303 01" + tag + "8303 01" + tag + "0380", false},
       }) {
    CAPTURE(c.name);
    std::string hex = c.hex;
    std::erase(hex, ' ');
    const auto root = RootRecord::decode(from_hex(hex).value());
    CHECK(static_cast<bool>(root) == c.accepted);
    if (!root) CHECK(root.error().detail == "the root of the sealed records is malformed");
    if (root) CHECK(equal(root->encode().view(), from_hex(hex).value()));
  }
}

}  // namespace
}  // namespace sks::test
