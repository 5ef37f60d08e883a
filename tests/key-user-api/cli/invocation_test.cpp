#include "key-user-api/cli/invocation.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using namespace sks::cli;

namespace {

const std::string kGood =
    "keygen2://?init=https%3A%2F%2Fissuer.example%2Fkg%3Finit%3Dtrue&url=https%3A%2F%2Fissuer.example%2Fkg";

}  // namespace

TEST_CASE("parse_invocation: every item arrives decoded, and url verbatim") {
  const auto invocation = parse_invocation(
      "keygen2://?cookie=JSESSIONID%3Dab%2B1%3B%20x%3Dy&init=https%3A%2F%2FIssuer.Example%3A443%2Fkg%3Finit%3Dtrue"
      "&url=https%3A%2F%2Fissuer.example%2Fkg%2f&cncl=https%3A%2F%2Fissuer.example%2Fkg%3Fabort%3Dtrue&ver=0.1-9.9");
  REQUIRE(invocation);
  CHECK(invocation->cookie == "JSESSIONID=ab+1; x=y");
  CHECK(invocation->init.host == "issuer.example");
  CHECK(invocation->init.port == 443);
  CHECK(invocation->init.target == "/kg?init=true");
  CHECK(invocation->issuer_uri == "https://issuer.example/kg/");
  CHECK(invocation->main.target == "/kg/");
  CHECK(invocation->cancel_url == "https://issuer.example/kg?abort=true");
}

TEST_CASE("parse_invocation: any scheme may stand in front, and the intent form too") {
  const std::string query = kGood.substr(kGood.find('?'));
  for (const std::string start : {"keygen2://", "KEYGEN2://", "intent://keygen2", "qrcode://keygen2",
                                  "w3cpay://keygen2", "https://app.example/start", "x+1.-y://"}) {
    CAPTURE(start);
    const auto invocation = parse_invocation(start + query);
    REQUIRE(invocation);
    CHECK(invocation->init.target == "/kg?init=true");
    CHECK(invocation->issuer_uri == "https://issuer.example/kg");
    CHECK(invocation->cookie.empty());
    CHECK(invocation->cancel_url.empty());
  }
  CHECK(parse_invocation("intent://keygen2" + query +
                         "#Intent;scheme=webpkiproxy;package=org.webpki.mobile.android;end"));
}

TEST_CASE("parse_invocation: of a plain https URL the main URL is what stands before the query") {
  const auto invocation = parse_invocation("https://issuer.example:8443/kg?init=true");
  REQUIRE(invocation);
  CHECK(invocation->init.target == "/kg?init=true");
  CHECK(invocation->init.port == 8443);
  CHECK(invocation->issuer_uri == "https://issuer.example:8443/kg");
  CHECK(invocation->main.target == "/kg");

  const auto bare = parse_invocation("https://[::1]:9");
  REQUIRE(bare);
  CHECK(bare->issuer_uri == "https://[::1]:9");
  CHECK(bare->main.host == "::1");
  CHECK(bare->main.is_address);
  CHECK(bare->main.authority() == "[::1]:9");
  CHECK(bare->main.target == "/");
}

