#include "keygen2/search_filter.h"

#include <doctest/doctest.h>

#include <array>

#include "keygen2/time.h"
#include "sks-core/crypto/x509.h"
#include "tests/keygen2/search_vectors.h"

using namespace sks;
using namespace sks::keygen2;

namespace {

/// The filter in a JSON object, or the class of the failure.
struct Read {
  std::optional<SearchFilter> filter;
  std::string_view failure;
};

Read read(const std::string& json) {
  Outcome<JsonDocument> document = JsonDocument::parse(json, 1'000'000);
  if (!document) return {std::nullopt, to_string(document.error().error_class)};
  JsonReader in = document->root();
  const SearchFilter filter = read_search_filter(in);
  const Outcome<void> end = document->finish();
  if (!end) return {std::nullopt, to_string(end.error().error_class)};
  return {filter, ""};
}

/// Keys that differ in everything a filter can ask for. Their certificates are those of tests/vectors/keygen2/search/.
struct Key {
  std::vector<std::string> path;
  std::optional<std::uint8_t> grouping;
  std::uint8_t app_usage = 3;
};

const Key kPerson{{"person", "intermediate", "root"}, std::uint8_t{2}, 0};
const Key kBare{{"paired"}, std::nullopt, 3};

std::string_view outcome(const Outcome<bool>& matches) {
  if (!matches) return to_string(matches.error().error_class);
  return *matches ? "match" : "no match";
}

/// "match", "no match", or the class of the failure with which it is refused.
std::string_view result(const std::string& json, const Key& key) {
  const Read filter = read(json);
  if (!filter.filter) return filter.failure;
  const Outcome<FilterMatcher> matcher = FilterMatcher::compile(*filter.filter);
  REQUIRE(matcher);
  std::vector<Bytes> path;
  for (const std::string& name : key.path) path.push_back(test::search_certificate(name));
  MatchBudget budget;
  return outcome(matcher->matches({path, key.grouping, key.app_usage}, budget));
}

struct Case {
  std::string value;  ///< of the one member, as JSON
  const char* result;
};

void check_member(const std::string& name, const std::vector<Case>& cases, const Key& key = kPerson) {
  for (const Case& c : cases) {
    CAPTURE(name);
    CAPTURE(c.value);
    CHECK(result("{\"" + name + "\":" + c.value + "}", key) == c.result);
  }
}

std::string text_json(const std::string& text) { return "\"" + text + "\""; }

std::string finger_print(const std::string& name) {
  return text_json(to_base64url(crypto::sha256(test::search_certificate(name))));
}

std::string not_before(const std::string& name, int seconds) {
  const auto certificate = crypto::Certificate::from_der(test::search_certificate(name));
  return text_json(format_utc_time(certificate->not_before() + seconds));
}

}  // namespace

TEST_CASE("searchFilter: [keygen2.md 6.2 fingerPrint], of any certificate of the path") {
  const std::string digest(43, 'A');
  check_member("fingerPrint", {
                                  {finger_print("person"), "match"},
                                  {finger_print("intermediate"), "match"},
                                  {finger_print("root"), "match"},
                                  {finger_print("paired"), "no match"},
                                  {text_json(digest), "no match"},
                                  {text_json(digest.substr(1)), "VALUE"},        // 31 bytes
                                  {text_json(digest.substr(1) + "B"), "VALUE"},  // unused bits
                                  {text_json(std::string(44, 'A')), "VALUE"},    // 33 bytes
                                  {text_json(""), "VALUE"},
                                  {text_json(digest + "="), "VALUE"},
                                  {"1", "JSON"},
                                  {"null", "JSON"},
                              });
}

