#include "provisioning-server/url.h"

#include <doctest/doctest.h>

#include <array>

using sks::issuer::invocation_uri;
using sks::issuer::MainUrl;
using sks::issuer::percent_encode;
using sks::issuer::query_parameter;

TEST_CASE("MainUrl: takes an https URL apart and keeps its text") {
  struct Case {
    const char* text;
    const char* host;
    std::uint16_t port;
    const char* path;
    const char* origin;
    bool address;
  };
  constexpr auto kCases = std::to_array<Case>({
      {"https://localhost:8443/keygen2", "localhost", 8443, "/keygen2", "https://localhost:8443", false},
      {"https://issuer.example", "issuer.example", 443, "/", "https://issuer.example", false},
      {"https://Issuer.Example:443/a/b/", "Issuer.Example", 443, "/a/b/", "https://Issuer.Example:443", false},
      {"https://h/a%2Fb%c3%A4", "h", 443, "/a%2Fb%c3%A4", "https://h", false},
      {"https://127.0.0.1:1/k", "127.0.0.1", 1, "/k", "https://127.0.0.1:1", true},
      {"https://[::1]:65535/k", "::1", 65535, "/k", "https://[::1]:65535", true},
      {"https://[2001:db8::1]", "2001:db8::1", 443, "/", "https://[2001:db8::1]", true},
  });
  for (const Case& c : kCases) {
    CAPTURE(c.text);
    const auto url = MainUrl::parse(c.text);
    REQUIRE(url);
    CHECK(url->text() == c.text);
    CHECK(url->host() == c.host);
    CHECK(url->port() == c.port);
    CHECK(url->path() == c.path);
    CHECK(url->origin() == c.origin);
    CHECK(url->host_is_address() == c.address);
  }
}

TEST_CASE("MainUrl: refuses what is no https URL of an issuer") {
  const std::string long_url = "https://a/" + std::string(1000, 'x');
  const auto cases = std::to_array<std::string>({"",
                                                 "http://localhost/k",
                                                 "HTTPS://localhost/k",
                                                 "https://",
                                                 "https:///k",
                                                 "https://user@host/k",
                                                 "https://host:/k",
                                                 "https://host:0/k",
                                                 "https://host:65536/k",
                                                 "https://host:8x/k",
                                                 "https://host:-1/k",
                                                 "https://[::1/k",
                                                 "https://[zz]/k",
                                                 "https://[::1]x/k",
                                                 "https://::1/k",
                                                 "https://a..b/k",
                                                 "https://-a/k",
                                                 "https://ho st/k",
                                                 "https://h/k?x=1",
                                                 "https://h/k#f",
                                                 "https://h/k k",
                                                 "https://h/\"",
                                                 "https://h/k\n",
                                                 "https://h/\xc3\xa4",
                                                 "https://h/%zz",
                                                 "https://h/%",
                                                 "https://h/a%4",
                                                 "https://h/%4/1",
                                                 "https://h/%%41",
                                                 "https://h/a[b]",
                                                 "https://h/a^b",
                                                 "https://h/result",
                                                 "https://h/whoami",
                                                 long_url});
  for (const std::string& text : cases) {
    CAPTURE(text);
    CHECK_FALSE(MainUrl::parse(text));
  }
}

TEST_CASE("percent_encode: leaves only the unreserved characters of RFC 3986") {
  CHECK(percent_encode("https://a.b:1/k?t=x-_~") == "https%3A%2F%2Fa.b%3A1%2Fk%3Ft%3Dx-_~");
  CHECK(percent_encode("\xc3\xa4 %") == "%C3%A4%20%25");
}

TEST_CASE("invocation_uri: carries init and url, and the cookie when there is one") {
  CHECK(invocation_uri("https://h/k?ticket=T", "https://h/k", "") ==
        "keygen2://?init=https%3A%2F%2Fh%2Fk%3Fticket%3DT&url=https%3A%2F%2Fh%2Fk");
  CHECK(invocation_uri("https://h/k", "https://h/k", "n=v") ==
        "keygen2://?init=https%3A%2F%2Fh%2Fk&url=https%3A%2F%2Fh%2Fk&cookie=n%3Dv");
  CHECK(invocation_uri("https://h/k", "https://h/k", "n=v", "https://h/r?o=c") ==
        "keygen2://?init=https%3A%2F%2Fh%2Fk&url=https%3A%2F%2Fh%2Fk&cookie=n%3Dv&cncl=https%3A%2F%2Fh%2Fr%3Fo%3Dc");
}

TEST_CASE("query_parameter: gives the one value of a name, decoded") {
  CHECK(query_parameter("ticket=a%2Fb", "ticket") == "a/b");
  CHECK(query_parameter("x=1&ticket=T&y=2", "ticket") == "T");
  CHECK(query_parameter("ticket=", "ticket") == "");
  CHECK(query_parameter("", "ticket") == std::nullopt);
  CHECK(query_parameter("ticket", "ticket") == std::nullopt);
  CHECK(query_parameter("xticket=1", "ticket") == std::nullopt);
  CHECK(query_parameter("ticket=a&ticket=a", "ticket") == std::nullopt);
  for (const char* const broken : {"ticket=%", "ticket=%1", "ticket=%zz"})
    CHECK(query_parameter(broken, "ticket") == std::nullopt);
}
