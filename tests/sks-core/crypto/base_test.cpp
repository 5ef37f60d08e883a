#include <doctest/doctest.h>

#include <array>
#include <cstring>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks {
namespace {

TEST_CASE("ByteReader: a bad length fails and leaves nothing to use") {
  struct Case {
    const char* name;
    Bytes input;
    bool ok;
  };
  const std::array<Case, 5> cases{{{"exact", {0, 1, 7}, true},
                                   {"past the end", {0, 2, 7}, false},
                                   {"trailing byte", {0, 1, 7, 8}, false},
                                   {"half a length", {0}, false},
                                   {"empty", {}, false}}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    ByteReader in(c.input);
    in.array();
    CHECK(static_cast<bool>(in.finish()) == c.ok);
  }
}

TEST_CASE("ByteReader: a bool is 0x00 or 0x01 and nothing else") {
  for (int value = 0; value < 256; ++value) {
    const Bytes input{static_cast<std::uint8_t>(value)};
    ByteReader in(input);
    in.boolean();
    CHECK(static_cast<bool>(in.finish()) == (value < 2));
  }
}

TEST_CASE("ByteReader: text that is not UTF-8 fails") {
  const std::array<std::string_view, 9> bad{
      "\x80",  "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
      "a\xC3", "\xC3(",    "\xFF"};
  for (const std::string_view text : bad) {
    ByteWriter out;
    out.text(text);
    const Bytes encoded = out.take();
    ByteReader in(encoded);
    in.text();
    CHECK_FALSE(in.finish());
  }
}

TEST_CASE("ByteReader: reads back what ByteWriter wrote, big-endian") {
  ByteWriter out;
  const Bytes blob{1, 2, 3};
  out.u8(0xAB).u16(0x0102).u32(0x03040506).u64(0x0708090A0B0C0D0E).boolean(true).text("Nyckel Å").blob(blob);
  const Bytes encoded = out.take();
  CHECK(to_hex(encoded) == "ab0102030405060708090a0b0c0d0e0100094e79636b656c20c38500000003010203");
  ByteReader in(encoded);
  CHECK(in.u8() == 0xAB);
  CHECK(in.u16() == 0x0102);
  CHECK(in.u32() == 0x03040506);
  CHECK(in.u64() == 0x0708090A0B0C0D0E);
  CHECK(in.boolean());
  CHECK(in.text() == "Nyckel Å");
  CHECK(equal(in.blob(), blob));
  CHECK(in.finish());
}

TEST_CASE("count_code_points: counts characters, not bytes") { CHECK(count_code_points("Nyckel Å€𝄞") == 10); }

TEST_CASE("base64url: RFC 4648 values without padding") {
  const std::array<std::pair<std::string_view, std::string_view>, 7> cases{{{"", ""},
                                                                            {"f", "Zg"},
                                                                            {"fo", "Zm8"},
                                                                            {"foo", "Zm9v"},
                                                                            {"foob", "Zm9vYg"},
                                                                            {"fooba", "Zm9vYmE"},
                                                                            {"foobar", "Zm9vYmFy"}}};
  for (const auto& [plain, encoded] : cases) {
    CHECK(to_base64url(as_bytes(plain)) == encoded);
    CHECK(equal(from_base64url(encoded).value(), as_bytes(plain)));
  }
}

TEST_CASE("base64url: everything loose is refused") {
  const std::array<std::string_view, 9> bad{"A", "AB", "AAB", "Zg==", "Z g", "Zg\n", "Zm+v", "Zm/v", "Zm9vY"};
  for (const std::string_view text : bad) {
    CAPTURE(text);
    CHECK_FALSE(from_base64url(text));
  }
}

TEST_CASE("hex: odd lengths and foreign characters are refused") {
  CHECK(equal(from_hex("00fFA5").value(), Bytes{0x00, 0xFF, 0xA5}));
  CHECK_FALSE(from_hex("0"));
  CHECK_FALSE(from_hex("0g"));
  CHECK_FALSE(from_hex(" 00"));
}

TEST_CASE("PEM: blocks of other labels are skipped and a cut block is refused") {
  const std::string text = to_pem(Bytes{1, 2, 3, 4}, "OTHER") + "noise\n" + to_pem(Bytes(100, 7), "CERTIFICATE");
  const auto blocks = from_pem(text, "CERTIFICATE");
  REQUIRE(blocks);
  REQUIRE(blocks->size() == 1);
  CHECK((*blocks)[0] == Bytes(100, 7));
  CHECK_FALSE(from_pem(text.substr(0, text.size() - 10), "CERTIFICATE"));
  CHECK_FALSE(from_pem("-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n", "CERTIFICATE"));
  CHECK_FALSE(from_pem("-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n", "CERTIFICATE"));
}

TEST_CASE("SecureBytes: moving leaves nothing behind and truncate keeps the front") {
  SecureBytes a = SecureBytes::copy_of(as_bytes("secret"));
  SecureBytes b = std::move(a);
  CHECK(a.empty());  // NOLINT(bugprone-use-after-move): this is the guarantee under test
  b.truncate(3);
  CHECK(equal(b.view(), as_bytes("sec")));
  b = SecureBytes::copy_of(as_bytes("other"));
  CHECK(equal(b.view(), as_bytes("other")));
}

TEST_CASE("equal_constant_time: compares content and length") {
  CHECK(equal_constant_time(as_bytes("1234"), as_bytes("1234")));
  CHECK_FALSE(equal_constant_time(as_bytes("1234"), as_bytes("1235")));
  CHECK_FALSE(equal_constant_time(as_bytes("1234"), as_bytes("123")));
  CHECK(equal_constant_time({}, {}));
}

TEST_CASE("random_id: 32 characters of the id alphabet, each time others") {
  const std::string a = random_id(system_random());
  CHECK(a.size() == 32);
  CHECK(a.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos);
  CHECK(a != random_id(system_random()));
}

}  // namespace
}  // namespace sks
