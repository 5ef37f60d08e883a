#include "key-user-api/cli/proxy.h"

#include <doctest/doctest.h>

#include <map>

using namespace sks;
using namespace sks::cli;

namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Url url(std::string_view text) {
  auto parsed = parse_url(text);
  REQUIRE(parsed);
  return *parsed;
}

/// "scheme host port", or "direct".
std::string chosen(const Variables& variables, const std::string& target = "https://issuer.example/kg") {
  const auto proxy = find_proxy(url(target), environment_of(variables));
  if (!proxy) FAIL(proxy.error().detail);
  if (!*proxy) return "direct";
  const Url& where = (*proxy)->url;
  return where.scheme + " " + where.host + " " + std::to_string(where.port);
}

std::string authorization(const std::string& value) {
  const auto proxy = find_proxy(url("https://issuer.example/"), environment_of({{"https_proxy", value}}));
  if (!proxy) FAIL(proxy.error().detail);
  REQUIRE(*proxy);
  return to_string((*proxy)->authorization.view());
}

std::string refusal(const Variables& variables) {
  const auto proxy = find_proxy(url("https://issuer.example/"), environment_of(variables));
  REQUIRE_FALSE(proxy);
  CHECK(proxy.error().status == Status::option);
  CHECK(proxy.error().detail.find('\n') == std::string::npos);
  return proxy.error().detail;
}

bool is_direct(const std::string& exceptions, const std::string& target) {
  return chosen({{"https_proxy", "http://p.example:1"}, {"no_proxy", exceptions}}, target) == "direct";
}

}  // namespace

TEST_CASE("find_proxy: the variable for https goes before the one for everything, and lower case before upper") {
  CHECK(chosen({}) == "direct");
  CHECK(chosen({{"https_proxy", ""}, {"all_proxy", ""}}) == "direct");
  CHECK(chosen({{"http_proxy", "http://p.example:1"}, {"HTTP_PROXY", "http://p.example:1"}}) == "direct");
  Variables variables{{"ALL_PROXY", "http://a4:1"}};
  CHECK(chosen(variables) == "http a4 1");
  variables["all_proxy"] = "http://a3:1";
  CHECK(chosen(variables) == "http a3 1");
  variables["HTTPS_PROXY"] = "http://a2:1";
  CHECK(chosen(variables) == "http a2 1");
  variables["https_proxy"] = "http://a1:1";
  CHECK(chosen(variables) == "http a1 1");
  variables["https_proxy"] = "";
  CHECK(chosen(variables) == "http a2 1");
}

TEST_CASE("find_proxy: reads a proxy with and without scheme, port and slash") {
  CHECK(chosen({{"https_proxy", "http://p.example:3128/"}}) == "http p.example 3128");
  CHECK(chosen({{"https_proxy", "HTTP://P.example"}}) == "http p.example 80");
  CHECK(chosen({{"https_proxy", "https://p.example"}}) == "https p.example 443");
  CHECK(chosen({{"https_proxy", "p.example:8080"}}) == "http p.example 8080");
  CHECK(chosen({{"https_proxy", "p.example"}}) == "http p.example 80");
  CHECK(chosen({{"https_proxy", "[::1]:8080"}}) == "http ::1 8080");
  CHECK(chosen({{"https_proxy", "http://u:p@127.0.0.1:8080"}}) == "http 127.0.0.1 8080");
}

