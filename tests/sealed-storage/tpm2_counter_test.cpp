#include <doctest/doctest.h>
#include <tss2/tss2_esys.h>

#include <optional>

#include "sealed-storage/tpm2/counter.h"
#include "sealed-storage/tpm2/device.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "tests/sealed-storage/software_tpm.h"
#include "tests/sealed-storage/tpm_bus.h"

namespace sks::test {
namespace {

using sealed::Anchor;
using sealed::AnchorContext;
using sealed::NewAnchor;

constexpr std::uint32_t kNvRead = 0x0000014E;  // TPM_CC_NV_Read
constexpr const char* kName = "the TPM's counter of the key store in the store";

/// A store, as far as an anchor knows it.
struct Store {
  Bytes key = Bytes(sealed::kAnchorKeySize, 7);
  std::string name = "the store";
  AnchorContext context{{1, 2, 3}, key, name};
};

struct CounterFixture {
  explicit CounterFixture() : use(std::in_place, tpm.tcti()) {}

  NewAnchor create() const {
    Result<NewAnchor> made = sealed::create_tpm_counter("", store.context);
    REQUIRE_MESSAGE(static_cast<bool>(made), (made ? std::string() : made.error().detail));
    return std::move(*made);
  }

  std::unique_ptr<Anchor> open(ByteView parameters) const {
    auto anchor = sealed::open_tpm_counter(parameters, store.context);
    REQUIRE(anchor);
    return std::move(*anchor);
  }

  SoftwareTpm tpm;
  Store store;
  std::optional<UseTpm> use;
};

std::uint64_t value_of(Anchor& anchor) {
  const Result<std::uint64_t> value = anchor.read();
  REQUIRE_MESSAGE(static_cast<bool>(value), (value ? std::string() : value.error().detail));
  return *value;
}

void check_error(const Error& error, Status status, const std::string& detail) {
  CHECK(to_string(error.status) == to_string(status));
  CHECK(error.detail == detail);
}

std::string index_of(const NewAnchor& anchor) { return std::to_string(ByteReader(anchor.parameters).u32()); }

const std::string kGone =
    std::string(kName) + " is not there: it was removed, or this is another TPM, or the TPM was cleared";
const std::string kReplaced = std::string(kName) + " was replaced by another one";

}  // namespace

TEST_CASE("a TPM counter goes up by one, also over a loss of power") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  CHECK(made.epoch >= 1);
  CHECK(made.parameters.size() == 4);
  CHECK(made.parameters[0] == 0x01);
  CHECK((made.parameters[1] & 0xC0U) == 0x80U);  // the owner's range
  const auto anchor = fixture.open(made.parameters);
  CHECK(value_of(*anchor) == made.epoch);
  REQUIRE(anchor->advance(made.epoch + 1));
  CHECK(value_of(*anchor) == made.epoch + 1);
  fixture.tpm.restart();
  CHECK(value_of(*anchor) == made.epoch + 1);
  CHECK(value_of(*fixture.open(made.parameters)) == made.epoch + 1);
  CHECK(anchor->advance(made.epoch + 1));  // an increment whose answer was lost is not made again
  CHECK(value_of(*anchor) == made.epoch + 1);
  for (const std::uint64_t elsewhere : {made.epoch, made.epoch + 3}) {
    check_error(
        anchor->advance(elsewhere).error(), Status::crypto,
        std::string(kName) + " is at " + std::to_string(made.epoch + 1) + " and not at " + std::to_string(elsewhere));
    CHECK(value_of(*anchor) == made.epoch + 1);
  }
}

TEST_CASE("a TPM counter is gone with its removal, and a new one does not start below it") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  const auto anchor = fixture.open(made.parameters);
  REQUIRE(anchor->advance(made.epoch + 1));
  REQUIRE(anchor->remove());
  REQUIRE(anchor->remove());
  check_error(anchor->read().error(), Status::not_available, kGone);
  check_error(anchor->advance(made.epoch + 2).error(), Status::not_available, kGone);
  CHECK(fixture.create().epoch > made.epoch + 1);
}

TEST_CASE("a TPM counter that was removed and made anew by somebody else is refused, and left alone") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  const auto anchor = fixture.open(made.parameters);
  const std::string index = index_of(made);
  const std::string attributes = "authread|authwrite|no_da|nt=counter";

  // The same public area and so the same name, with an authorization of one's own.
  fixture.tpm.tool("tpm2_nvundefine -C o " + index);
  fixture.tpm.tool("tpm2_nvdefine " + index + " -C o -s 8 -p other -a " + attributes);
  check_error(anchor->read().error(), Status::crypto, kReplaced);
  fixture.tpm.tool("tpm2_nvincrement " + index + " -C " + index + " -P other");
  check_error(anchor->read().error(), Status::crypto, kReplaced);
  check_error(anchor->advance(made.epoch + 1).error(), Status::crypto, kReplaced);
  REQUIRE(anchor->remove());
  fixture.tpm.tool("tpm2_nvreadpublic " + index);

  // Other attributes: one that the owner writes.
  fixture.tpm.tool("tpm2_nvundefine -C o " + index);
  fixture.tpm.tool("tpm2_nvdefine " + index + " -C o -s 8 -a authread|authwrite|ownerwrite|no_da");
  check_error(anchor->read().error(), Status::crypto, kReplaced);
}