TEST_CASE("searchFilter: [keygen2.md 6.2 issuerRegEx], against the issuer of any certificate of the path") {
  check_member("issuerRegEx", {
                                  {R"("\\QCN=CA 1,O=Middle\\, Inc.,DC=example,DC=org\\E")", "match"},
                                  {R"("\\QCN=Root,O=Åre \\+ Söner,C=SE\\E")", "match"},
                                  {R"("CN=Root,.*")", "match"},
                                  {R"("CN=Root")", "no match"},  // the whole string
                                  {R"("cn=root,.*")", "no match"},
                                  {R"(".*UID=jo.*")", "no match"},  // the subject
                                  {R"("")", "no match"},
                                  {R"("(")", "VALUE"},
                                  {R"("(?i)cn=root.*")", "VALUE"},
                                  {text_json(std::string(1001, 'a')), "POLICY"},
                                  {R"(["CN=Root"])", "JSON"},
                              });
  check_member("issuerRegEx", {{R"("CN=CA 1,.*")", "no match"}, {R"("CN=Root,.*")", "match"}}, kBare);
}

TEST_CASE("searchFilter: [keygen2.md 6.2 serialNumber], of the end entity") {
  check_member("serialNumber", {
                                   {R"("43556142965880123323311949751266331066369")", "match"},
                                   {R"("43556142965880123323311949751266331066368")", "no match"},
                                   {R"("2560")", "no match"},  // of its issuer
                                   {R"("0")", "no match"},
                                   {R"("-1")", "no match"},
                                   {R"("")", "VALUE"},
                                   {R"("-")", "VALUE"},
                                   {R"("-0")", "VALUE"},
                                   {R"("01")", "VALUE"},
                                   {R"("-01")", "VALUE"},
                                   {R"("--1")", "VALUE"},
                                   {R"("+1")", "VALUE"},
                                   {R"(" 1")", "VALUE"},
                                   {R"("1 ")", "VALUE"},
                                   {R"("0x10")", "VALUE"},
                                   {R"("1.0")", "VALUE"},
                                   {R"("1e3")", "VALUE"},
                                   {"127", "JSON"},
                               });
  check_member("serialNumber", {{R"("-5")", "match"}, {R"("5")", "no match"}}, {{"nameless"}, std::nullopt});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 subjectRegEx], against the subject of the end entity") {
  check_member("subjectRegEx",
               {
                   {R"(".*,UID=jo,.*\\QCN=Jo \\#1+OU=Sales\\E,O=Example,C=SE")", "match"},
                   {R"("1\\.2\\.840\\.113549\\.1\\.9\\.1=#160e[0-9a-f]+,.*2\\.5\\.4\\.5=#130d\\w+,.*")", "match"},
                   {R"("CN=CA 1,.*")", "no match"},  // its issuer
                   {R"("UID=jo")", "no match"},
                   {R"("[")", "VALUE"},
                   {R"("\\C")", "VALUE"},
                   {text_json(std::string(1001, 'a')), "POLICY"},
                   {"5", "JSON"},
               });
  check_member("subjectRegEx", {{R"("")", "match"}, {R"(".+")", "no match"}}, {{"nameless"}, std::nullopt});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 emailRegEx], against any address of the end entity") {
  check_member("emailRegEx", {
                                 {R"("jo@example\\.org")", "match"},        // of the subject
                                 {R"("jo\\.doe@example\\.org")", "match"},  // of subjectAltName
                                 {R"("JO@.*")", "match"},
                                 {R"("Jo@example\\.org")", "no match"},
                                 {R"(".*no@example\\.org")", "no match"},  // a URI
                                 {R"("ca@example\\.org")", "no match"},    // of its issuer
                                 {R"("*@example.org")", "VALUE"},
                                 {text_json(std::string(1001, 'a')), "POLICY"},
                                 {"{}", "JSON"},
                             });
  check_member("emailRegEx", {{R"("second@.*")", "match"}, {R"("first@.*")", "no match"}}, kBare);
  check_member("emailRegEx", {{R"(".*")", "no match"}}, {{"root"}, std::nullopt});  // none present
}

TEST_CASE("searchFilter: [keygen2.md 6.2 policyRules], 6.5") {
  check_member("policyRules", {
                                  {R"(["1.3.6.1.4.1.99999.1"])", "match"},
                                  {R"(["1.3.6.1.4.1.99999.1","2.23.140.1.2.1"])", "match"},
                                  {R"(["1.3.6.1.4.1.99999.1","-1.3.6.1.4.1.99999.2"])", "match"},
                                  {R"(["-1.2.3"])", "match"},
                                  {R"(["1.3.6.1.4.1.99999.1","1.2.3"])", "no match"},
                                  {R"(["1.3.6.1.4.1.99999.1","-2.23.140.1.2.1"])", "no match"},
                                  {R"(["1.3.6.1.4.1.99999"])", "no match"},
                                  {R"(["1.3.6.1.4.1.99999.7"])", "no match"},  // of its issuer
                                  {R"(["2.5.29.32.0"])", "VALUE"},             // zero arcs, so no anyPolicy
                                  {R"(["-2.5.29.32.0"])", "VALUE"},
                                  {R"(["0.9.2342"])", "VALUE"},
                                  {R"(["1.02"])", "VALUE"},
                                  {R"([""])", "VALUE"},
                                  {R"(["-"])", "VALUE"},
                                  {R"(["--1.2"])", "VALUE"},
                                  {R"(["+1.2"])", "VALUE"},
                                  {R"(["1..2"])", "VALUE"},
                                  {R"([".1"])", "VALUE"},
                                  {R"(["1."])", "VALUE"},
                                  {R"(["1.2 "])", "VALUE"},
                                  {R"(["1.a"])", "VALUE"},
                                  {R"(["anyPolicy"])", "VALUE"},
                                  {R"(["1.2","1.2"])", "VALUE"},
                                  {R"(["1.2","-1.2"])", "VALUE"},
                                  {R"(["-1.2","1.3","-1.2"])", "VALUE"},
                                  {"[]", "JSON"},
                                  {"[1]", "JSON"},
                                  {R"("1.2")", "JSON"},
                              });
  // Without the extension nothing matches, forbidden rules neither; the same when it is malformed.
  check_member("policyRules", {{R"(["-1.2.3"])", "no match"}, {R"(["1.2.3"])", "no match"}}, kBare);
  check_member("policyRules", {{R"(["-1.2.3"])", "no match"}}, {{"broken"}, std::nullopt});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 keyUsageRules], 6.5") {
  check_member("keyUsageRules", {
                                    {R"(["digitalSignature"])", "match"},
                                    {R"(["decipherOnly"])", "match"},
                                    {R"(["keyAgreement","digitalSignature","decipherOnly"])", "match"},
                                    {R"(["-encipherOnly","digitalSignature","-nonRepudiation"])", "match"},
                                    {R"(["-keyCertSign","-cRLSign"])", "match"},
                                    {R"(["digitalSignature","nonRepudiation"])", "no match"},
                                    {R"(["digitalSignature","-keyAgreement"])", "no match"},
                                    {R"(["keyEncipherment"])", "no match"},
                                    {R"(["dataEncipherment"])", "no match"},
                                    {R"(["DigitalSignature"])", "VALUE"},
                                    {R"(["contentCommitment"])", "VALUE"},
                                    {R"(["-"])", "VALUE"},
                                    {R"(["--cRLSign"])", "VALUE"},
                                    {R"(["1.2"])", "VALUE"},
                                    {R"(["cRLSign","-cRLSign"])", "VALUE"},
                                    {R"(["cRLSign","cRLSign"])", "VALUE"},
                                    {"[]", "JSON"},
                                    {"[true]", "JSON"},
                                });
  check_member("keyUsageRules", {{R"(["-cRLSign"])", "no match"}}, kBare);
  check_member("keyUsageRules", {{R"(["-cRLSign"])", "no match"}}, {{"broken"}, std::nullopt});
  check_member("keyUsageRules", {{R"(["cRLSign","keyCertSign"])", "match"}}, {{"root"}, std::nullopt});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 extendedKeyUsageRules], 6.5") {
  check_member("extendedKeyUsageRules", {
                                            {R"(["1.3.6.1.5.5.7.3.2"])", "match"},
                                            {R"(["1.3.6.1.4.1.311.20.2.2","1.3.6.1.5.5.7.3.4"])", "match"},
                                            {R"(["-1.3.6.1.5.5.7.3.1"])", "match"},
                                            {R"(["1.3.6.1.5.5.7.3.1"])", "no match"},
                                            {R"(["1.3.6.1.5.5.7.3.2","-1.3.6.1.5.5.7.3.4"])", "no match"},
                                            {R"(["2.5.29.37.0"])", "VALUE"},
                                            {R"(["clientAuth"])", "VALUE"},
                                            {R"(["1.2","-1.2"])", "VALUE"},
                                            {"[]", "JSON"},
                                            {"false", "JSON"},
                                        });
  check_member("extendedKeyUsageRules", {{R"(["-1.2"])", "no match"}}, kBare);
  check_member("extendedKeyUsageRules", {{R"(["-1.2"])", "no match"}}, {{"broken"}, std::nullopt});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 issuedBefore], inclusive") {
  check_member("issuedBefore", {
                                   {not_before("person", 0), "match"},
                                   {not_before("person", 1), "match"},
                                   {not_before("person", -1), "no match"},
                                   {R"("9999-12-31T23:59:59Z")", "match"},
                                   {R"("0000-01-01T00:00:00Z")", "no match"},
                                   {R"("2019-04-08T16:33:30+00:00")", "VALUE"},
                                   {R"("2019-04-08T16:33:30.5Z")", "VALUE"},
                                   {R"("2019-02-30T16:33:30Z")", "VALUE"},
                                   {R"("2019-04-08t16:33:30Z")", "VALUE"},
                                   {R"("2019-04-08")", "VALUE"},
                                   {R"("")", "VALUE"},
                                   {"1554741210", "JSON"},
                               });
}

