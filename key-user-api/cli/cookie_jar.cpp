#include "key-user-api/cli/cookie_jar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace sks::cli {
namespace {

constexpr std::size_t kMaxCookies = 50;
constexpr std::size_t kMaxCookieLength = 4096;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// RFC 6265 chapter 5.1.3.
bool domain_matches(const Url& url, std::string_view domain) {
  if (url.host == domain) return true;
  return !url.is_address && url.host.size() > domain.size() && url.host.ends_with(domain) &&
         url.host[url.host.size() - domain.size() - 1] == '.';
}

std::string_view path_of(const Url& url) { return std::string_view(url.target).substr(0, url.target.find('?')); }

/// RFC 6265 chapter 5.1.4.
std::string default_path(const Url& url) {
  const std::string_view path = path_of(url);
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : std::string(path.substr(0, slash));
}

bool path_matches(std::string_view path, std::string_view cookie_path) {
  if (!path.starts_with(cookie_path)) return false;
  return path.size() == cookie_path.size() || cookie_path.ends_with('/') || path[cookie_path.size()] == '/';
}

std::optional<std::int64_t> parse_max_age(std::string_view text, std::int64_t now) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return text[0] == '-' ? 0 : kNever;
  if (error != std::errc()) return std::nullopt;
  if (seconds <= 0) return 0;
  return seconds > kNever - now ? kNever : now + seconds;
}

struct Attributes {
  std::string domain;
  std::string path;
  bool secure = false;
  std::optional<std::int64_t> max_age;
  std::optional<std::int64_t> expires;
};

Attributes parse_attributes(std::string_view text, std::int64_t now) {
  Attributes attributes;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view attribute = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(attribute.find('='), attribute.size());
    const std::string_view name = trim(attribute.substr(0, equals));
    const std::string_view value = trim(attribute.substr(std::min(equals + 1, attribute.size())));
    if (equal_ignoring_case(name, "secure")) attributes.secure = true;
    if (equal_ignoring_case(name, "path")) attributes.path = value.starts_with('/') ? value : std::string_view();
    if (equal_ignoring_case(name, "domain") && !value.empty())
      attributes.domain = to_lower(value.starts_with('.') ? value.substr(1) : value);
    if (equal_ignoring_case(name, "max-age"))
      if (const auto age = parse_max_age(value, now)) attributes.max_age = age;
    if (equal_ignoring_case(name, "expires"))
      if (const auto date = parse_http_date(value)) attributes.expires = *date;
  }
  return attributes;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<unsigned> leading_number(std::string_view token, std::size_t max_digits) {
  const std::size_t digits = std::min(token.find_first_not_of("0123456789"), token.size());
  if (digits == 0 || digits > max_digits) return std::nullopt;
  unsigned value = 0;
  std::from_chars(token.data(), token.data() + digits, value);
  return value;
}

struct DateParts {
  std::optional<unsigned> day, month, year;
  std::optional<std::array<unsigned, 3>> time;
};

std::optional<std::array<unsigned, 3>> parse_time_of_day(std::string_view token) {
  std::array<unsigned, 3> fields{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto field = leading_number(token, 2);
    if (!field) return std::nullopt;
    fields[i] = *field;
    token.remove_prefix(std::min(token.find_first_not_of("0123456789"), token.size()));
    if (i == 2) break;
    if (!token.starts_with(':')) return std::nullopt;
    token.remove_prefix(1);
  }
  return fields;
}

