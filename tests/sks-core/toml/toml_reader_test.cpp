#include "sks-core/toml/toml_reader.h"

#include <doctest/doctest.h>

using namespace sks;

TEST_CASE("read_toml: gives what stands in a document") {
  const auto table = read_toml("a = 1\n[b]\nc = \"\u00e4\"\n[[d]]\ne = true\n");
  REQUIRE(table);
  CHECK(table->get("a")->value<int>() == 1);
  CHECK(table->at_path("b.c").value<std::string>() == "\u00e4");
  CHECK(table->at_path("d[0].e").value<bool>() == true);
  CHECK(read_toml("")->empty());
}

TEST_CASE("read_toml: names the line of what is malformed") {
  struct Case {
    const char* text;
    std::size_t line;
  };
  for (const Case& c : {Case{"a = \"open\n", 1}, Case{"a = 1\na = 2\n", 2}, Case{"\n\na = 1 b = 2", 3},
                        Case{"a = 1\n[[b]\n", 2}, Case{"a = 1\nb = \u00e4\n", 2}}) {
    CAPTURE(c.text);
    const auto table = read_toml(c.text);
    REQUIRE_FALSE(table);
    CHECK(table.error().line == c.line);
    CHECK_FALSE(table.error().sentence.empty());
  }
}

TEST_CASE("read_toml: broken TOML that toml++ itself does not expect is refused like any other") {
  for (const char* const text :
       {"[[[[", "[[[", "[[=", "[[ [", "[[\t\"", "[=", "[.", "[[.", "{", "a.=1", "a = [[[[", "a = {[="}) {
    CAPTURE(text);
    const auto table = read_toml(text);
    REQUIRE_FALSE(table);
    CHECK(table.error().line == 1);
  }
}