TEST_CASE("searchFilter: [keygen2.md 6.2 issuedAfter], inclusive") {
  check_member("issuedAfter", {
                                  {not_before("person", 0), "match"},
                                  {not_before("person", -1), "match"},
                                  {not_before("person", 1), "no match"},
                                  {R"("1970-01-01T00:00:00Z")", "match"},
                                  {R"("2019-04-08T16:33:30+02:00")", "VALUE"},
                                  {R"("2019-04-08T24:00:00Z")", "VALUE"},
                                  {R"("2019-04-08T16:33:30")", "VALUE"},
                                  {"[]", "JSON"},
                              });
}

TEST_CASE("searchFilter: [keygen2.md 6.2 grouping]") {
  constexpr std::array<const char*, 4> kNames{"none", "shared", "signature+standard", "unique"};
  for (std::uint8_t asked = 0; asked < kNames.size(); ++asked) {
    const std::string filter = text_json(kNames.at(asked));
    for (std::uint8_t actual = 0; actual < kNames.size(); ++actual)
      check_member("grouping", {{filter, asked == actual ? "match" : "no match"}}, {{"person"}, actual});
    check_member("grouping", {{filter, "no match"}}, {{"person"}, std::nullopt});  // also "none"
  }
  check_member("grouping", {{R"("Shared")", "VALUE"}, {R"("")", "VALUE"}, {"1", "JSON"}, {"[]", "JSON"}});
}

