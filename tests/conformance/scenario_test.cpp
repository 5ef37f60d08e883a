#include "conformance/kit/scenario.h"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "conformance/kit/child_process.h"
#include "conformance/kit/conditions.h"
#include "conformance/kit/endings.h"
#include "conformance/kit/http.h"
#include "conformance/kit/placeholders.h"
#include "conformance/kit/toml_document.h"

namespace sks::conformance {
namespace {

const std::string kHead = "title = \"t\"\nside = \"client\"\nspec = \"1\"\nproves = \"p\"\n";
const std::string kStep = "[[step]]\nsend = \"InvocationRequest\"\n";

/// The first thing that is wrong with a file.
std::string problem(const std::string& text) {
  Findings findings;
  read_scenarios({"x.toml", text}, findings);
  if (findings.empty()) return "";
  const Finding& first = findings.list().front();
  return to_string(first.place) + ' ' + first.sentence;
}

std::vector<Scenario> read(const std::string& text) {
  Findings findings;
  std::vector<Scenario> scenarios = read_scenarios({"folder/x.toml", text}, findings);
  REQUIRE(findings.empty());
  return scenarios;
}

std::string edited(const std::string& edit, const std::string& message) {
  Findings findings;
  const Json json = *parse_document(edit);
  const Edit one = read_edit(Node(json, {"edit", "", ""}, findings));
  if (!findings.empty()) return findings.list().front().place.path + ' ' + findings.list().front().sentence;
  const Result<std::string> text = to_text({one}, *parse_document(message));
  if (!text) return text.error().detail;
  const Result<Json> parsed = parse_document(*text);
  return parsed ? parsed->dump() : *text;
}

TEST_CASE("Scenarios: those that the program carries are readable, and each has a name and a chapter of its own") {
  std::set<std::string> names;
  std::size_t clients = 0;
  for (const ScenarioText& file : built_in_scenarios()) {
    CAPTURE(file.file);
    Findings findings;
    for (const Scenario& scenario : read_scenarios(file, findings)) {
      CAPTURE(scenario.name);
      CHECK(names.insert(scenario.name).second);
      CHECK_FALSE(scenario.spec.empty());
      CHECK(scenario.proves.ends_with('.'));
      clients += scenario.side == Side::client ? 1U : 0U;
    }
    CHECK(findings.empty());
  }
  CHECK(clients > 400);
  CHECK(names.size() - clients > 100);
}

TEST_CASE("Scenarios: a mistake in a file is named with its place") {
  CHECK(problem(kHead + kStep) == "");
  struct Case {
    const char* name;
    std::string text;
    const char* expected;
  };
  const std::array<Case, 17> cases{{
      {"no TOML", "title = ", "x.toml line 1: "},
      {"no title", "side = \"client\"\nspec = \"1\"\nproves = \"p\"\n" + kStep, "x.toml /title is missing"},
      {"no side", "title = \"t\"\nspec = \"1\"\nproves = \"p\"\n" + kStep, "x.toml /side is an unknown value"},
      {"no step", kHead, "x.toml /step is missing"},
      {"nothing proven", "title = \"t\"\nside = \"client\"\nspec = \"1\"\n" + kStep, "x.toml /proves is missing"},
      {"unknown member", kHead + "author = \"me\"\n" + kStep, "x.toml /author means nothing here"},
      {"unknown member of a step", kHead + kStep + "sleep = 5\n", "x.toml /step/0/sleep means nothing here"},
      {"unknown message", kHead + "[[step]]\nsend = \"Hello\"\n", "x.toml /step/0/send is no message: \"Hello\""},
      {"message that is no table", kHead + kStep + "message = 5\n", "x.toml /step/0/message is no table"},
      {"unknown expectation", kHead + kStep + "expect = \"luck\"\n", "x.toml /step/0/expect is nothing to expect"},
      {"unknown edit", kHead + kStep + "edit = [{ invert = \"/a\" }]\n", "x.toml /step/0/edit/0 is no edit"},
      {"edit without its argument", kHead + kStep + "edit = [{ set = \"/a\" }]\n",
       "x.toml /step/0/edit/0 has not exactly the members of this edit"},
      {"edit with too much", kHead + kStep + "edit = [{ remove = \"/a\", to = 1 }]\n",
       "x.toml /step/0/edit/0 has not exactly the members of this edit"},
      {"edit of no place", kHead + kStep + "edit = [{ remove = \"a\" }]\n",
       "x.toml /step/0/edit/0/remove is no JSON pointer"},
      {"edit of the text before MACs", kHead + kStep + "edit = [{ before = \"x\" }]\n",
       "x.toml /step/0/edit/0 changes the text: it belongs to tamper"},
      {"unknown certificate", kHead + kStep + "http = { certificate = \"green\" }\n",
       "x.toml /step/0/http/certificate is an unknown value"},
      {"variant of a message that is not sent",
       kHead + kStep + "[[variant]]\nname = \"v\"\nat = \"KeyCreationRequest\"\n",
       "x.toml /variant/0/at is no message of the last run"},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(problem(c.text).starts_with(c.expected));
  }
  CHECK(problem(kHead + kStep + "[[run]]\n" + "[[run.step]]\nsend = \"InvocationRequest\"\n") ==
        "x.toml /step stands beside [[run]]: a step belongs to a run");
}

TEST_CASE("Scenarios: an order is for issuers, and needs no message that differs") {
  const std::string head = "title = \"t\"\nside = \"issuer\"\nspec = \"1\"\nproves = \"p\"\n";
  const std::vector<Scenario> scenarios =
      read(head + "order = \"unlock\"\n[[variant]]\nname = \"same\"\nat = \"InvocationResponse\"\n" +
           "[[variant]]\nname = \"other\"\norder = \"delete\"\n");
  REQUIRE(scenarios.size() == 2);
  CHECK(scenarios[0].order == "unlock");
  CHECK(scenarios[0].runs.front().steps.size() == 1);
  CHECK(scenarios[1].order == "delete");
  CHECK(scenarios[1].runs.front().steps.empty());
  CHECK(problem(head + "order = \"rename\"\n").starts_with("x.toml /order is an unknown value"));
  CHECK(problem(kHead + "order = \"unlock\"\n" + kStep) == "x.toml /order is for issuers");
}

TEST_CASE("Scenarios: a variant changes the last run, and what can no longer follow is left out") {
  const std::vector<Scenario> scenarios =
      read(kHead + kStep + "[[step]]\nsend = \"KeyCreationRequest\"\n[[step]]\nsend = \"termination\"\n" +
           "[[variant]]\nname = \"stops\"\nproves = \"q\"\nat = \"KeyCreationRequest\"\nexpect = \"abort\"\n" +
           "[[variant]]\nname = \"goes-on\"\nat = \"InvocationRequest\"\nmessage.action = \"unlock\"\n" +
           "[[variant.then]]\nat = \"KeyCreationRequest\"\nedit = [{ remove = \"/x\" }]\n");
  REQUIRE(scenarios.size() == 2);
  CHECK(scenarios[0].name == "folder/x/stops");
  CHECK(scenarios[0].proves == "q");
  REQUIRE(scenarios[0].runs.size() == 1);
  REQUIRE(scenarios[0].runs[0].steps.size() == 2);
  CHECK(scenarios[0].runs[0].steps[0].expect.message == "InvocationResponse");
  CHECK(scenarios[0].runs[0].steps[1].expect.kind == Expectation::Kind::abort);
  CHECK(scenarios[1].proves == "p");
  REQUIRE(scenarios[1].runs[0].steps.size() == 3);
  CHECK(scenarios[1].runs[0].steps[0].message.at("action") == "unlock");
  CHECK(scenarios[1].runs[0].steps[1].edits.size() == 1);
  CHECK(scenarios[1].runs[0].steps[2].expect.kind == Expectation::Kind::end);
}

TEST_CASE("TOML: what JSON has is read, and everything else refused with its line") {
  CHECK(parse_toml("a = 1\nb = [true, \"x\"]\n[c]\nd = -5\n")->dump() == R"({"a":1,"b":[true,"x"],"c":{"d":-5}})");
  const auto sentence = [](const std::string& text) { return parse_toml(text).error().detail; };
  CHECK(sentence("a = 1\nb = 1.5\n").starts_with("line 2: neither a table"));
  CHECK(sentence("a = 2026-01-01\n").starts_with("line 1: neither a table"));
  CHECK(sentence("a = 1\na = 2\n").starts_with("line 2: "));
  // What toml++ itself does not expect.
  CHECK(sentence("a = 1\n[[[[").starts_with("line 2: "));
  CHECK(sentence("a = " + std::string(40, '[') + std::string(40, ']')).ends_with("nested too deeply"));
  CHECK(sentence(std::string(kMaxScenario + 1, '\n')) == "longer than 256 KiB");
}

TEST_CASE("Edits: each changes what it says, and nothing that is not there") {
  struct Case {
    const char* edit;
    const char* message;
    const char* expected;
  };
  const std::array<Case, 34> cases{{
      {R"({"set": "/a/b", "to": 5})", R"({"a": {}})", R"({"a":{"b":5}})"},
      {R"({"set": "/a/0", "to": 5})", R"({"a": [1]})", R"({"a":[5]})"},
      {R"({"set": "/a/b", "to": 5})", R"({"a": []})", "the message has nothing at /a/b"},
      {R"({"set": "/x/b", "to": 5})", R"({})", "the message has nothing at /x/b"},
      {R"({"remove": "/a"})", R"({"a": 1, "b": 2})", R"({"b":2})"},
      {R"({"remove": "/a/1"})", R"({"a": [1, 2, 3]})", R"({"a":[1,3]})"},
      {R"({"remove": "/a/3"})", R"({"a": [1, 2, 3]})", "the message has nothing at /a/3"},
      {R"({"remove": "/a/01"})", R"({"a": [1, 2, 3]})", "the message has nothing at /a/01"},
      {R"({"remove": ""})", R"({})", "the message has nothing at "},
      {R"({"rename": "/a", "to": "b"})", R"({"a": 1})", R"({"b":1})"},
      {R"({"append": "/a", "value": {"x": 1}})", R"({"a": []})", R"({"a":[{"x":1}]})"},
      {R"({"append": "/a", "value": 1})", R"({"a": {}})", "the message has nothing at /a"},
      {R"({"repeat": "/a/0"})", R"({"a": [1, 2]})", R"({"a":[1,2,1]})"},
      {R"({"repeat": "/a"})", R"({"a": [1, 2]})", "the message has nothing at /a"},
      {R"({"copy": "/a", "to": "/b"})", R"({"a": 1})", R"({"a":1,"b":1})"},
      {R"({"swap": "/a", "with": "/b"})", R"({"a": 1, "b": 2})", R"({"a":2,"b":1})"},
      {R"({"swap": "/a", "with": "/a/b"})", R"({"a": {"b": 1}})", "the message has nothing at /a"},
      {R"({"swap": "/a/b", "with": ""})", R"({"a": {"b": 1}})", "the message has nothing at /a/b"},
      {R"({"flip": "/a"})", R"({"a": "AQI"})", R"({"a":"AQM"})"},
      {R"({"flip": "/a"})", R"({"a": "?"})", "/a is no base64url"},
      {R"({"lengthen": "/a"})", R"({"a": "AQI"})", R"({"a":"AQIA"})"},
      {R"({"lengthen": "/a"})", R"({"a": 5})", "the message has nothing at /a"},
      {R"({"other_case": "/a"})", R"({"a": "aZ-1_z"})", R"({"a":"Az-1_Z"})"},
      {R"({"other_case": "/a"})", R"({"a": "1-2"})", "/a holds no letters"},
      // RFC 6979 A.2.5, "sample" with SHA-256, encoded by openssl asn1parse -genconf.
      {R"({"der": "/a"})",
       R"({"a": "79SLKqy2qP0RQN2c1F6B1p0sh3tWqvmRw00OqE6vNxb3yxyULWV8QdQ2x6G24p9l8-kA27mv9AZNxKsvhDrNqA"})",
       R"({"a":"MEYCIQDv1IsqrLao_RFA3ZzUXoHWnSyHe1aq-ZHDTQ6oTq83FgIhAPfLHJQtZXxB1DbHobbin2Xz6QDbua_0Bk3Eqy-EOs2o"})"},
      {R"({"der": "/a"})", R"({"a": "AQI"})", "ECDSA signature of a wrong length"},
      {R"({"der": "/b"})", R"({"a": "AQI"})", "the message has nothing at /b"},
      {R"({"raw": "/a", "to": "[1 ]"})", R"({"a": 5})", R"({"a":[1]})"},
      {R"({"raw_hex": "/a", "to": "22c38522"})", R"({"a": 5})", "{\"a\":\"\xC3\x85\"}"},
      {R"({"duplicate": "/a"})", R"({"a": 5})", "{\n  \"a\": 5,\n  \"a\": 5\n}\n"},
      {R"({"replace": "5", "with": "7"})", R"({"a": 5})", R"({"a":7})"},
      {R"({"replace": "8", "with": "7"})", R"({"a": 5})", "the message does not hold the text \"8\""},
      {R"({"instead": "[]"})", R"({"a": 5})", "[]"},
      {R"({"after": "x"})", R"({"a": 5})", "{\n  \"a\": 5\n}\nx"},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.edit);
    CHECK(edited(c.edit, c.message) == c.expected);
  }
}

TEST_CASE("Conditions: what is different from what was expected is named") {
  const Json message = *parse_document(R"({"a": [1, {"b": "x"}], "c": false})");
  const auto found = [&](const char* pointer, const char* expected) {
    Findings findings;
    check_condition(Node(message, {"m", "", ""}, findings), pointer, *parse_document(expected));
    return findings.empty() ? std::string()
                            : findings.list().front().place.path + ' ' + findings.list().front().sentence;
  };
  CHECK(found("/a/1/b", R"("x")") == "");
  CHECK(found("/a/1/b", R"("y")") == R"(/a/1/b is "x" and not "y")");
  CHECK(found("/a/2", "1") == "/a/2 is absent and not 1");
  CHECK(found("/d", R"({"absent": true})") == "");
  CHECK(found("/c", R"({"absent": true})") == R"(/c is false and not {"absent":true})");
  CHECK(found("/d", R"({"absent": false})") == R"(/d is absent and not {"absent":false})");
  CHECK(found("/a", R"({"size": 2})") == "");
  CHECK(found("/a", R"({"size": 3})") != "");
  CHECK(found("/c", R"({"any_of": [true, false]})") == "");
  CHECK(found("/c", R"({"any_of": [true]})") != "");
  CHECK(found("/c", R"({"not": true})") == "");
  CHECK(found("/c", R"({"not": false})") == "/c is false");
}

TEST_CASE("Placeholders: tables with one known member become values") {
  Placeholders placeholders;
  add_plain_placeholders(placeholders, [] { return std::int64_t{1'554'741'210}; });  // 2019-04-08T16:33:30Z
  const auto resolved = [&](const char* text) {
    const Result<Json> value = placeholders.resolve(*parse_document(text));
    return value ? value->dump() : value.error().detail;
  };
  CHECK(resolved(R"({"a": {"hex": "01 02"}, "b": [{"utf8": "Å"}]})") == R"({"a":"AQI","b":["w4U"]})");
  CHECK(resolved(R"({"time": "+0s"})") == R"("2019-04-08T16:33:30Z")");
  CHECK(resolved(R"({"time": "-1d"})") == R"("2019-04-07T16:33:30Z")");
  CHECK(resolved(R"({"local_time": "+2h"})") == R"("2019-04-08T18:33:30+00:00")");
  CHECK(resolved(R"({"time_form": "%Y-%m-%dt%H:%M:%S.5z"})") == R"("2019-04-08t16:33:30.5z")");
  CHECK(resolved(R"({"time_form": ""})") == "no form of a time: \"\"");
  CHECK(resolved(R"({"time_past_end_of_month": ""})") == R"("2019-03-39T16:33:30Z")");
  CHECK(resolved(R"({"algorithm": "ed25519"})") == R"("https://webpki.github.io/sks/algorithm#ed25519")");
  CHECK(resolved(R"({"filled": ["ab", 3]})") == R"("ababab")");
  CHECK(resolved(R"({"times": [2, {"a": {"utf8": "x"}}]})") == R"([{"a":"eA"},{"a":"eA"}])");
  CHECK(resolved(R"({"times": [1001, 0]})") == "times takes a number and a value");
  CHECK(resolved(R"({"unknown": "x"})") == R"({"unknown":"x"})");
  CHECK(resolved(R"({"hex": "01", "more": 1})") == R"({"hex":"01","more":1})");
  CHECK(resolved(R"({"hex": "0"})") != "");
  CHECK(resolved(R"({"time": "tomorrow"})") == "no difference of times such as +2d: \"tomorrow\"");
  CHECK(resolved(R"({"time": "+d"})") == "no difference of times such as +2d: \"+d\"");
  CHECK(resolved(R"({"random_bytes": -1})") == "no number of bytes: -1");
  CHECK(resolved(R"({"filled": ["ab"]})") == "filled takes a text and how often it is to stand there");
}

TEST_CASE("Placeholders: in January the month before is that of another year") {
  Placeholders placeholders;
  add_plain_placeholders(placeholders, [] { return std::int64_t{1'546'300'800}; });  // 2019-01-01T00:00:00Z
  CHECK(placeholders.resolve(*parse_document(R"({"time_past_end_of_month": ""})"))->dump() ==
        R"("2018-12-32T00:00:00Z")");
}

TEST_CASE("Endings: good sessions are told from refused ones by path and parameters") {
  struct Case {
    const char* name;
    const char* good;
    const char* again;
    std::optional<std::string> refused;
    const char* location;
    bool tell;
    bool is_good;
  };
  const std::string main = "https://i.example/m";
  const std::array<Case, 11> cases{{
      {"one place", "https://i.example/done", "https://i.example/done", main + "?err=x", "https://i.example/done", true,
       true},
      {"another place", "https://i.example/done", "https://i.example/done", main, "https://i.example/m?err=y", true,
       false},
      {"with sessions", "https://i.example/m?s=1", "https://i.example/m?s=2", main + "?err=x&s=3",
       "https://i.example/m?s=4", true, true},
      {"refused, with a session", "https://i.example/m?s=1", "https://i.example/m?s=2", main + "?err=x&s=3",
       "https://i.example/m?err=z&s=4", true, false},
      {"an outcome", "https://i.example/m?r=ok&s=1", "https://i.example/m?s=2&r=ok", main + "?r=no&s=3",
       "https://i.example/m?r=ok&s=4", true, true},
      {"another outcome", "https://i.example/m?r=ok&s=1", "https://i.example/m?s=2&r=ok", main + "?r=no&s=3",
       "https://i.example/m?r=no&s=4", true, false},
      {"a fragment", "https://i.example/m#ok", "https://i.example/m#ok", main + "#no", "https://i.example/m#no", true,
       false},
      {"no refusal is known", "https://i.example/m?s=1", "https://i.example/m?s=2", std::nullopt,
       "https://i.example/m?s=3", true, true},
      {"different paths", "https://i.example/1", "https://i.example/2", main, "https://i.example/3", false, false},
      {"different parameters", "https://i.example/m?a=1", "https://i.example/m?b=1", main, "https://i.example/m", false,
       false},
      {"a refusal ends there too", "https://i.example/m?s=1", "https://i.example/m?s=2", main + "?s=3",
       "https://i.example/m?s=4", false, true},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Endings endings(c.good, c.again, c.refused);
    CHECK(endings.tell() == c.tell);
    CHECK(endings.is_good(c.location) == c.is_good);
  }
}

TEST_CASE("Commands: values become words of the shell, whatever they hold") {
  CHECK(substitute("run {a} {b} {c}", {{"a", "x y"}, {"b", "it's; rm"}}) == R"(run 'x y' 'it'\''s; rm' {c})");
  CHECK(substitute("{a}{a}", {{"a", "{a}"}}) == "'{a}''{a}'");
  CHECK(substitute("{", {{"a", "x"}}) == "{");
}

TEST_CASE("HTTPS URLs: host, port and target") {
  CHECK(parse_https_url("https://Host:8443/a?b")->port == 8443);
  CHECK(parse_https_url("https://host/a?b")->target == "/a?b");
  CHECK(parse_https_url("https://host?b")->target == "/?b");
  CHECK(parse_https_url("https://[::1]:44/")->host == "::1");
  for (const char* const wrong :
       {"http://host/", "https://", "https://host:0/", "https://host:65536/", "https://host:x/"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_https_url(wrong));
  }
  CHECK(percent_encode("a/b?c=\xC3\x85") == "a%2fb%3fc%3d%c3%85");
  CHECK(*percent_decode("a%2Fb%3F") == "a/b?");
  CHECK_FALSE(percent_decode("%4"));
  CHECK_FALSE(percent_decode("%4x"));
}

}  // namespace
}  // namespace sks::conformance
