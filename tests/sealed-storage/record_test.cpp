#include "sealed-storage/record.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sealed-storage/cbor.h"
#include "sks-core/base/encoding.h"
#include "tests/support/vectors.h"

namespace sks::sealed {
namespace {

constexpr RecordLabel kLabel{3, 17, 5};

StoreId store_id_of(ByteView bytes) {
  StoreId id{};
  REQUIRE(bytes.size() == id.size());
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

RecordSealer sealer(std::uint8_t key_byte = 1, std::uint8_t store_byte = 2) {
  const Bytes key(kMasterKeySize, key_byte);
  StoreId id{};
  id.fill(store_byte);
  return RecordSealer(key, id);
}

Bytes sealed_sample() { return sealer().seal(kLabel, Bytes(12, 9), encode_value(as_bytes("a value")).view()); }

TEST_CASE("sealed records equal those that another implementation made from the specification") {
  for (const test::VectorBlock& block : test::read_vectors("sealed-storage/records.vec")) {
    const RecordSealer theirs(block.hex("MasterKey"), store_id_of(block.hex("StoreId")),
                              static_cast<std::uint32_t>(block.number("Version")));
    const RecordLabel label{static_cast<std::uint8_t>(block.number("Kind")),
                            static_cast<std::uint32_t>(block.number("Handle")),
                            static_cast<std::uint64_t>(block.number("Generation"))};
    const Bytes value = block.hex("Value");
    const Bytes expected = block.hex("Sealed");
    CHECK(to_hex(theirs.key_check().view()) == block.text("KeyCheck"));
    CHECK(to_hex(theirs.seal(label, block.hex("Nonce"), encode_value(value).view())) == to_hex(expected));

    const Result<SecureBytes> plaintext = theirs.open(label, expected);
    REQUIRE(plaintext);
    const Result<ByteView> opened = decode_value(plaintext->view());
    REQUIRE(opened);
    CHECK(to_hex(*opened) == to_hex(value));
  }
}

TEST_CASE("a sealed record with any one bit changed is refused") {
  const Bytes original = sealed_sample();
  REQUIRE(sealer().open(kLabel, original));
  for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
    CAPTURE(bit);
    Bytes changed = original;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
    const Result<SecureBytes> opened = sealer().open(kLabel, changed);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == Status::crypto);
    CHECK(opened.error().detail == "the sealed record 3/17 was altered or does not belong there");
  }
}

TEST_CASE("a sealed record that was cut short or made longer is refused") {
  const Bytes original = sealed_sample();
  for (std::size_t size = 0; size < original.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(sealer().open(kLabel, ByteView(original).first(size)));
  }
  Bytes longer = original;
  longer.push_back(0);
  CHECK_FALSE(sealer().open(kLabel, longer));
}

TEST_CASE("a sealed record opens under its own label, key and store alone") {
  const Bytes record = sealed_sample();
  CHECK(sealer().open(kLabel, record));
  CHECK_FALSE(sealer().open({4, 17, 5}, record));
  CHECK_FALSE(sealer().open({3, 18, 5}, record));
  CHECK_FALSE(sealer().open({3, 17, 4}, record));
  CHECK_FALSE(sealer().open({3, 17, 6}, record));
  CHECK_FALSE(sealer(7, 2).open(kLabel, record));
  CHECK_FALSE(sealer(1, 7).open(kLabel, record));
}

TEST_CASE("two writes of one value share neither key nor bytes") {
  const RecordSealer one = sealer();
  const Bytes nonce(12, 9);
  const SecureBytes plaintext = encode_value(as_bytes("a value"));
  const Bytes first = one.seal({3, 17, 5}, nonce, plaintext.view());
  const Bytes second = one.seal({3, 17, 6}, nonce, plaintext.view());
  // 21 bytes of structure and nonce are equal by design; what follows must differ throughout, as two keys make it.
  REQUIRE(first.size() == second.size());
  CHECK_FALSE(equal(ByteView(first).subspan(21, 8), ByteView(second).subspan(21, 8)));
}

TEST_CASE("the plaintext of a value has one form") {
  const Bytes wrong[] = {
      from_hex("").value(),
      from_hex("4101").value(),            // the value alone
      from_hex("a0").value(),              // no pair
      from_hex("a1024101").value(),        // another key
      from_hex("a2014101024101").value(),  // one pair more
      from_hex("a2014101014101").value(),  // a key twice
      from_hex("a101c24101").value(),      // tagged
      from_hex("a1015f4101ff").value(),    // indefinite length
      from_hex("a101580101").value(),      // length in two bytes
      from_hex("a101410100").value(),      // a byte after the end
  };
  for (const Bytes& plaintext : wrong) {
    CAPTURE(to_hex(plaintext));
    CHECK_FALSE(decode_value(plaintext));
  }
  const Bytes right = from_hex("a1014101").value();
  REQUIRE(decode_value(right));
  CHECK(to_hex(*decode_value(right)) == "01");
}

TEST_CASE("a value may be empty or as long as the limit, and no longer") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{23}, std::size_t{65536}, kMaxValue}) {
    CAPTURE(size);
    const SecureBytes plaintext = encode_value(Bytes(size, 0x5A));
    const Result<SecureBytes> opened = sealer().open(kLabel, sealer().seal(kLabel, Bytes(12, 1), plaintext.view()));
    REQUIRE(opened);
    const Result<ByteView> value = decode_value(opened->view());
    REQUIRE(value);
    CHECK(value->size() == size);
  }
  CHECK_FALSE(decode_value(encode_value(Bytes(kMaxValue + 1, 0)).view()));
}

