#include "sealed-storage/cbor.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"

namespace sks::sealed {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

TEST_CASE("CborWriter writes the examples of RFC 8949 appendix A") {
  struct Case {
    const char* expected;
    std::uint64_t value;
  };
  for (const Case& c : {Case{"00", 0}, Case{"17", 23}, Case{"1818", 24}, Case{"1864", 100}, Case{"1903e8", 1000},
                        Case{"1a000f4240", 1000000}, Case{"1b000000e8d4a51000", 1000000000000},
                        Case{"1bffffffffffffffff", 18446744073709551615U}}) {
    CborWriter out(CborWriter::kMaxHead);
    CHECK(to_hex(out.uint(c.value).view()) == c.expected);
  }
  CborWriter out(32);
  out.array(3).bytes(hex("01020304")).text("IETF").map(1).uint(1).uint(2);
  CHECK(to_hex(out.view()) ==
        "83"
        "4401020304"
        "6449455446"
        "a10102");
}

TEST_CASE("CborReader reads numbers, byte strings, arrays and maps of known size") {
  const Bytes input =
      hex("84"
          "1903e8"
          "4401020304"
          "a10102"
          "40");
  CborReader in(input);
  in.expect_array(4);
  CHECK(in.uint() == 1000);
  CHECK(to_hex(in.bytes()) == "01020304");
  CHECK(in.map() == 1);
  in.expect_uint(1);
  CHECK(in.uint() == 2);
  CHECK(in.bytes().empty());
  CHECK(in.finish());
}

TEST_CASE("CborReader reads texts and bounded numbers, and refuses what is neither") {
  struct Case {
    const char* name;
    const char* input;
    bool ok;
  };
  const Case cases[] = {
      {"RFC 8949 appendix A: u with diaeresis", "62c3bc", true},
      {"empty", "60", true},
      {"not UTF-8", "62c328", false},
      {"truncated character", "61c3", false},
      {"length in two bytes", "7802c3bc", false},
      {"indefinite length", "7f61ffff", false},
      {"a byte string", "42c3bc", false},
      {"truncated", "62c3", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Bytes input = hex(c.input);
    CborReader in(input);
    const std::string text = in.text();
    CHECK(static_cast<bool>(in.finish()) == c.ok);
    CHECK((c.ok || text.empty()));
  }
  const Bytes four = hex("04");
  CborReader high(four);
  CHECK(high.uint_up_to(4) == 4);
  CHECK(high.finish());
  CborReader low(four);
  CHECK(low.uint_up_to(3) == 0);
  CHECK_FALSE(low.finish());
}

/// Reads [bytes, {5: bytes}], the shape of a sealed record.
bool accepts(ByteView input) {
  CborReader in(input);
  in.expect_array(2);
  in.expect_bytes(hex("0102"));
  in.expect_map(1);
  in.expect_uint(5);
  in.bytes();
  return static_cast<bool>(in.finish());
}

TEST_CASE("CborReader refuses every encoding but the canonical one") {
  REQUIRE(
      accepts(hex("82"
                  "420102"
                  "a1"
                  "05"
                  "4103")));
  struct Case {
    const char* name;
    const char* input;
  };
  const Case cases[] = {
      {"nothing", ""},
      {"bytes after the end", "82420102a105410300"},
      {"truncated string", "82420102a1054203"},
      {"truncated head", "82420102a1055a000000"},
      {"missing item", "82420102"},
      {"array count in two bytes", "9802420102a1054103"},
      {"string length in two bytes", "8258020102a1054103"},
      {"string length in three bytes", "825900020102a1054103"},
      {"string length in five bytes", "825a000000020102a1054103"},
      {"string length in nine bytes", "825b00000000000000020102a1054103"},
      {"map count in two bytes", "82420102b801054103"},
      {"key in two bytes", "82420102a118054103"},
      {"indefinite array", "9f420102a1054103ff"},
      {"indefinite byte string", "825f420102ffa1054103"},
      {"indefinite map", "82420102bf054103ff"},
      {"indefinite array where a byte string is due", "829f01ffa1054103"},
      {"the same key twice", "82420102a20541030541 03"},
      {"one pair more", "82420102a2054103064103"},
      {"another key", "82420102a1064103"},
      {"negative key", "82420102a1244103"},
      {"text key", "82420102a161354103"},
      {"tag before the array", "c182420102a1054103"},
      {"tag before a byte string", "82c2420102a1054103"},
      {"tag before the map", "82420102d9d9f7a1054103"},
      {"text instead of bytes", "82626162a1054103"},
      {"null", "82420102a105f6"},
      {"simple value", "82420102a105f7"},
      {"float", "82420102a105fa47c35000"},
      {"boolean", "82f5a1054103"},
      {"other content of a fixed string", "82420103a1054103"},
      {"reserved length", "825c0102a1054103"},
      {"break alone", "ff"},
      {"length beyond any memory", "825bffffffffffffffff0102"},
      {"count beyond any memory", "9bffffffffffffffff"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    std::string text = c.input;
    std::erase(text, ' ');
    CHECK_FALSE(accepts(hex(text)));
  }
}

TEST_CASE("CborReader keeps failing after a failure") {
  const Bytes input = hex("0102");
  CborReader in(input);
  CHECK(in.bytes().empty());
  CHECK(in.failed());
  CHECK(in.uint() == 0);
  const Result<void> end = in.finish();
  REQUIRE_FALSE(end);
  CHECK(end.error().status == Status::crypto);
}

}  // namespace
}  // namespace sks::sealed
