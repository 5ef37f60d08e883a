#include "provisioning-server/landing/locale.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "provisioning-server/landing/assets.h"
#include "sks-core/base/result.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kYearDays = 365;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return low;
}

/// One element of an Accept header: what it names, and how much it is wanted, from 0 to 1000.
struct Preference {
  std::string value;
  int weight = 1000;
};

/// "0.5" as 500; what is no weight counts as none at all.
int weight_of(std::string_view text) {
  constexpr std::size_t kMaxDigits = 3;
  if (text == "1" || (text.starts_with("1.") && text.substr(2).find_first_not_of('0') == std::string_view::npos))
    return 1000;
  if (text == "0") return 0;
  if (!text.starts_with("0.") || text.size() > 2 + kMaxDigits) return 0;
  std::string digits(text.substr(2));
  digits.resize(kMaxDigits, '0');
  int weight = 0;
  const char* const end = digits.data() + digits.size();
  return std::from_chars(digits.data(), end, weight).ptr == end && weight >= 0 ? weight : 0;
}

/// In the order of the header. RFC 9110, 12.4.2
std::vector<Preference> preferences(std::string_view header) {
  constexpr std::size_t kMax = 32;
  std::vector<Preference> list;
  while (!header.empty() && list.size() < kMax) {
    std::string_view element = header.substr(0, header.find(','));
    header.remove_prefix(std::min(element.size() + 1, header.size()));
    Preference preference{lower(trimmed(element.substr(0, element.find(';'))))};
    element.remove_prefix(std::min(element.find(';'), element.size()));
    while (!element.empty()) {
      element.remove_prefix(1);  // the semicolon
      const std::string_view parameter = trimmed(element.substr(0, element.find(';')));
      if (parameter.starts_with("q=") || parameter.starts_with("Q="))
        preference.weight = weight_of(parameter.substr(2));
      element.remove_prefix(std::min(element.find(';'), element.size()));
    }
    if (!preference.value.empty()) list.push_back(std::move(preference));
  }
  return list;
}

}  // namespace

Locale::Locale(std::string tag, std::string_view json) : tag_(std::move(tag)) {
  const auto document = nlohmann::json::parse(json, nullptr, false);
  SKS_CHECK(document.is_object());
  for (const auto& [key, value] : document.items()) {
    SKS_CHECK(value.is_string());
    texts_.emplace(key, value.get<std::string>());
  }
}

std::string Locale::text(std::string_view key, Values values) const {
  const auto found = texts_.find(key);
  SKS_CHECK(found != texts_.end());
  std::string_view pattern = found->second;
  std::string out;
  while (!pattern.empty()) {
    const std::size_t brace = std::min(pattern.find('{'), pattern.size());
    out += pattern.substr(0, brace);
    pattern.remove_prefix(brace);
    if (pattern.empty()) break;
    const std::size_t end = pattern.find('}');
    SKS_CHECK(end != std::string_view::npos);
    const auto* const value = std::ranges::find(values, pattern.substr(1, end - 1), &Values::value_type::first);
    SKS_CHECK(value != values.end());
    out += value->second;
    pattern.remove_prefix(end + 1);
  }
  return out;
}

std::string Locale::counted(std::string_view key, std::int64_t count) const {
  return text(std::string(key) + (count == 1 ? ".one" : ".other"), {{"count", std::to_string(count)}});
}

std::string Locale::time(std::int64_t seconds) const {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 8> clock{};
  const std::size_t size = std::strftime(clock.data(), clock.size(), "%H:%M", &parts);
  return text("time", {{"day", std::to_string(parts.tm_mday)},
                       {"month", text("month." + std::to_string(parts.tm_mon + 1))},
                       {"year", std::to_string(parts.tm_year + 1900)},
                       {"clock", {clock.data(), size}}});
}

std::string Locale::duration(std::int64_t seconds) const {
  if (seconds >= 2 * kDay) return counted("days", seconds / kDay);
  if (seconds >= 2 * kHour) return counted("hours", seconds / kHour);
  return counted("minutes", std::max<std::int64_t>(seconds / kMinute, 1));
}

std::string Locale::days(std::int64_t count) const {
  return count >= kYearDays && count % kYearDays == 0 ? counted("years", count / kYearDays) : counted("days", count);
}

std::span<const Locale> locales() {
  static const std::vector<Locale> kLocales{Locale("en", kEnglish), Locale("de", kGerman)};
  return kLocales;
}

const Locale& choose_locale(std::string_view accept_language) {
  const Locale* best = &locales().front();
  int weight = 0;
  for (const Preference& preference : preferences(accept_language)) {
    if (preference.weight <= weight) continue;
    for (const Locale& locale : locales()) {
      const bool fits = preference.value == "*" || preference.value == locale.tag() ||
                        preference.value.starts_with(locale.tag() + '-');
      if (!fits) continue;
      best = &locale;
      weight = preference.weight;
      break;
    }
  }
  return *best;
}

bool wants_page(std::string_view accept) {
  const std::vector<Preference> list = preferences(accept);
  const auto wants = [&](std::string_view type) {
    return std::ranges::any_of(
        list, [&](const Preference& preference) { return preference.value == type && preference.weight > 0; });
  };
  return wants("text/html") && !wants("application/json");
}

}  // namespace sks::issuer
