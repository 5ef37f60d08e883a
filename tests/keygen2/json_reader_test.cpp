#include "keygen2/json_reader.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "keygen2/enumerations.h"
#include "keygen2/json_writer.h"
#include "keygen2/jwk.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"

using namespace sks;
using namespace sks::keygen2;

namespace {

/// The class of a failure, or "" for success.
std::string_view outcome(const Outcome<void>& result) {
  return result ? std::string_view() : to_string(result.error().error_class);
}

std::string_view parse_outcome(const std::string& text) {
  const Outcome<JsonDocument> document = JsonDocument::parse(text, 1000);
  return document ? std::string_view() : to_string(document.error().error_class);
}

/// Reads {"v":<value>} with `read` and gives the class of the failure.
template <class Read>
std::string_view read_outcome(const std::string& value, const Read& read) {
  Outcome<JsonDocument> document = JsonDocument::parse("{\"v\":" + value + "}", 100000);
  if (!document) return to_string(document.error().error_class);
  JsonReader in = document->root();
  read(in);
  return outcome(document->finish());
}

std::string nested(std::size_t levels) {
  std::string open;
  std::string close;
  for (std::size_t i = 1; i < levels; ++i) {
    open += "[";
    close += "]";
  }
  return "{\"v\":" + open + "1" + close + "}";
}

}  // namespace

TEST_CASE("JsonDocument: what is not strict JSON is refused with JSON") {
  struct Case {
    const char* name;
    std::string text;
    bool ok;
  };
  const std::vector<Case> cases{
      {"plain", R"({"a":1})", true},
      {"white space around", " \t\r\n{ \"a\" : 1 }\n ", true},
      {"empty object", "{}", true},
      {"escapes", R"({"a":"\"\\\/\b\f\n\r\t\u00e5\ud83d\ude00"})", true},
      {"empty", "", false},
      {"byte order mark", "\xEF\xBB\xBF{}", false},
      {"array at the top", "[]", false},
      {"string at the top", "\"a\"", false},
      {"number at the top", "1", false},
      {"something after", "{} x", false},
      {"a second object", "{}{}", false},
      {"a NUL after", std::string("{}\0", 3), false},
      {"a NUL in a string", std::string("{\"a\":\"\0\"}", 9), false},
      {"truncated", R"({"a":)", false},
      {"trailing comma in an object", R"({"a":1,})", false},
      {"trailing comma in an array", R"({"a":[1,]})", false},
      {"comment", "{/* */}", false},
      {"line comment", "{} // x", false},
      {"unquoted name", "{a:1}", false},
      {"single quotes", "{'a':1}", false},
      {"ill-formed UTF-8", "{\"a\":\"\xC3\"}", false},
      {"overlong UTF-8", "{\"a\":\"\xC0\x80\"}", false},
      {"surrogate as UTF-8", "{\"a\":\"\xED\xA0\x80\"}", false},
      {"ill-formed UTF-8 in a name", "{\"\xFF\":1}", false},
      {"raw control character", "{\"a\":\"\x1F\"}", false},
      {"raw line feed in a string", "{\"a\":\"\n\"}", false},
      {"form feed as white space", "{\f}", false},
      {"no-break space as white space", "{\xC2\xA0}", false},
      {"unknown escape", R"({"a":"\x"})", false},
      {"bad \\u", R"({"a":"\u12g4"})", false},
      {"short \\u", R"({"a":"\u12"})", false},
      {"high surrogate alone", R"({"a":"\ud83d"})", false},
      {"low surrogate alone", R"({"a":"\ude00"})", false},
      {"surrogates swapped", R"({"a":"\ude00\ud83d"})", false},
      {"duplicate name", R"({"a":1,"a":1})", false},
      {"duplicate after unescaping", R"({"a":1,"\u0061":1})", false},
      {"duplicate further down", R"({"o":[{"a":1,"b":2,"a":3}]})", false},
      {"same name on two levels", R"({"a":{"a":1}})", true},
      {"null", R"({"a":null})", false},
      {"null in an array", R"({"a":[null]})", false},
      {"fraction", R"({"a":50.0})", false},
      {"exponent", R"({"a":5e1})", false},
      {"capital exponent", R"({"a":5E1})", false},
      {"minus zero", R"({"a":-0})", false},
      {"negative", R"({"a":-1})", true},
      {"leading zero", R"({"a":01})", false},
      {"plus sign", R"({"a":+1})", false},
      {"hexadecimal", R"({"a":0x1})", false},
      {"NaN", R"({"a":NaN})", false},
      {"lone dot", R"({"a":1.})", false},
      {"capital literal", R"({"a":TRUE})", false},
      {"32 levels", nested(32), true},
      {"33 levels", nested(33), false},
      {"at the size limit", "{\"a\":\"" + std::string(992, 'x') + "\"}", true},
      {"above the size limit", "{\"a\":\"" + std::string(993, 'x') + "\"}", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(parse_outcome(c.text) == (c.ok ? "" : "JSON"));
  }
}

