#include "provisioning-server/landing/html.h"

#include <doctest/doctest.h>

#include <array>

using namespace sks::issuer;

TEST_CASE("html: texts cannot leave their place") {
  struct Case {
    std::string_view text;
    std::string_view escaped;
  };
  constexpr std::string_view kReplaced = "\xef\xbf\xbd";
  const auto cases = std::to_array<Case>({
      {"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"\" onclick=\"x", "&quot; onclick=&quot;x"},
      {"' onclick='x", "&#39; onclick=&#39;x"},
      {"&lt;", "&amp;lt;"},
      {"{b}", "{b}"},
      {"J\xc3\xb6rg \xf0\x9f\x94\x91", "J\xc3\xb6rg \xf0\x9f\x94\x91"},
      {"\xc3", kReplaced},
      {"\xc3<", "\xef\xbf\xbd&lt;"},
      {"\xf0\x9f<b>", "\xef\xbf\xbd\xef\xbf\xbd&lt;b&gt;"},
      {"\x1b", kReplaced},
      {"\x7f", kReplaced},
      {"\xc2\x85", kReplaced},
      {std::string_view("\0", 1), kReplaced},
      {"ab\xe2\x80\xae"
       "cd",
       "abcd"},
      {"\xe2\x81\xa6x", "x"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(html("{a}", {{"a", c.text}, {"b", "not again"}}).text() == c.escaped);
    CHECK(html("<a href=\"{a}\">", {{"a", c.text}}).text() == "<a href=\"" + std::string(c.escaped) + "\">");
  }
}

TEST_CASE("html: markup stands as it is, and only once") {
  const Markup inner = html("<b>{x}</b>", {{"x", "{y}<"}});
  CHECK(html("<p>{inner}{inner}</p>", {{"inner", inner}}).text() == "<p><b>{y}&lt;</b><b>{y}&lt;</b></p>");
  CHECK(html("a { b } {A} {").text() == "a { b } {A} {");
}
