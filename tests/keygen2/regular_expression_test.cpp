#include "keygen2/regular_expression.h"

#include <doctest/doctest.h>

#include "keygen2/java_pattern.h"
#include "tests/keygen2/search_vectors.h"

using namespace sks;
using namespace sks::keygen2;

namespace {

/// "match", "no match", or the class of the failure.
std::string_view result(std::string_view pattern, std::string_view text) {
  const Outcome<RegularExpression> expression = RegularExpression::compile(pattern);
  if (!expression) return to_string(expression.error().error_class);
  MatchBudget budget;
  const Outcome<bool> match = expression->matches(text, budget);
  if (!match) return to_string(match.error().error_class);
  return *match ? "match" : "no match";
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("RegularExpression: matches what Java matches, and refuses with VALUE what Java cannot compile") {
  for (const test::VectorBlock& block : test::search_vectors("expressions")) {
    const std::string pattern = test::search_text(block, "Pattern");
    CAPTURE(pattern);
    const std::string expected = block.text("Result");
    if (expected == "error") {
      CHECK(result(pattern, "") == "VALUE");
      continue;
    }
    const std::string text = test::search_text(block, "Text");
    CAPTURE(text);
    CHECK(result(pattern, text) == expected);
  }
}

TEST_CASE("RegularExpression: 6.3, what Java knows beyond the portable subset is refused with VALUE") {
  const std::vector<std::string> patterns{
      "[a&&b]",  "[^a&&[^b]]", "[a[b]]", "[[a]]",    "[a-[b]]", "[[:alpha:]]", "[a&&&b]", "(?i)a",   "(?s).",
      "(?x) a",  "(?m)^a",     "(?-i)a", "(?i:a)",   "(?=a)a",  "(?!a)b",      "(?<=a)b", "(?<!a)b", "(?>a)",
      "(?<n>a)", "(a)\\1",     "(a)\\2", "\\0101",   "\\x41",   "\\x{41}",     "\\u0041", "\\t",     "\\n",
      "\\r",     "\\f",        "\\a",    "\\e",      "\\cA",    "\\b",         "\\B",     "\\A",     "\\z",
      "\\Z",     "\\G",        "\\h",    "\\H",      "\\v",     "\\V",         "\\R",     "\\X",     "\\N{DIGIT ONE}",
      "\\p{L}",  "\\P{L}",     "\\pL",   "[\\p{L}]", "[\\x41]", "[\\t]",       "[\\b]",   "^*",      "$+",
      "^{2}",    "a{2}{3}",    "a+{2}",  "(a)?{2}",  "{3}",
  };
  for (const std::string& pattern : patterns) {
    CAPTURE(pattern);
    CHECK(result(pattern, "a") == "VALUE");
  }
}

TEST_CASE("RegularExpression: what only PCRE2 knows is quoted, never obeyed") {
  CHECK(result("\\Q(*ACCEPT)(?R)(?C1)\\C\\E", "(*ACCEPT)(?R)(?C1)\\C") == "match");
  CHECK(result("[(*UTF)]", "*") == "match");
  CHECK(result("[.a.]", ".") == "match");
  CHECK(result("[=a=]", "=") == "match");
  CHECK(result("[:^d:]", "^") == "match");
}

TEST_CASE("RegularExpression: the size of a pattern is bounded") {
  CHECK(result(std::string(1000, 'a'), std::string(1000, 'a')) == "match");
  CHECK(result(std::string(1001, 'a'), "a") == "POLICY");
  CHECK(result(repeated("\xC3\xA9", 1000), repeated("\xC3\xA9", 1000)) == "match");  // characters, not bytes
  CHECK(result(repeated("\xC3\xA9", 1001), "a") == "POLICY");
  CHECK(result("\xC3", "a") == "VALUE");
  CHECK(result("\xED\xA0\x80", "a") == "VALUE");
  CHECK(result(repeated("(", 250) + repeated(")", 250), "") == "match");
  CHECK(result(repeated("(", 251) + repeated(")", 251), "") == "VALUE");
  CHECK(result("a{65535}", "a") == "no match");
  CHECK(result("a{65536}", "a") == "VALUE");
  CHECK(result("a{99999999999999999999}", "a") == "VALUE");
  CHECK(result("(?:(?:a{1000}){1000}){1000}", "a") == "VALUE");
}

TEST_CASE("RegularExpression: 6.3, too many steps end with POLICY") {
  const std::string many = std::string(64, 'a');
  for (const std::string& pattern :
       std::vector<std::string>{"(a+)+b?c", "(a*)*b?c", "(a|a)*b?c", "(a|aa)+b?c", "(.*)*.*c[^d]", "(a?){64}a{64}b?c",
                                ".*.*.*.*.*.*.*.*b?c", "((a+)+)+$b?c"}) {
    CAPTURE(pattern);
    CHECK(result(pattern, many + "cd") == "POLICY");
  }
  // Depth and memory: each turn of a group waits for the next one.
  CHECK(result("(?:a|b)*c", std::string(2'000'000, 'a')) == "POLICY");
}

TEST_CASE("RegularExpression: patterns for the longest names stay within the steps") {
  const std::string name = "CN=" + std::string(30'000, 'x') + ",O=Example,C=SE";
  CHECK(result(".*\\Q,O=Example,\\E.*", name) == "match");
  CHECK(result(".*,O=[a-z]+,.*", name) == "no match");
  CHECK(result("CN=[^,]+,O=Example,C=(SE|NO)", name) == "match");
}

TEST_CASE("RegularExpression: 6.3, matches that are bounded each are bounded together as well") {
  const std::string text(16'000, 'a');
  const Outcome<RegularExpression> expression = RegularExpression::compile("(?:a*+c|a)*d");
  REQUIRE(expression);
  constexpr int kTexts = 100;  // fewer than the names and addresses of one certificate may be
  MatchBudget budget;
  int done = 0;
  Outcome<bool> match = false;
  while (done < kTexts && (match = expression->matches(text, budget))) ++done;
  CHECK(done > 0);
  REQUIRE_FALSE(match);
  CHECK(match.error().error_class == ErrorClass::policy);
  // Nothing is left of it, not even for what is short.
  CHECK_FALSE(expression->matches("d", budget));
  MatchBudget fresh;
  CHECK(expression->matches("d", fresh));
}