TEST_CASE("parse_invocation: refuses what is not exactly an invocation") {
  const std::string init = "init=https%3A%2F%2Fa.example%2Fk";
  const std::string url = "url=https%3A%2F%2Fa.example%2Fk";
  const auto with = [&](const std::string& rest) { return "keygen2://?" + init + "&" + url + rest; };
  REQUIRE(parse_invocation(with("")));
  struct Case {
    const char* name;
    std::string text;
  };
  const std::vector<Case> cases{
      {"empty", ""},
      {"no scheme", "issuer.example/kg"},
      {"only a scheme", "keygen2:"},
      {"scheme starts with a digit", "9kg://?" + init + "&" + url},
      {"scheme with a blank", "key gen2://?" + init + "&" + url},
      {"no query", "keygen2://keygen2"},
      {"empty query", "keygen2://?"},
      {"no init", "keygen2://?" + url},
      {"no url", "keygen2://?" + init},
      {"empty init", "keygen2://?init=&" + url},
      {"init without value", "keygen2://?init&" + url},
      {"init twice", with("&" + init)},
      {"url twice", with("&" + url)},
      {"unknown item", with("&color=red")},
      {"item in capitals", "keygen2://?INIT=https%3A%2F%2Fa.example%2Fk&" + url},
      {"trailing ampersand", with("&")},
      {"half a percent sequence", with("&cookie=a%4")},
      {"percent without hex", with("&cookie=a%zz")},
      {"NUL in cookie", with("&cookie=a%00")},
      {"line break in cookie", with("&cookie=a%0D%0AX: y")},
      {"non-ASCII in cookie", with("&cookie=%C3%A4")},
      {"raw non-ASCII", with("&cookie=\xc3\xa4")},
      {"raw line break", with("&cookie=a\n")},
      {"fragment", with("#top")},
      {"intent fragment without its end", with("#Intent;scheme=x")},
      {"cncl is no URL", with("&cncl=javascript%3Aalert(1)")},
      {"ver without range", with("&ver=1.0")},
      {"ver without end", with("&ver=1.0-")},
      {"init over http", "keygen2://?init=http%3A%2F%2Fa.example%2Fk&" + url},
      {"both over http", "keygen2://?init=http%3A%2F%2Fa.example%2Fk&url=http%3A%2F%2Fa.example%2Fk"},
      {"other host", "keygen2://?" + init + "&url=https%3A%2F%2Fb.example%2Fk"},
      {"other port", "keygen2://?" + init + "&url=https%3A%2F%2Fa.example%3A444%2Fk"},
      {"user name in init", "keygen2://?init=https%3A%2F%2Fu%40a.example%2Fk&" + url},
      {"fragment in url", "keygen2://?" + init + "&url=https%3A%2F%2Fa.example%2Fk%23x"},
      {"blank in url", "keygen2://?" + init + "&url=https%3A%2F%2Fa.example%2Fk%20x"},
      {"url above 1000 bytes", "keygen2://?" + init + "&url=https%3A%2F%2Fa.example%2F" + std::string(990, 'x')},
      {"cookie above 4096 bytes", with("&cookie=" + std::string(4097, 'x'))},
      {"above 16 KiB", "keygen2://?" + init + "&" + url + std::string(16384, 'x')},
      {"plain http", "http://a.example/k"},
      {"plain URL without host", "https:///k"},
      {"plain URL with bad port", "https://a.example:0/k"},
      {"plain URL with port out of range", "https://a.example:65536/k"},
      {"plain URL with empty port", "https://a.example:/k"},
      {"plain URL with signed port", "https://a.example:+1/k"},
      {"plain URL with fragment", "https://a.example/k#x"},
      {"plain URL with user", "https://u:p@a.example/k"},
      {"plain URL with bad escape", "https://a.example/k%2"},
      {"plain URL with quote", "https://a.example/k\"x"},
      {"plain URL with bad IPv6", "https://[::g]/k"},
      {"plain URL with open bracket", "https://[::1/k"},
      {"plain URL with bad host character", "https://a_b!c/k"},
      {"plain URL above 1000 bytes", "https://a.example/" + std::string(990, 'x')},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto invocation = parse_invocation(c.text);
    REQUIRE_FALSE(invocation);
    CHECK(invocation.error().status == sks::Status::option);
    CHECK_FALSE(invocation.error().detail.empty());
  }
}

TEST_CASE("parse_invocation: an error never repeats the cookie") {
  const auto invocation = parse_invocation(kGood + "&cookie=secret-session%zz");
  REQUIRE_FALSE(invocation);
  CHECK(invocation.error().detail.find("secret-session") == std::string::npos);
}

// RFC 3986 chapter 5.4, as far as http URLs without user and parameters go.
TEST_CASE("resolve_reference: the examples of RFC 3986") {
  const auto base = parse_url("https://a/b/c/d;p?q");
  REQUIRE(base);
  const std::vector<std::pair<std::string, std::string>> cases{
      {"g:h", "g:h"},
      {"g", "https://a/b/c/g"},
      {"./g", "https://a/b/c/g"},
      {"g/", "https://a/b/c/g/"},
      {"/g", "https://a/g"},
      {"//g", "https://g"},
      {"?y", "https://a/b/c/d;p?y"},
      {"g?y", "https://a/b/c/g?y"},
      {"#s", "https://a/b/c/d;p?q#s"},
      {"g#s", "https://a/b/c/g#s"},
      {"g?y#s", "https://a/b/c/g?y#s"},
      {";x", "https://a/b/c/;x"},
      {".", "https://a/b/c/"},
      {"./", "https://a/b/c/"},
      {"..", "https://a/b/"},
      {"../g", "https://a/b/g"},
      {"../..", "https://a/"},
      {"../../g", "https://a/g"},
      {"../../../g", "https://a/g"},
      {"../../../../g", "https://a/g"},
      {"/./g", "https://a/g"},
      {"/../g", "https://a/g"},
      {"g.", "https://a/b/c/g."},
      {"..g", "https://a/b/c/..g"},
      {"./../g", "https://a/b/g"},
      {"./g/.", "https://a/b/c/g/"},
      {"g/./h", "https://a/b/c/g/h"},
      {"g/../h", "https://a/b/c/h"},
      {"g?y/../x", "https://a/b/c/g?y/../x"},
  };
  for (const auto& example : cases) {
    CAPTURE(example.first);
    const auto resolved = resolve_reference(*base, example.first);
    REQUIRE(resolved);
    CHECK(*resolved == example.second);
  }
  for (const std::string reference : {"", "a b", "a\nb", "a%2", "<x>", "\xc3\xa4"}) {
    CAPTURE(reference);
    CHECK_FALSE(resolve_reference(*base, reference));
  }
}