TEST_CASE("a device identity is decoded as it was encoded") {
  const Bytes device(400, 1);
  const Bytes authority(20, 2);
  const Bytes key(138, 3);
  const Result<SecureBytes> plaintext = encode_identity({{device, authority}, key});
  REQUIRE(plaintext);
  const Result<IdentityView> identity = decode_identity(plaintext->view());
  REQUIRE(identity);
  REQUIRE(identity->certificate_path.size() == 2);
  CHECK(equal(identity->certificate_path[0], device));
  CHECK(equal(identity->certificate_path[1], authority));
  CHECK(equal(identity->private_key, key));
}

TEST_CASE("a device identity without a certificate or key, or with oversized parts, is refused both ways") {
  const Bytes part(10, 1);
  const Bytes oversized(kMaxIdentityPart + 1, 1);
  const std::vector<ByteView> long_path(kMaxPathLength + 1, part);
  struct Case {
    const char* name;
    IdentityView identity;
  };
  const Case cases[] = {
      {"no certificate", {{}, part}},         {"empty certificate", {{part, ByteView()}, part}},
      {"no key", {{part}, ByteView()}},       {"oversized certificate", {{oversized}, part}},
      {"oversized key", {{part}, oversized}}, {"path too long", {long_path, part}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Result<SecureBytes> encoded = encode_identity(c.identity);
    REQUIRE_FALSE(encoded);
    CHECK(encoded.error().status == Status::option);

    CborWriter out(40000);
    out.map(2).uint(1).array(c.identity.certificate_path.size());
    for (const ByteView certificate : c.identity.certificate_path) out.bytes(certificate);
    out.uint(2).bytes(c.identity.private_key);
    const Result<IdentityView> decoded = decode_identity(out.view());
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().status == Status::crypto);
  }
  CHECK_FALSE(decode_identity(from_hex("a2"
                                       "01"
                                       "9bffffffffffffffff")
                                  .value()));
  CHECK_FALSE(decode_identity(from_hex("a2"
                                       "02"
                                       "4101"
                                       "01"
                                       "814101")
                                  .value()));
}

}  // namespace
}  // namespace sks::sealed
