#include "keygen2/time.h"

#include <chrono>
#include <ctime>

namespace sks::keygen2 {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::int64_t kTolerance = 24 * 60 * 60;
constexpr int kMinutesPerDay = 24 * 60;
constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";

bool has_shape(std::string_view text, std::string_view shape) {
  if (text.size() != shape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool fits = shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i];
    if (!fits) return false;
  }
  return true;
}

int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (const char c : text.substr(at, count)) value = value * 10 + (c - '0');
  return value;
}

std::string padded(int value, std::size_t width) {
  std::string text = std::to_string(value);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

/// Seconds east of Greenwich that "Z" or "+hh:mm" stand for.
std::optional<std::int64_t> parse_zone(std::string_view text, TimeZone zone) {
  if (zone == TimeZone::utc) return text == "Z" ? std::optional<std::int64_t>(0) : std::nullopt;
  if (!has_shape(text, "+dd:dd") && !has_shape(text, "-dd:dd")) return std::nullopt;
  const int hour = digits(text, 1, 2);
  const int minute = digits(text, 4, 2);
  if (hour > 23 || minute > 59) return std::nullopt;
  const std::int64_t offset = (hour * 60 + minute) * 60;
  return text.front() == '-' ? -offset : offset;
}

std::string format_date_and_time(std::int64_t time) {
  const sys_seconds instant{seconds{time}};
  const auto day = std::chrono::floor<days>(instant);
  const std::chrono::year_month_day date{day};
  const auto rest = static_cast<int>((instant - day).count());
  return padded(static_cast<int>(date.year()), 4) + '-' + padded(static_cast<int>(unsigned{date.month()}), 2) + '-' +
         padded(static_cast<int>(unsigned{date.day()}), 2) + 'T' + padded(rest / 3600, 2) + ':' +
         padded(rest / 60 % 60, 2) + ':' + padded(rest % 60, 2);
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text, TimeZone zone) {
  if (text.size() < kShape.size() || !has_shape(text.substr(0, kShape.size()), kShape)) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{digits(text, 0, 4)},
                                         std::chrono::month{static_cast<unsigned>(digits(text, 5, 2))},
                                         std::chrono::day{static_cast<unsigned>(digits(text, 8, 2))}};
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  const std::optional<std::int64_t> offset = parse_zone(text.substr(kShape.size()), zone);
  if (!date.ok() || hour > 23 || minute > 59 || second > 59 || !offset) return std::nullopt;
  const sys_seconds local = std::chrono::sys_days{date} + hours{hour} + minutes{minute} + seconds{second};
  return local.time_since_epoch().count() - *offset;
}

std::string format_utc_time(std::int64_t time) { return format_date_and_time(time) + 'Z'; }

std::string format_offset_time(std::int64_t time, int offset) {
  const int distance = offset < 0 ? -offset : offset;
  return format_date_and_time(time + std::int64_t{offset} * 60) + (offset < 0 ? '-' : '+') + padded(distance / 60, 2) +
         ':' + padded(distance % 60, 2);
}

int local_utc_offset(std::int64_t time) {
  const auto instant = static_cast<std::time_t>(time);
  std::tm local{};
  if (localtime_r(&instant, &local) == nullptr || local.tm_gmtoff % 60 != 0) return 0;
  const auto offset = static_cast<int>(local.tm_gmtoff / 60);
  return offset > -kMinutesPerDay && offset < kMinutesPerDay ? offset : 0;
}

bool is_plausible(std::int64_t theirs, std::int64_t ours) {
  const std::int64_t difference = theirs - ours;
  return difference >= -kTolerance && difference <= kTolerance;
}

}  // namespace sks::keygen2
