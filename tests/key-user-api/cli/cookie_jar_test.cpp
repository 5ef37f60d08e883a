#include "key-user-api/cli/cookie_jar.h"

#include <doctest/doctest.h>

using namespace sks::cli;

namespace {

constexpr std::int64_t kNow = 1700000000;

Url url(std::string_view text) {
  auto parsed = parse_url(text);
  REQUIRE(parsed);
  return *parsed;
}

/// What a jar that has seen `set_cookie` from the issuer's page sends to `target`.
std::string sent(std::string_view set_cookie, std::string_view target = "https://www.issuer.example/kg/step",
                 std::int64_t later = 0) {
  CookieJar jar;
  jar.set(url("https://www.issuer.example/kg/step?x=1"), set_cookie, kNow);
  return jar.header_for(url(target), kNow + later);
}

}  // namespace

TEST_CASE("CookieJar: a cookie goes back to where RFC 6265 sends it") {
  struct Case {
    const char* name;
    const char* set_cookie;
    const char* target;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"plain", "a=1", "https://www.issuer.example/kg/step", "a=1"},
      {"blanks around name and value", "  a = 1 ; Secure", "https://www.issuer.example/kg/x", "a=1"},
      {"value with equals", "a=b=c", "https://www.issuer.example/kg/x", "a=b=c"},
      {"empty value", "a=", "https://www.issuer.example/kg/x", "a="},
      {"default path is the folder", "a=1", "https://www.issuer.example/kg", "a=1"},
      {"not above the default path", "a=1", "https://www.issuer.example/", ""},
      {"not beside the default path", "a=1", "https://www.issuer.example/kgx", ""},
      {"path attribute", "a=1; Path=/", "https://www.issuer.example/other", "a=1"},
      {"relative path attribute counts as none", "a=1; Path=x", "https://www.issuer.example/other", ""},
      {"host only", "a=1; Path=/", "https://issuer.example/", ""},
      {"domain", "a=1; Path=/; Domain=issuer.example", "https://sub.issuer.example/", "a=1"},
      {"domain with a dot in front", "a=1; Path=/; Domain=.Issuer.Example", "https://issuer.example/", "a=1"},
      {"secure over https", "a=1; Secure; HttpOnly", "https://www.issuer.example/kg/x", "a=1"},
      {"secure over http", "a=1; Secure", "http://www.issuer.example/kg/x", ""},
      {"unknown attribute", "a=1; SameSite=Strict; Color=red", "https://www.issuer.example/kg/x", "a=1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(sent(c.set_cookie, c.target) == c.expected);
  }
}

TEST_CASE("CookieJar: ignores a Set-Cookie that RFC 6265 tells to ignore") {
  for (const std::string set_cookie :
       {"", "novalue", "=1", " =1; Path=/", "a=1; Domain=other.example", "a=1; Domain=example.issuer",
        "a=1; Domain=w.issuer.example", "a=1\r\nX: y", "__Secure-a=1", "__Host-a=1; Secure",
        "__Host-a=1; Secure; Path=/; Domain=issuer.example"}) {
    CAPTURE(set_cookie);
    CHECK(sent(set_cookie).empty());
  }
  CHECK(sent("a=" + std::string(5000, 'x')).empty());
  CHECK(sent("__Host-a=1; Secure; Path=/") == "__Host-a=1");
}

TEST_CASE("CookieJar: a domain never matches the end of an address") {
  CookieJar jar;
  jar.set(url("https://127.0.0.1/"), "a=1; Domain=0.0.1", kNow);
  CHECK(jar.header_for(url("https://127.0.0.1/"), kNow).empty());
  jar.set(url("https://127.0.0.1/"), "a=1; Domain=127.0.0.1", kNow);
  CHECK(jar.header_for(url("https://127.0.0.1/"), kNow) == "a=1");
}

TEST_CASE("CookieJar: expiry is kept, and Max-Age goes before Expires") {
  const char* const here = "https://www.issuer.example/kg/step";
  CHECK(sent("a=1; Max-Age=10", here, 9) == "a=1");
  CHECK(sent("a=1; Max-Age=10", here, 10).empty());
  CHECK(sent("a=1; Max-Age=0").empty());
  CHECK(sent("a=1; Max-Age=-5").empty());
  CHECK(sent("a=1; Max-Age=soon") == "a=1");
  CHECK(sent("a=1; Max-Age=99999999999999999999999", here, 1000000000) == "a=1");
  // 1700000000 is Tue, 14 Nov 2023 22:13:20 GMT (date -u -d @1700000000).
  CHECK(sent("a=1; Expires=Tue, 14 Nov 2023 22:13:21 GMT") == "a=1");
  CHECK(sent("a=1; Expires=Tue, 14 Nov 2023 22:13:20 GMT").empty());
  CHECK(sent("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5") == "a=1");
  CHECK(sent("a=1; Expires=whenever") == "a=1");
}

TEST_CASE("CookieJar: a later cookie of the same name, domain and path replaces the earlier one, or removes it") {
  CookieJar jar;
  const Url here = url("https://issuer.example/kg/a");
  jar.set(here, "s=1", kNow);
  jar.set(here, "root=1; Path=/", kNow);
  jar.set(here, "s=2", kNow);
  CHECK(jar.header_for(here, kNow) == "s=2; root=1");
  jar.set(here, "s=; Max-Age=0", kNow);
  CHECK(jar.header_for(here, kNow) == "root=1");
}

TEST_CASE("CookieJar: an issuer cannot fill the memory") {
  CookieJar jar;
  const Url here = url("https://issuer.example/");
  for (int i = 0; i < 60; ++i) jar.set(here, "c" + std::to_string(i) + "=x", kNow);
  const std::string header = jar.header_for(here, kNow);
  CHECK(header.find("c49=x") != std::string::npos);
  CHECK(header.find("c50=x") == std::string::npos);
}

// Expected values from date -u -d "..." +%s.
TEST_CASE("parse_http_date: the three forms of HTTP, and what is no date") {
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").value() == 784111777);
  CHECK(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT").value() == 784111777);
  CHECK(parse_http_date("Sun Nov  6 08:49:37 1994").value() == 784111777);
  CHECK(parse_http_date("29 Feb 2024 00:00:00").value() == 1709164800);
  CHECK(parse_http_date("01 Jan 1970 00:00:00 GMT").value() == 0);
  for (const std::string text :
       {"", "GMT", "06 Nov 1994", "32 Nov 1994 08:49:37", "06 Nov 1994 24:49:37", "06 Nov 1994 08:60:37",
        "06 Nov 1600 08:49:37", "06 Foo 1994 08:49:37", "06 Nov 08:49:37", "123"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_http_date(text));
  }
}
