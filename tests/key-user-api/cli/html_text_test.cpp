#include "key-user-api/cli/html_text.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace sks::cli;

namespace {

std::string html(std::string_view body) { return page_text("text/html; charset=utf-8", body); }

}  // namespace

TEST_CASE("page_text: a page becomes its text, in lines where its blocks are") {
  CHECK(html("<!DOCTYPE html>\n<html><head><title>No</title><style>p { color: red }</style></head>\n<body>\n"
             "<h1>Done,   Jo</h1><p>Your <b>key</b>\n is\tready.<br>Go on.</p><ul><li>One</li><li>Two</li></ul>"
             "<table><tr><td>A</td><td>B</td></tr><tr><td>C</td></tr></table></body></html>") ==
        "Done, Jo\n\nYour key is ready.\nGo on.\n\n- One\n- Two\n\nA B\nC");
  CHECK(html("").empty());
  CHECK(html("<p> </p>\n").empty());
  CHECK(html("no markup") == "no markup");
}

TEST_CASE("page_text: scripts, styles, comments and attributes are no text") {
  struct Case {
    const char* body;
    const char* text;
  };
  for (const Case& c : std::vector<Case>{
           {"a<script>if (x < y) alert('</p>')</script>b", "ab"},
           {"a<SCRIPT src=x>evil</ScRiPt >b", "ab"},
           {"a<style>p::before { content: '</b>' }</style>b", "ab"},
           {"a<script>never closed <b>c", "a"},
           {"a<!-- <p>hidden</p> -->b", "ab"},
           {"a<!-- never closed", "a"},
           {"a<img alt=\"x > y\" title='</p>'>b", "ab"},
           {"a<p title=\"never closed", "a"},
           {"a<template>x</template><svg><text>y</text></svg>b", "ab"},
           {"a<?php echo 1 ?>b<![CDATA[c]]>d", "abd"},
           {"a < b and 1<2", "a < b and 1<2"},
           {"a</", "a"},
           {"a<", "a<"},
           {"<p>a<p>b", "a\n\nb"},
       }) {
    CAPTURE(c.body);
    CHECK(html(c.body) == c.text);
  }
}

TEST_CASE("page_text: entities become their characters, once") {
  CHECK(html("&lt;b&gt; &amp;lt; &quot;x&quot; &#65;&#x42;&#X43; &auml;&euro;&hellip;") ==
        "<b> &lt; \"x\" ABC \xc3\xa4\xe2\x82\xac\xe2\x80\xa6");
  CHECK(html("AT&T &unknown; &; &#; &#x; &#xzz; &#65 &averyveryverylongname;") ==
        "AT&T &unknown; &; &#; &#x; &#xzz; &#65 &averyveryverylongname;");
  CHECK(html("a&nbsp;&nbsp;b") == "a b");
}

TEST_CASE("page_text: nothing that controls a terminal or turns the text around comes through") {
  for (const char* const body :
       {"a\x1b[2Jb", "a&#27;[2Jb", "a&#x9b;2Jb", "a\xc2\x9b[2Jb", "a\x07\x08\x7f[2Jb", "a\xe2\x80\xae[2Jb",
        "a&#8238;[2Jb", "a\xe2\x81\xa6[2Jb", "a\xe2\x80\x8b[2Jb", "a\xef\xbb\xbf[2Jb", "a\xf3\xa0\x81\x81[2Jb"}) {
    CAPTURE(body);
    const std::string text = html(body);
    CHECK((text == "a[2Jb" || text == "a2Jb"));
    CHECK(page_text("text/plain", body).find('\x1b') == std::string::npos);
  }
  CHECK(html("a&#0;&#x110000;&#xd800;b") == "a?b");
}

TEST_CASE("page_text: what is not UTF-8 becomes question marks") {
  CHECK(html("\xe4\xf6") == "??");
  CHECK(html("a\xc0\x80") == "a??");
  CHECK(html("\xe2\x82") == "??");
  CHECK(html("\xed\xa0\x80") == "");
  CHECK(html("\xf5\x80\x80\x80") == "????");
}

TEST_CASE("page_text: plain text keeps its lines, and other kinds are not shown") {
  CHECK(page_text("text/plain", "one\r\ntwo <b>  three\n\n\n&amp;") == "one\ntwo <b> three\n&amp;");
  CHECK(page_text("Text/HTML", "<p>x") == "x");
  CHECK(page_text(" application/xhtml+xml ; v=1", "<p>x</p>") == "x");
  for (const char* const type : {"", "image/png", "application/octet-stream", "text/htmlx", "text"})
    CHECK(page_text(type, "<p>x").empty());
}

TEST_CASE("page_text: a long page is cut, whatever it is made of") {
  const auto repeated = [](std::string_view part) {
    std::string body;
    for (int i = 0; i < 200000; ++i) body += part;
    return html(body);
  };
  for (const char* const part :
       {"x", "<p>x", "<li>x", "&lt;", "\xe2\x82\xac", "x ", "<script>", "<!--", "</", "&", "<p title='"}) {
    CAPTURE(part);
    const std::string text = repeated(part);
    CHECK(text.size() < 4100);
    CHECK(std::ranges::count(text, '\n') <= 52);
  }
  CHECK(repeated("x").ends_with("\n..."));
}
