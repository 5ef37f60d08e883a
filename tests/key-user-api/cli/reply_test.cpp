#include "key-user-api/cli/reply.h"

#include <doctest/doctest.h>

using namespace sks::cli;

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t kNow = 784111777;  ///< Sun, 06 Nov 1994 08:49:37 GMT

Reply classified(unsigned status, Headers headers) {
  const auto url = parse_url("https://issuer.example/kg/post?x=1");
  REQUIRE(url);
  return classify({status, std::move(headers), "{}"}, *url, kNow);
}

}  // namespace

// keygen2.md 2.3, table of message responses.
TEST_CASE("classify: 200 with application/json in UTF-8 is a message") {
  for (const std::string type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\"",
        "application/json ; v=1; CHARSET=Utf-8", "application/json;", " application/json "}) {
    CAPTURE(type);
    CHECK(std::holds_alternative<MessageReply>(classified(200, {{"content-type", type}})));
  }
}

TEST_CASE("classify: 200 with JSON in another charset or coding is an error") {
  for (const std::string type :
       {"application/json; charset=iso-8859-1", "application/json; charset=utf-16",
        "application/json; charset=", "application/json; charset", "application/json; charset=utf-8; charset=utf-8"}) {
    CAPTURE(type);
    CHECK(std::holds_alternative<BadReply>(classified(200, {{"Content-Type", type}})));
  }
  CHECK(std::holds_alternative<BadReply>(
      classified(200, {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}})));
  CHECK(std::holds_alternative<MessageReply>(
      classified(200, {{"Content-Type", "application/json"}, {"Content-Encoding", "identity"}})));
  CHECK(std::holds_alternative<BadReply>(
      classified(200, {{"Content-Type", "application/json"}, {"Content-Type", "text/html"}})));
}

// keygen2.md 2.4: "200 with another content type".
TEST_CASE("classify: 200 with anything else is a termination without a place to go") {
  for (const Headers& headers : {Headers{{"Content-Type", "text/html"}}, Headers{{"Content-Type", "application/json5"}},
                                 Headers{{"Content-Type", ""}}, Headers{}}) {
    const Reply reply = classified(200, headers);
    REQUIRE(std::holds_alternative<TerminationReply>(reply));
    CHECK(std::get<TerminationReply>(reply).location.empty());
    CHECK(std::get<TerminationReply>(reply).content_type == (headers.empty() ? "" : headers[0].second));
  }
}

// keygen2.md 2.4: "treat 301/303/307/308 + Location like 302, resolve a relative Location against the request URL".
TEST_CASE("classify: a redirect with Location is a termination, relative ones resolved") {
  for (const unsigned status : {301U, 302U, 303U, 307U, 308U}) {
    CAPTURE(status);
    const Reply reply = classified(status, {{"Location", "../done?a=b"}, {"Content-Type", "application/json"}});
    REQUIRE(std::holds_alternative<TerminationReply>(reply));
    CHECK(std::get<TerminationReply>(reply).location == "https://issuer.example/done?a=b");
  }
  CHECK(std::get<TerminationReply>(classified(302, {{"location", "http://b.example/x"}})).location ==
        "http://b.example/x");
}

// keygen2.md 9.6: "open Location only if http(s)".
TEST_CASE("classify: a Location that is no web page is a termination that shows nothing") {
  for (const std::string location : {"javascript:alert(1)", "file:///etc/passwd", "intent:x"}) {
    CAPTURE(location);
    const Reply reply = classified(302, {{"Location", location}});
    REQUIRE(std::holds_alternative<TerminationReply>(reply));
    CHECK(std::get<TerminationReply>(reply).location.empty());
  }
}

// keygen2.md 2.4: "redirect without Location".
TEST_CASE("classify: a redirect without a usable Location is an error") {
  CHECK(std::holds_alternative<BadReply>(classified(302, {})));
  CHECK(std::holds_alternative<BadReply>(classified(302, {{"Location", ""}})));
  CHECK(std::holds_alternative<BadReply>(classified(302, {{"Location", "a b"}})));
  CHECK(std::holds_alternative<BadReply>(classified(302, {{"Location", "\x1b[2J"}})));
  CHECK(std::holds_alternative<BadReply>(classified(302, {{"Location", "/a"}, {"Location", "/b"}})));
}

TEST_CASE("classify: 429 and 503 may be repeated after what Retry-After says") {
  struct Case {
    const char* value;
    std::optional<std::int64_t> seconds;
  };
  const std::vector<Case> cases{{"0", 0},
                                {"7", 7},
                                {" 120 ", 120},
                                {"Sun, 06 Nov 1994 08:50:37 GMT", 60},
                                {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
                                {"-1", std::nullopt},
                                {"soon", std::nullopt},
                                {"99999999999999999999999", std::nullopt}};
  for (const unsigned status : {429U, 503U}) {
    for (const Case& c : cases) {
      CAPTURE(c.value);
      const Reply reply = classified(status, {{"Retry-After", c.value}});
      REQUIRE(std::holds_alternative<BusyReply>(reply));
      CHECK(std::get<BusyReply>(reply).retry_after == c.seconds);
    }
    CHECK(std::get<BusyReply>(classified(status, {})).retry_after == std::nullopt);
  }
}

// keygen2.md 2.4: "any other status".
TEST_CASE("classify: every other status is an error that names it") {
  for (const unsigned status :
       {201U, 204U, 206U, 300U, 304U, 305U, 400U, 401U, 404U, 405U, 413U, 415U, 500U, 502U, 504U}) {
    const Reply reply = classified(status, {{"Content-Type", "application/json"}, {"Location", "/x"}});
    REQUIRE(std::holds_alternative<BadReply>(reply));
    CHECK(std::get<BadReply>(reply).detail.find(std::to_string(status)) != std::string::npos);
  }
}