TEST_CASE("JsonDocument: the number of values and of properties is bounded") {
  const auto array_of = [](std::size_t count) {
    std::string text = "{\"a\":[0";
    for (std::size_t i = 1; i < count; ++i) text += ",0";
    return text + "]}";
  };
  CHECK(JsonDocument::parse(array_of(199'999), kMaxMessageToClient));  // and the array itself
  CHECK_FALSE(JsonDocument::parse(array_of(200'000), kMaxMessageToClient));
  const auto object_of = [](int count) {
    std::string text = "{\"p0\":0";
    for (int i = 1; i < count; ++i) text += ",\"p" + std::to_string(i) + "\":0";
    return text + "}";
  };
  CHECK(JsonDocument::parse(object_of(64), kMaxMessageToClient));
  CHECK_FALSE(JsonDocument::parse(object_of(65), kMaxMessageToClient));
}

TEST_CASE("JsonReader: types, ranges and syntax of values") {
  using Read = void (*)(JsonReader&);
  const Read text = [](JsonReader& in) { in.text("v"); };
  const Read id = [](JsonReader& in) { in.id("v"); };
  const Read uri = [](JsonReader& in) { in.uri("v"); };
  const Read boolean = [](JsonReader& in) { in.boolean("v"); };
  const Read number = [](JsonReader& in) { in.number("v", {1, 10}); };
  const Read any_number = [](JsonReader& in) { in.number("v", {INT32_MIN, INT32_MAX}); };
  const Read bytes = [](JsonReader& in) { in.bytes("v", {0, 4}); };
  const Read format = [](JsonReader& in) { in.enumeration("v", kFormats); };
  const Read patterns = [](JsonReader& in) { in.optional_enumeration_set("v", kPatternRestrictions); };
  const Read texts = [](JsonReader& in) { in.optional_texts("v"); };
  const Read uris = [](JsonReader& in) { in.optional_uris("v"); };
  const Read objects = [](JsonReader& in) { in.objects("v"); };
  const Read other = [](JsonReader& in) { in.text("w"); };
  const Read nothing = [](JsonReader&) {};
  struct Case {
    const char* name;
    Read read;
    std::string value;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"text", text, R"("x")", ""},
      {"number for text", text, "5", "JSON"},
      {"object for text", text, "{}", "JSON"},
      {"id", id, R"("Key.1")", ""},
      {"id of 32", id, "\"" + std::string(32, 'x') + "\"", ""},
      {"id of 33", id, "\"" + std::string(33, 'x') + "\"", "VALUE"},
      {"empty id", id, R"("")", "VALUE"},
      {"space in an id", id, R"("a b")", "VALUE"},
      {"umlaut in an id", id, R"("\u00e5")", "VALUE"},
      {"delete character in an id", id, "\"\x7F\"", "VALUE"},
      {"uri", uri, R"("https://x.example/a?b=%20#c")", ""},
      {"relative uri", uri, R"("/a")", "VALUE"},
      {"empty scheme", uri, R"(":a")", "VALUE"},
      {"scheme alone", uri, R"("a:")", "VALUE"},
      {"scheme starts with a digit", uri, R"("1a:b")", "VALUE"},
      {"space in a uri", uri, R"("a:b c")", "VALUE"},
      {"quote in a uri", uri, R"("a:\"")", "VALUE"},
      {"umlaut in a uri", uri, R"("a:\u00e5")", "VALUE"},
      {"half an escape", uri, R"("a:%2")", "VALUE"},
      {"bad escape", uri, R"("a:%2g")", "VALUE"},
      {"uri of 1000", uri, "\"a:" + std::string(998, 'b') + "\"", ""},
      {"uri of 1001", uri, "\"a:" + std::string(999, 'b') + "\"", "VALUE"},
      {"true", boolean, "true", ""},
      {"text for boolean", boolean, R"("true")", "JSON"},
      {"number for boolean", boolean, "1", "JSON"},
      {"lowest", number, "1", ""},
      {"highest", number, "10", ""},
      {"below", number, "0", "VALUE"},
      {"above", number, "11", "VALUE"},
      {"text for number", number, R"("5")", "JSON"},
      {"largest int32", any_number, "2147483647", ""},
      {"smallest int32", any_number, "-2147483648", ""},
      {"above int32", any_number, "2147483648", "VALUE"},
      {"below int32", any_number, "-2147483649", "VALUE"},
      {"above 64 bits", any_number, "18446744073709551616", "VALUE"},
      {"bytes", bytes, R"("AQID")", ""},
      {"no bytes", bytes, R"("")", ""},
      {"too many bytes", bytes, R"("AQIDBAU")", "VALUE"},
      {"padding", bytes, R"("AQ==")", "VALUE"},
      {"standard alphabet", bytes, R"("+/8A")", "VALUE"},
      {"unused bits", bytes, R"("AB")", "VALUE"},
      {"unused bits zero", bytes, R"("AA")", ""},
      {"one character", bytes, R"("A")", "VALUE"},
      {"white space", bytes, R"("AQ ID")", "VALUE"},
      {"known string", format, R"("binary")", ""},
      {"other letter case", format, R"("Binary")", "VALUE"},
      {"number for a string", format, "3", "JSON"},
      {"set", patterns, R"(["sequence","repeated","sequence"])", ""},
      {"unknown member of a set", patterns, R"(["sequence","x"])", "VALUE"},
      {"empty set", patterns, "[]", "JSON"},
      {"texts", texts, R"(["a","b"])", ""},
      {"empty array", texts, "[]", "JSON"},
      {"number among texts", texts, R"(["a",1])", "JSON"},
      {"text for an array", texts, R"("a")", "JSON"},
      {"uris", uris, R"(["a:b"])", ""},
      {"no uri among uris", uris, R"(["a:b","c"])", "VALUE"},
      {"objects", objects, "[{}]", ""},
      {"no objects", objects, "[]", "JSON"},
      {"text among objects", objects, R"([{},"a"])", "JSON"},
      {"unknown property inside", objects, R"([{"x":1}])", "JSON"},
      {"missing", other, "1", "JSON"},
      {"unread", nothing, "1", "JSON"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(read_outcome(c.value, c.read) == c.expected);
  }
}

TEST_CASE("JsonReader: a failure of class JSON wins over others, else the first stays") {
  Outcome<JsonDocument> document = JsonDocument::parse(R"({"a":"x y","b":1,"c":2})", 100);
  REQUIRE(document);
  JsonReader in = document->root();
  in.id("a");
  in.number("b", {5, 6});
  SUBCASE("all read") {
    in.number("c", {2, 2});
    const Outcome<void> result = document->finish();
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::value);
    CHECK(result.error().detail == "\"a\" is not an id");
  }
  SUBCASE("one unread") {
    const Outcome<void> result = document->finish();
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::json);
    CHECK(result.error().detail == "property \"c\" is not known here");
  }
}

TEST_CASE("JsonReader: the name of a stranger's property is shortened and printable in failures") {
  Outcome<JsonDocument> document = JsonDocument::parse(R"({"a\u001b[31m)" + std::string(100, 'x') + "\":1}", 1000);
  REQUIRE(document);
  const Outcome<void> result = document->finish();
  REQUIRE_FALSE(result);
  CHECK(result.error().detail == "property \"a?[31m" + std::string(34, 'x') + "...\" is not known here");
}

TEST_CASE("JsonWriter: two spaces per level, LF, shortest escapes") {
  JsonWriter out;
  out.text("t", "\"\\\n\x01/\xC3\x85").boolean("b", true).number("n", -7).bytes("y", Bytes{1, 2, 3});
  out.object("o", [](JsonWriter& members) { members.texts("a", {"x", "y"}); });
  const std::vector<int> numbers{1, 2};
  out.objects("s", numbers, [](JsonWriter& members, int number) { members.number("i", number); });
  CHECK(out.finish() ==
        "{\n"
        "  \"t\": \"\\\"\\\\\\n\\u0001/\xC3\x85\",\n"
        "  \"b\": true,\n"
        "  \"n\": -7,\n"
        "  \"y\": \"AQID\",\n"
        "  \"o\": {\n"
        "    \"a\": [\n"
        "      \"x\",\n"
        "      \"y\"\n"
        "    ]\n"
        "  },\n"
        "  \"s\": [\n"
        "    {\n"
        "      \"i\": 1\n"
        "    },\n"
        "    {\n"
        "      \"i\": 2\n"
        "    }\n"
        "  ]\n"
        "}\n");
}

TEST_CASE("Times: only the forms of chapter 3.6 and days that exist") {
  struct Case {
    const char* text;
    TimeZone zone;
    std::optional<std::int64_t> expected;
  };
  // Expected values: GNU date.
  const std::vector<Case> cases{
      {"1970-01-01T00:00:00Z", TimeZone::utc, 0},
      {"2019-04-08T16:33:30Z", TimeZone::utc, 1554741210},
      {"2019-04-08T18:33:36+02:00", TimeZone::offset, 1554741216},
      {"2019-04-08T11:03:36-05:30", TimeZone::offset, 1554741216},
      {"2020-02-29T23:59:59Z", TimeZone::utc, 1583020799},
      {"2019-04-08T16:33:36+00:00", TimeZone::offset, 1554741216},
      {"2019-04-08T16:33:36Z", TimeZone::offset, std::nullopt},
      {"2019-04-08T16:33:36+00:00", TimeZone::utc, std::nullopt},
      {"2019-02-29T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-02-30T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2100-02-29T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-04-31T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-00-01T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-13-01T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-00T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T24:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:60:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:00:60Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:00:00.5Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:00:00z", TimeZone::utc, std::nullopt},
      {"2019-01-01t00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-01 00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-1-1T00:00:00Z", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:00:00", TimeZone::utc, std::nullopt},
      {"2019-01-01T00:00:00+24:00", TimeZone::offset, std::nullopt},
      {"2019-01-01T00:00:00+01:60", TimeZone::offset, std::nullopt},
      {"2019-01-01T00:00:00+0100", TimeZone::offset, std::nullopt},
      {"2019-01-01T00:00:00+01:00x", TimeZone::offset, std::nullopt},
      {"", TimeZone::utc, std::nullopt},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(parse_time(c.text, c.zone) == c.expected);
  }
  CHECK(format_utc_time(1554741210) == "2019-04-08T16:33:30Z");
  CHECK(format_offset_time(1554741216, 120) == "2019-04-08T18:33:36+02:00");
  CHECK(format_offset_time(1554741216, -330) == "2019-04-08T11:03:36-05:30");
  CHECK(format_offset_time(1554741216, 0) == "2019-04-08T16:33:36+00:00");
  CHECK(is_plausible(1000000, 1000000 + 86400));
  CHECK(is_plausible(1000000 + 86400, 1000000));
  CHECK_FALSE(is_plausible(1000000, 1000000 + 86401));
  CHECK_FALSE(is_plausible(1000000 + 86401, 1000000));
}

TEST_CASE("Times: the local offset is the one in force at the instant, and always one that can be written") {
  const char* const before = std::getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  struct Case {
    const char* zone;
    std::int64_t time;
    int minutes;
    const char* expected;
  };
  // Expected values: GNU date. The rules of St. John's since 2007, and of New Zealand.
  for (const Case& c : {Case{"IST-5:30", 1800000000, 330, "2027-01-15T13:30:00+05:30"},
                        Case{"NST3:30NDT,M3.2.0,M11.1.0", 1798770600, -210, "2026-12-31T23:00:00-03:30"},
                        Case{"NST3:30NDT,M3.2.0,M11.1.0", 1815000000, -150, "2027-07-07T20:10:00-02:30"},
                        Case{"NST3:30NDT,M3.2.0,M11.1.0", 1805002199, -210, "2027-03-14T01:59:59-03:30"},
                        Case{"NST3:30NDT,M3.2.0,M11.1.0", 1805002200, -150, "2027-03-14T03:00:00-02:30"},
                        Case{"NZST-12NZDT,M9.5.0,M4.1.0/3", 1798714800, 780, "2027-01-01T00:00:00+13:00"},
                        Case{"XXX-23:59", 1800000000, 1439, "2027-01-16T07:59:00+23:59"},
                        Case{"XXX-24", 1800000000, 0, "2027-01-15T08:00:00+00:00"},
                        Case{"XXX24", 1800000000, 0, "2027-01-15T08:00:00+00:00"},
                        Case{"XXX-0:19:32", 1800000000, 0, "2027-01-15T08:00:00+00:00"}}) {
    CAPTURE(c.zone);
    CAPTURE(c.time);
    setenv("TZ", c.zone, 1);
    tzset();
    CHECK(local_utc_offset(c.time) == c.minutes);
    const std::string text = format_offset_time(c.time, local_utc_offset(c.time));
    CHECK(text == c.expected);
    CHECK(parse_time(text, TimeZone::offset) == c.time);
  }
  if (before == nullptr)
    unsetenv("TZ");
  else
    setenv("TZ", saved.c_str(), 1);
  tzset();
}

TEST_CASE("Public keys: exact members, lengths and points on their curves") {
  const auto read_key = [](const std::string& text, KeyPlace place) {
    return read_outcome(text, [place](JsonReader& in) { read_public_key(in, "v", place); });
  };
  // Points: worked session of keygen2.md, Appendix C.4. Raw key: RFC 8037, appendix A.2.
  const std::string x = R"("UVw9brnjlrkE0_7Kf1T9zQzB6Ze_N13KUVrQpsO0A18")";
  const std::string y = R"("RTa-OlDzGPv5pUdZAqIhUCvvDVfgjFOyzApW8X2fk1Q")";
  const std::string ec = R"({"kty":"EC","crv":"P-256","x":)" + x + R"(,"y":)" + y + "}";
  const std::string okp = R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
  const std::string rsa = R"({"kty":"RSA","n":")" + to_base64url(Bytes(256, 0xC1)) + R"(","e":"AQAB"})";
  const std::string uri = "https://webpki.github.io/sks/algorithm#";
  struct Case {
    const char* name;
    std::string key;
    KeyPlace place;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"EC, ephemeral", ec, KeyPlace::ephemeral, ""},
      {"EC, management", ec, KeyPlace::management, ""},
      {"EC, generated", ec, KeyPlace::generated, ""},
      {"EC with SKS name", R"({"kty":"EC","crv":")" + uri + R"(ec.nist.p256","x":)" + x + R"(,"y":)" + y + "}",
       KeyPlace::ephemeral, ""},
      {"RSA, ephemeral", rsa, KeyPlace::ephemeral, "CRYPTO"},
      {"RSA, management", rsa, KeyPlace::management, ""},
      {"RSA, generated", rsa, KeyPlace::generated, ""},
      {"OKP, ephemeral", okp, KeyPlace::ephemeral, "CRYPTO"},
      {"OKP, management", okp, KeyPlace::management, "VALUE"},
      {"OKP, generated", okp, KeyPlace::generated, ""},
      {"further member", R"({"kty":"EC","kid":"1","crv":"P-256","x":)" + x + R"(,"y":)" + y + "}", KeyPlace::ephemeral,
       "JSON"},
      {"y missing", R"({"kty":"EC","crv":"P-256","x":)" + x + "}", KeyPlace::ephemeral, "JSON"},
      {"kty missing", R"({"crv":"P-256"})", KeyPlace::ephemeral, "JSON"},
      {"unknown kty", R"({"kty":"oct","k":"AA"})", KeyPlace::generated, "VALUE"},
      {"unknown curve", R"({"kty":"EC","crv":"P-224","x":)" + x + R"(,"y":)" + y + "}", KeyPlace::ephemeral, "VALUE"},
      {"curve of the other kty", R"({"kty":"OKP","crv":"P-256","x":)" + x + "}", KeyPlace::generated, "VALUE"},
      {"coordinates of another curve", R"({"kty":"EC","crv":"P-384","x":)" + x + R"(,"y":)" + y + "}",
       KeyPlace::ephemeral, "CRYPTO"},
      {"point not on the curve", R"({"kty":"EC","crv":"P-256","x":)" + y + R"(,"y":)" + x + "}", KeyPlace::ephemeral,
       "CRYPTO"},
      {"short coordinate", R"({"kty":"EC","crv":"P-256","x":"AQ","y":)" + y + "}", KeyPlace::ephemeral, "CRYPTO"},
      {"modulus with leading zero", R"({"kty":"RSA","n":"AMHB","e":"AQAB"})", KeyPlace::generated, "CRYPTO"},
      {"empty modulus", R"({"kty":"RSA","n":"","e":"AQAB"})", KeyPlace::generated, "VALUE"},
      {"short raw key", R"({"kty":"OKP","crv":"Ed25519","x":"AQ"})", KeyPlace::generated, "CRYPTO"},
      {"no object", R"("P-256")", KeyPlace::generated, "JSON"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(read_key(c.key, c.place) == c.expected);
  }
}

TEST_CASE("Public keys: JOSE names are written where they exist, SKS URIs elsewhere") {
  struct Case {
    const char* algorithm;
    const char* name;
  };
  const std::array<Case, 3> cases{{{"https://webpki.github.io/sks/algorithm#ec.nist.p384", "\"P-384\""},
                                   {"https://webpki.github.io/sks/algorithm#ed25519", "\"Ed25519\""},
                                   {"https://webpki.github.io/sks/algorithm#ec.nist.p521", "\"P-521\""}}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto made = crypto::PrivateKey::generate(*find_algorithm(c.algorithm));
    REQUIRE(made);
    JsonWriter out;
    write_public_key(out, "v", made->public_key());
    const std::string text = out.finish();
    CHECK(text.find(c.name) != std::string::npos);
    Outcome<JsonDocument> document = JsonDocument::parse(text, 1000);
    REQUIRE(document);
    JsonReader in = document->root();
    const auto read = read_public_key(in, "v", KeyPlace::generated);
    REQUIRE(document->finish());
    CHECK(read->spki() == made->public_key().spki());
  }
  // The base point of secp256k1 (SEC 2, 2.4.1): KeyGen2 knows no JOSE name for this curve.
  const auto x = from_hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
  const auto y = from_hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
  const auto key = crypto::PublicKey::from_ec_point(Curve::secp256k1, *x, *y);
  REQUIRE(key);
  JsonWriter out;
  write_public_key(out, "v", *key);
  CHECK(out.finish().find("\"https://webpki.github.io/sks/algorithm#ec.secg.p256k1\"") != std::string::npos);
}