std::optional<unsigned> parse_month(std::string_view token) {
  constexpr auto kMonths = std::to_array<std::string_view>(
      {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"});
  const std::string start = to_lower(token.substr(0, 3));
  const auto* const found = std::ranges::find(kMonths, start);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

/// Each token becomes the first part that it fits and that is not known yet.
void take_token(std::string_view token, DateParts& parts) {
  if (!parts.time && (parts.time = parse_time_of_day(token))) return;
  if (!parts.day && (parts.day = leading_number(token, 2))) return;
  if (!parts.month && (parts.month = parse_month(token))) return;
  const auto year = leading_number(token, 4);
  if (parts.year || !year || token.find_first_not_of("0123456789") < 2) return;
  parts.year = *year >= 70 && *year <= 99 ? *year + 1900 : *year <= 69 ? *year + 2000 : *year;
}

/// Days since 1970-01-01 of a Gregorian date, counting years from March so that the leap day comes last.
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  if (month <= 2) --year;
  const std::int64_t era = year / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

}  // namespace

Result<std::int64_t> parse_http_date(std::string_view text) {
  const auto is_delimiter = [](char c) {
    return c == '\t' || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) || (c >= 0x5b && c <= 0x60) ||
           (c >= 0x7b && c <= 0x7e);
  };
  DateParts parts;
  while (true) {
    while (!text.empty() && is_delimiter(text.front())) text.remove_prefix(1);
    if (text.empty()) break;
    const auto end = static_cast<std::size_t>(std::ranges::find_if(text, is_delimiter) - text.begin());
    take_token(text.substr(0, end), parts);
    text.remove_prefix(end);
  }
  if (!parts.time || !parts.day || !parts.month || !parts.year) return Error{Status::option, "not a date"};
  const auto [hour, minute, second] = *parts.time;
  if (*parts.day < 1 || *parts.day > 31 || *parts.year < 1601 || hour > 23 || minute > 59 || second > 59)
    return Error{Status::option, "not a date"};
  return days_from_civil(*parts.year, *parts.month, *parts.day) * 86400 + hour * 3600 + minute * 60 + second;
}

void CookieJar::set(const Url& origin, std::string_view set_cookie, std::int64_t now) {
  if (set_cookie.size() > kMaxCookieLength || has_control_character(set_cookie)) return;
  const std::size_t end = std::min(set_cookie.find(';'), set_cookie.size());
  const std::string_view pair = set_cookie.substr(0, end);
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos || trim(pair.substr(0, equals)).empty()) return;

  const Attributes attributes = parse_attributes(set_cookie.substr(std::min(end + 1, set_cookie.size())), now);
  const std::string name(trim(pair.substr(0, equals)));
  if (!attributes.domain.empty() && !domain_matches(origin, attributes.domain)) return;
  if (attributes.secure && origin.scheme != "https") return;
  if (name.starts_with("__Secure-") && !attributes.secure) return;
  if (name.starts_with("__Host-") && (!attributes.secure || !attributes.domain.empty() || attributes.path != "/"))
    return;
  store({name, std::string(trim(pair.substr(equals + 1))), attributes.domain.empty() ? origin.host : attributes.domain,
         attributes.domain.empty(), attributes.path.empty() ? default_path(origin) : attributes.path, attributes.secure,
         attributes.max_age.value_or(attributes.expires.value_or(kNever))},
        now);
}

void CookieJar::store(Cookie cookie, std::int64_t now) {
  std::erase_if(cookies_, [now](const Cookie& old) { return old.expires <= now; });
  const auto same = std::ranges::find_if(cookies_, [&](const Cookie& old) {
    return old.name == cookie.name && old.domain == cookie.domain && old.path == cookie.path;
  });
  if (cookie.expires <= now) {
    if (same != cookies_.end()) cookies_.erase(same);
    return;
  }
  if (same != cookies_.end()) {
    *same = std::move(cookie);
    return;
  }
  if (cookies_.size() < kMaxCookies) cookies_.push_back(std::move(cookie));
}

std::string CookieJar::header_for(const Url& url, std::int64_t now) const {
  std::vector<const Cookie*> chosen;
  for (const Cookie& cookie : cookies_) {
    const bool here = cookie.host_only ? url.host == cookie.domain : domain_matches(url, cookie.domain);
    if (!here || cookie.expires <= now || !path_matches(path_of(url), cookie.path)) continue;
    if (cookie.secure && url.scheme != "https") continue;
    chosen.push_back(&cookie);
  }
  std::ranges::stable_sort(chosen, [](const Cookie* a, const Cookie* b) { return a->path.size() > b->path.size(); });
  std::string header;
  for (const Cookie* const cookie : chosen) {
    if (!header.empty()) header += "; ";
    header += cookie->name + "=" + cookie->value;
  }
  return header;
}

}  // namespace sks::cli
