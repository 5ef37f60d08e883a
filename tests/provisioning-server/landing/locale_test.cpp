#include "provisioning-server/landing/locale.h"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "provisioning-server/refusal.h"

using namespace sks::issuer;

namespace {

std::set<std::string> placeholders(const std::string& text) {
  std::set<std::string> names;
  for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1))
    names.insert(text.substr(at, text.find('}', at) - at + 1));
  return names;
}

}  // namespace

TEST_CASE("Locale: every language has the same texts with the same places in them") {
  const Locale& first = locales().front();
  CHECK(first.tag() == "en");
  CHECK(locales().size() == 2);
  for (const Locale& locale : locales()) {
    CAPTURE(locale.tag());
    CHECK(locale.texts().size() == first.texts().size());
    for (const auto& entry : first.texts()) {
      const std::string& key = entry.first;
      CAPTURE(key);
      REQUIRE(locale.has(key));
      const std::string& text = locale.texts().find(key)->second;
      CHECK(!text.empty());
      CHECK(placeholders(text) == placeholders(entry.second));
    }
  }
}

TEST_CASE("Locale: every refusal is explained, and what to do about it") {
  for (const Locale& locale : locales()) {
    for (const std::string_view word : refusal_words()) {
      CAPTURE(word);
      CHECK(locale.has("refusal." + std::string(word) + ".what"));
      CHECK(locale.has("refusal." + std::string(word) + ".do"));
    }
  }
}

TEST_CASE("choose_locale: what the browser likes best of what there is") {
  struct Case {
    std::string_view header;
    const char* tag;
  };
  const auto cases = std::to_array<Case>({
      {"", "en"},
      {"de", "de"},
      {"DE-at", "de"},
      {"de-CH, en;q=0.8", "de"},
      {"en, de;q=0.8", "en"},
      {"fr, de;q=0.3, en;q=0.2", "de"},
      {"fr;q=1, en;q=0.25,de;q=0.5", "de"},
      {"fr", "en"},
      {"*", "en"},
      {"*;q=0.1, de;q=0.2", "de"},
      {"de;q=0", "en"},
      {"de;q=0.0, en;q=0.001", "en"},
      {"den", "en"},
      {"de;q=9", "en"},
      {"de;q=-1", "en"},
      {"de;q=0.5555", "en"},
      {"de;q=, en;q=0.1", "en"},
      {";;;,,,;q=1,de", "de"},
      {"de;q=0.5;q=0", "en"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.header);
    CHECK(choose_locale(c.header).tag() == c.tag);
  }
  std::string many;
  for (int i = 0; i < 10000; ++i) many += "fr,";
  CHECK(choose_locale(many + "de").tag() == "en");
}

TEST_CASE("wants_page: a browser, and no client of KeyGen2") {
  for (const char* const accept : {"text/html", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                                   "TEXT/HTML; level=1", "*/*, text/html;q=0.1"}) {
    CAPTURE(accept);
    CHECK(wants_page(accept));
  }
  for (const char* const accept : {"", "*/*", "text/*", "application/json", "application/json, text/html",
                                   "text/html;q=0", "text/plain", "text/htmlx"}) {
    CAPTURE(accept);
    CHECK(!wants_page(accept));
  }
}

TEST_CASE("Locale: times and durations in words") {
  const Locale& english = choose_locale("en");
  const Locale& german = choose_locale("de");
  // As `date -u -d @1796137492` says.
  CHECK(english.time(1'796'137'492) == "1 December 2026, 15:04 UTC");
  CHECK(german.time(1'796'137'492) == "1. Dezember 2026, 15:04 UTC");
  CHECK(english.duration(0) == "1 minute");
  CHECK(english.duration(119) == "1 minute");
  CHECK(english.duration(3600) == "60 minutes");
  CHECK(english.duration(7200) == "2 hours");
  CHECK(german.duration(2 * 86400) == "2 Tage");
  CHECK(english.days(730) == "2 years");
  CHECK(english.days(365) == "1 year");
  CHECK(german.days(90) == "90 Tage");
  CHECK(english.days(1) == "1 day");
}
