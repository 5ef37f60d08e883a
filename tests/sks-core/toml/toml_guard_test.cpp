#include "sks-core/toml/toml_guard.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace sks;

TEST_CASE("misplaced_character_line: none in comments and in texts of one line") {
  constexpr auto kFine = std::to_array<const char*>({
      "",
      "a = 1\n",
      "# \u00e4 \"\u00e4\n",
      "a = \"\u00e4\"\n",
      "a = '\u00e4'\n",
      "a=\"\u00e4\"",
      "a = 1 # \u00e4",
      "a = [\"\u00e4\", '\u00e4']\n",
      "a = { \"b\" = \"\u00e4\", c='\u00e4' }\n",
      "a = {b=\"\u00e4\"}\n",
      "[\"\u00e4\"]\n",
      "[[\"\u00e4\"]]\n",
      "\"\u00e4\" = 1\n",
      "\"k\"=\"\u00e4\"\n",
      "a = \"x\\\"\u00e4\"\n",
      "a = 'x\\' # \u00e4",
      "a = \"x\" # \u00e4\n",
      "a = \"\"\"x\ny\"\"\"\nb = \"\u00e4\"",
      "a = '''x\\'''\nb = '\u00e4'",
      "a = \"\"\"x\"\"\"\"\" # \u00e4",
      "a-b.c = \"\u00e4\"\n",
      "a = \"\"\nb = \"\u00e4\"",
  });
  for (const std::string toml : kFine) {
    CAPTURE(toml);
    CHECK_FALSE(misplaced_character_line(toml));
  }
}

TEST_CASE("misplaced_character_line: reports what stands elsewhere, and what toml++ would read ahead to") {
  struct Case {
    const char* toml;
    std::size_t line;
  };
  constexpr auto kCases = std::to_array<Case>({
      {"\u00e4", 1},
      {"\ufeffa = 1", 1},
      {"a = 1\n\u00e4 = 1\n", 2},
      {"a = \u00e4", 1},
      {"a = \"x\"\u00e4", 1},
      {"a = \"x\n\u00e4\"", 2},
      {"a = 'x\n\u00e4'", 2},
      {"# x\n\u00e4", 2},
      {"a = \"\\\u00e4\"", 1},
      {"a = \"\"\"\u00e4\"\"\"", 1},
      {"a = \"\"\"\\\n\u1680\"\"\"", 2},
      {"a = \"\"\"\n'\\ \u1680'\"\"\"", 2},
      {"a = \"\"\"\n# \\\u1680\"\"\"", 2},
      {"a = '''\n\u00e4'''", 2},
      {"a = \"\"\"x\\\"\"\"\u00e4\"\"\"", 1},
      {"a = \"\"\"x\"\"\"\" \u00e4\"", 1},
      {"a = 1\"\u00e4\"", 1},
      {"a = 1=\"\u00e4\"", 1},
      {"a = [1[\"\u00e4\"", 1},
      {"a=1=\"\u00e4\"", 1},
      {"a = +'\u00e4'", 1},
      {"a\"\u00e4\" = 1", 1},
      {"\xff", 1},
  });
  for (const Case& c : kCases) {
    CAPTURE(c.toml);
    CHECK(misplaced_character_line(c.toml) == c.line);
  }
}