TEST_CASE("a TPM counter of another store, or out of a cleared or missing TPM, is refused") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  Store other;
  other.key[0] = 8;
  check_error((*sealed::open_tpm_counter(made.parameters, other.context))->read().error(), Status::crypto, kReplaced);
  Store clone;
  clone.context.store_id[0] = 9;
  check_error((*sealed::open_tpm_counter(made.parameters, clone.context))->read().error(), Status::crypto, kReplaced);

  const auto anchor = fixture.open(made.parameters);
  fixture.tpm.tool("tpm2_clear -c p");
  check_error(anchor->read().error(), Status::not_available, kGone);
  fixture.tpm.stop();
  check_error(anchor->read().error(), Status::not_available,
              "no TPM answers at " + fixture.tpm.tcti() + " ($SKS_TPM2_TCTI)");
  CHECK_FALSE(anchor->remove());
  CHECK_FALSE(sealed::create_tpm_counter("", fixture.store.context));
}

TEST_CASE("a TPM counter serves while the TPM is locked out, and is not made without its owner's password") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  const auto anchor = fixture.open(made.parameters);
  fixture.tpm.lock_out();
  REQUIRE(anchor->advance(made.epoch + 1));
  fixture.tpm.tool("tpm2_changeauth -c owner secret");
  const std::string owner = "the owner of the TPM has set a password on the owner hierarchy";
  REQUIRE(anchor->advance(made.epoch + 2));
  check_error(sealed::create_tpm_counter("", fixture.store.context).error(), Status::not_available,
              "cannot make the TPM's storage key: " + owner);
  check_error(anchor->remove().error(), Status::not_available,
              "cannot remove the key store's counter from the TPM: " + owner);
  CHECK(value_of(*anchor) == made.epoch + 2);
}

TEST_CASE("a TPM without room for another counter says so, and those that are there go on") {
  CounterFixture fixture;
  const NewAnchor first = fixture.create();
  fixture.tpm.fill_memory();
  check_error(sealed::create_tpm_counter("", fixture.store.context).error(), Status::storage,
              "cannot make a counter in the TPM: the TPM's memory for counters is full");
  const auto anchor = fixture.open(first.parameters);
  CHECK(value_of(*anchor) == first.epoch);
  REQUIRE(anchor->advance(first.epoch + 1));
}

TEST_CASE("a TPM counter's value that was altered on its way is noticed") {
  CounterFixture fixture;
  const NewAnchor made = fixture.create();
  TpmBus bus(fixture.tpm.socket());
  fixture.use.reset();
  fixture.use.emplace(bus.tcti());
  const auto anchor = fixture.open(made.parameters);
  CHECK(value_of(*anchor) == made.epoch);
  CHECK(bus.heard().find(to_string(fixture.store.key)) == std::string::npos);
  bus.alter = [](std::uint32_t command, Bytes& answer) {
    // The last byte of the value: behind header, size of parameters and size of the buffer.
    if (command == kNvRead) answer[10 + 4 + 2 + 7] = static_cast<std::uint8_t>(answer[10 + 4 + 2 + 7] - 1);
  };
  check_error(anchor->read().error(), Status::crypto,
              "cannot read " + std::string(kName) + ": an answer of the TPM was altered on its way");
}

TEST_CASE("parameters that no TPM counter has are refused") {
  const Store store;
  for (const Bytes& parameters :
       {Bytes{}, Bytes{1, 0x80, 0}, Bytes{1, 0x80, 0, 0, 0}, Bytes{1, 0x7F, 0xFF, 0xFF}, Bytes{1, 0xC0, 0, 0}}) {
    const auto anchor = sealed::open_tpm_counter(parameters, store.context);
    REQUIRE_FALSE(anchor);
    check_error(anchor.error(), Status::crypto,
                "the key store in the store names its counter in the TPM in an unknown form");
  }
  CHECK(sealed::open_tpm_counter(Bytes{1, 0x80, 0, 0}, store.context));
  CHECK(sealed::open_tpm_counter(Bytes{1, 0xBF, 0xFF, 0xFF}, store.context));
}

}  // namespace sks::test
