#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sks::issuer {

/// The texts of the pages in one language: a file of locales/, which is part of the program.
class Locale {
 public:
  using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  const std::string& tag() const { return tag_; }  ///< "en", as in HTML's lang
  const std::map<std::string, std::string, std::less<>>& texts() const { return texts_; }
  bool has(std::string_view key) const { return texts_.contains(key); }

  /// The text of a key that exists, with {name} replaced by its value. Plain text, not HTML.
  std::string text(std::string_view key, Values values = {}) const;
  /// The text of `key`.one or `key`.other, whose {count} is the number.
  std::string counted(std::string_view key, std::int64_t count) const;
  /// "1 December 2026, 15:04 UTC"
  std::string time(std::int64_t seconds) const;
  /// "25 minutes", "3 hours", "2 days": rounded down, at least one minute.
  std::string duration(std::int64_t seconds) const;
  /// "2 years" when it is that, else days.
  std::string days(std::int64_t count) const;

 private:
  friend std::span<const Locale> locales();
  Locale(std::string tag, std::string_view json);

  std::string tag_;
  std::map<std::string, std::string, std::less<>> texts_;
};

/// All there are; the first one is for those who ask for none of them.
std::span<const Locale> locales();

/// The language that an Accept-Language header likes best among ours. RFC 9110, 12.5.4
const Locale& choose_locale(std::string_view accept_language);

/// Whether a request comes from a browser that wants to show a page: its Accept header names text/html, and not the
/// type of KeyGen2's messages. RFC 9110, 12.5.1
bool wants_page(std::string_view accept);

}  // namespace sks::issuer