// The values come from `printf %s USER:PASSWORD | base64`; the first is the example of RFC 7617 chapter 2.
TEST_CASE("find_proxy: user and password become Basic authentication, percent-decoded") {
  CHECK(authorization("http://Aladdin:open%20sesame@p.example") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(authorization("Aladdin:open%20sesame@p.example:1") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(authorization("http://jo:a%3Ab%40c%2Fd%25@p.example") == "Basic am86YTpiQGMvZCU=");
  CHECK(authorization("http://jo:a:b@p.example") == "Basic am86YTpi");
  CHECK(authorization("http://jo@p.example") == "Basic am86");
  CHECK(authorization("http://jo:@p.example") == "Basic am86");
  CHECK(authorization("http://p.example").empty());
}

TEST_CASE("find_proxy: a bad proxy is refused with the name of its variable, and neither its value nor its password") {
  struct Case {
    const char* value;
    const char* said;
  };
  for (const Case& c : std::vector<Case>{
           {"socks5://jo:secret@p.example:1080", "only http and https proxies"},
           {"ftp://p.example", "only http and https proxies"},
           {"://p.example", "only http and https proxies"},
           {"http://", "host name"},
           {"http://jo:secret@", "host name"},
           {"http://p.example:0", "port"},
           {"http://p.example:65536", "port"},
           {"http://jo:secret@p.example:x", "port"},
           {"http://p example", "host name"},
           {"http://[::g]:1", "host name"},
           {"http://p.example/path", "path"},
           {"http://p.example?q", "path"},
           {"http://p.example#f", "fragment"},
           {"http://jo:secret%zz@p.example", "hexadecimal"},
           {"http://jo:secret%2@p.example", "hexadecimal"},
           {"http://jo:sec ret@p.example", "percent-encoded"},
           {"http://jo:secret@more@p.example", "percent-encoded"},
           {"http://jo:secret%0d%0aX@p.example", "control character"},
           {"http://jo%00:secret@p.example", "control character"},
           {"http://jo%3Ax:secret@p.example", "':'"},
           {"http://:secret@p.example", "user name is empty"},
           {"http://@p.example", "user name is empty"},
       }) {
    for (const char* const variable : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
      CAPTURE(c.value);
      const std::string said = refusal({{variable, c.value}});
      CAPTURE(said);
      CHECK(said.starts_with(std::string(variable) + ": "));
      CHECK(said.find(c.said) != std::string::npos);
      CHECK(said.find("secret") == std::string::npos);
      CHECK(said.find(c.value) == std::string::npos);
    }
  }
}

TEST_CASE("find_proxy: what no_proxy lists is reached directly") {
  struct Case {
    const char* exceptions;
    const char* target;
    bool direct;
  };
  for (const Case& c : std::vector<Case>{
           {"*", "https://issuer.example/", true},
           {"other.example, *", "https://issuer.example/", true},
           {"issuer.example", "https://issuer.example/", true},
           {"ISSUER.Example", "https://issuer.example/", true},
           {"issuer.example.", "https://issuer.example/", true},
           {"issuer.example", "https://issuer.example./", true},
           {"issuer.example", "https://www.issuer.example/", true},
           {".issuer.example", "https://www.issuer.example/", true},
           {".issuer.example", "https://issuer.example/", true},
           {"*.issuer.example", "https://www.issuer.example/", true},
           {"example", "https://issuer.example/", true},
           {"issuer.example", "https://notissuer.example/", false},
           {"www.issuer.example", "https://issuer.example/", false},
           {"issuer", "https://issuer.example/", false},
           {"a.example,,b.example ,\tissuer.example", "https://issuer.example/", true},
           {"a.example,b.example", "https://issuer.example/", false},
           {"issuer.example:443", "https://issuer.example/", true},
           {"issuer.example:8443", "https://issuer.example/", false},
           {"issuer.example:8443", "https://issuer.example:8443/", true},
           {".example:8443", "https://issuer.example:8443/", true},
           {"127.0.0.1", "https://127.0.0.1/", true},
           {"127.0.0.1", "https://127.0.0.2/", false},
           {"127.0.0.1:443", "https://127.0.0.1/", true},
           {"127.0.0.1:444", "https://127.0.0.1/", false},
           {"0.0.1", "https://127.0.0.1/", false},
           {"127.0.0.1", "https://127.0.0.1.example/", false},
           {"127.0.0.0/8", "https://127.9.8.7/", true},
           {"10.64.0.0/10", "https://10.127.255.255/", true},
           {"10.64.0.0/10", "https://10.128.0.0/", false},
           {"0.0.0.0/0", "https://192.0.2.1/", true},
           {"0.0.0.0/0", "https://[::1]/", false},
           {"0.0.0.0/0", "https://issuer.example/", false},
           {"::1", "https://[::1]/", true},
           {"[::1]", "https://[::1]/", true},
           {"0:0:0:0:0:0:0:1", "https://[::1]/", true},
           {"[::1]:443", "https://[::1]/", true},
           {"[::1]:444", "https://[::1]/", false},
           {"2001:db8::/32", "https://[2001:db8:1::2]/", true},
           {"2001:db8::/32", "https://[2001:db9::2]/", false},
           {"::1", "https://127.0.0.1/", false},
           {"localhost", "https://localhost/", true},
           {"localhost", "https://127.0.0.1/", false},
       }) {
    CAPTURE(c.exceptions);
    CAPTURE(c.target);
    CHECK(is_direct(c.exceptions, c.target) == c.direct);
  }
}

TEST_CASE("find_proxy: no_proxy goes before NO_PROXY, unless it is empty") {
  const Variables upper{{"https_proxy", "p:1"}, {"NO_PROXY", "issuer.example"}};
  CHECK(chosen(upper) == "direct");
  Variables both = upper;
  both["no_proxy"] = "other.example";
  CHECK(chosen(both) == "http p 1");
  both["no_proxy"] = "";
  CHECK(chosen(both) == "direct");
}

TEST_CASE("find_proxy: a list of exceptions that cannot be read is refused, unless nothing would be excepted") {
  for (const char* const entry : {"issuer example!", "a.example:x", "a.example:70000", "10.0.0.0/33", "10.0.0.0/x",
                                  "::1/129", "[::1", "[::1]x", "example/8", "."}) {
    for (const char* const variable : {"no_proxy", "NO_PROXY"}) {
      CAPTURE(entry);
      CHECK(refusal({{"https_proxy", "p:1"}, {variable, entry}}).starts_with(std::string(variable) + " has an entry"));
      CHECK(refusal({{"https_proxy", "p:1"}, {variable, std::string("*,") + entry}}).starts_with(variable));
      CHECK(chosen({{variable, entry}}) == "direct");
    }
  }
}

TEST_CASE("find_proxy: a proxy of another kind does not matter to what is reached without it") {
  CHECK(chosen({{"all_proxy", "socks5://p.example:1080"}, {"no_proxy", "issuer.example"}}) == "direct");
}

TEST_CASE("is_localhost: the name and everything under it, and nothing that looks like it") {
  for (const char* const host : {"localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost."})
    CHECK(is_localhost(url(std::string("https://") + host + ":1/")));
  for (const char* const host : {"localhost.example", "notlocalhost", "127.0.0.1", "local"})
    CHECK_FALSE(is_localhost(url(std::string("https://") + host + "/")));
}