TEST_CASE("searchFilter: [keygen2.md 6.2 appUsage]") {
  constexpr std::array<const char*, 4> kNames{"signature", "authentication", "encryption", "universal"};
  for (std::uint8_t asked = 0; asked < kNames.size(); ++asked) {
    for (std::uint8_t actual = 0; actual < kNames.size(); ++actual) {
      const char* const expected = asked == actual ? "match" : "no match";
      check_member("appUsage", {{text_json(kNames.at(asked)), expected}}, {{"person"}, std::nullopt, actual});
    }
  }
  check_member("appUsage", {{R"("any")", "VALUE"}, {R"("")", "VALUE"}, {"0", "JSON"}, {"{}", "JSON"}});
}

TEST_CASE("searchFilter: 6.2, at least one member, no unknown one, and the right class wins") {
  CHECK(result("{}", kPerson) == "JSON");
  CHECK(result(R"({"subject":"x"})", kPerson) == "JSON");
  CHECK(result(R"({"appUsage":"signature","x":1})", kPerson) == "JSON");
  CHECK(result(R"({"appUsage":"signature","appUsage":"signature"})", kPerson) == "JSON");
  CHECK(result(R"({"appUsage":"x","serialNumber":5})", kPerson) == "JSON");
  CHECK(result(R"({"appUsage":"x","serialNumber":"5"})", kPerson) == "VALUE");
}

TEST_CASE("searchFilter: 6.2, every member has to match") {
  const std::vector<std::pair<std::string, std::string>> members{
      // each with a value that does not match
      {"\"fingerPrint\":" + finger_print("root"), "\"fingerPrint\":" + finger_print("paired")},
      {R"("issuerRegEx":"CN=Root.*")", R"("issuerRegEx":"CN=Boot.*")"},
      {R"("serialNumber":"43556142965880123323311949751266331066369")", R"("serialNumber":"1")"},
      {R"("subjectRegEx":".*C=SE")", R"("subjectRegEx":".*C=NO")"},
      {R"("emailRegEx":"jo@.*")", R"("emailRegEx":"jo@")"},
      {R"("policyRules":["-1.2"])", R"("policyRules":["1.2"])"},
      {R"("keyUsageRules":["keyAgreement"])", R"("keyUsageRules":["-keyAgreement"])"},
      {R"("extendedKeyUsageRules":["-1.2"])", R"("extendedKeyUsageRules":["1.2"])"},
      {"\"issuedBefore\":" + not_before("person", 0), "\"issuedBefore\":" + not_before("person", -1)},
      {"\"issuedAfter\":" + not_before("person", 0), "\"issuedAfter\":" + not_before("person", 1)},
      {R"("grouping":"signature+standard")", R"("grouping":"unique")"},
      {R"("appUsage":"signature")", R"("appUsage":"universal")"},
  };
  for (std::size_t wrong = 0; wrong <= members.size(); ++wrong) {
    std::string json;
    for (std::size_t i = 0; i < members.size(); ++i)
      json += (i == 0 ? "{" : ",") + (i == wrong ? members[i].second : members[i].first);
    CAPTURE(json);
    CHECK(result(json + "}", kPerson) == (wrong == members.size() ? "match" : "no match"));
  }
}

TEST_CASE("searchFilter: rules are bounded") {
  for (const int count : {100, 101}) {
    CAPTURE(count);
    std::string rules;
    for (int i = 1; i <= count; ++i) rules += (i == 1 ? "\"-1." : ",\"-1.") + std::to_string(i) + "\"";
    CHECK(result("{\"policyRules\":[" + rules + "]}", kPerson) == (count == 100 ? "match" : "POLICY"));
  }
}

TEST_CASE("FilterMatcher: 6.3, a regular expression over its steps is POLICY, unless another member decided before") {
  const std::string slow = R"("subjectRegEx":"(.+)+C=S[A-D]"})";
  CHECK(result("{" + slow, kPerson) == "POLICY");
  CHECK(result(R"({"appUsage":"universal",)" + slow, kPerson) == "no match");
}

TEST_CASE("FilterMatcher: what read_search_filter would refuse does not compile") {
  SearchFilter pattern;
  pattern.issuer_reg_ex = "(";
  SearchFilter long_pattern;
  long_pattern.email_reg_ex = std::string(1001, 'a');
  SearchFilter rule;
  rule.policy_rules = {"1.0"};
  SearchFilter twice;
  twice.key_usage_rules = {"cRLSign", "-cRLSign"};
  const std::array<std::pair<SearchFilter, ErrorClass>, 4> cases{{{pattern, ErrorClass::value},
                                                                  {long_pattern, ErrorClass::policy},
                                                                  {rule, ErrorClass::value},
                                                                  {twice, ErrorClass::value}}};
  for (const auto& [filter, expected] : cases) {
    const Outcome<FilterMatcher> matcher = FilterMatcher::compile(filter);
    REQUIRE_FALSE(matcher);
    CHECK(matcher.error().error_class == expected);
  }
  CHECK(FilterMatcher::compile({}));
}

TEST_CASE("FilterMatcher: a path that does not decode matches nothing that asks for it") {
  SearchFilter filter;
  filter.serial_number = "1";
  const Outcome<FilterMatcher> matcher = FilterMatcher::compile(filter);
  REQUIRE(matcher);
  MatchBudget budget;
  const std::vector<Bytes> empty;
  const std::vector<Bytes> garbage{{0x30, 0x00}};
  CHECK(outcome(matcher->matches({empty, std::nullopt, 0}, budget)) == "no match");
  CHECK(outcome(matcher->matches({garbage, std::nullopt, 0}, budget)) == "no match");
}

TEST_CASE("write_search_filter: the members in the order of the table") {
  const std::string json = R"({
  "fingerPrint": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
  "issuerRegEx": "CN=\\QCA\\E",
  "serialNumber": "-12345678901234567890",
  "subjectRegEx": ".*",
  "emailRegEx": "jo@.*",
  "policyRules": ["1.2.3", "-1.2.4"],
  "keyUsageRules": ["-cRLSign"],
  "extendedKeyUsageRules": ["1.3.6.1.5.5.7.3.2"],
  "issuedBefore": "2030-01-02T03:04:05Z",
  "issuedAfter": "2019-01-01T00:00:00Z",
  "grouping": "signature+standard",
  "appUsage": "authentication"
}
)";
  const Read filter = read(json);
  REQUIRE(filter.filter);
  CHECK(filter.filter->finger_print->at(31) == 31);
  CHECK(filter.filter->issued_after == 1546300800);
  CHECK(filter.filter->grouping == 2);
  CHECK(filter.filter->app_usage == 1);
  JsonWriter out;
  write_search_filter(out, *filter.filter);
  std::string written = out.finish();
  CHECK(read(written).filter == filter.filter);
  const auto flat = [](std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
    return text;
  };
  CHECK(flat(written) == flat(json));

  JsonWriter one;
  SearchFilter only;
  only.app_usage = 3;
  write_search_filter(one, only);
  CHECK(flat(one.finish()) == R"({"appUsage":"universal"})");
}
