#include "conformance/kit/placeholders.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include "conformance/kit/authority.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks::conformance {
namespace {

constexpr std::int64_t kMaxBytes = 1'000'000;

Result<Json> from_hex_text(const Json& argument) {
  SKS_LET(std::string text, text_of(argument));
  std::erase(text, ' ');
  SKS_LET(const Bytes bytes, from_hex(text));
  return Json(to_base64url(bytes));
}

Result<Json> from_utf8(const Json& argument) {
  SKS_LET(const std::string text, text_of(argument));
  return Json(to_base64url(as_bytes(text)));
}

Result<Json> random_bytes(const Json& argument) {
  if (!argument.is_number_integer() || argument < 0 || argument > kMaxBytes)
    return Error{Status::option, "no number of bytes: " + argument.dump()};
  return Json(to_base64url(system_random().bytes(argument.get<std::size_t>())));
}

/// { filled = [ "x", 101 ] }: a text many times.
Result<Json> filled_text(const Json& argument) {
  const bool fits = argument.is_array() && argument.size() == 2 && argument[0].is_string() &&
                    argument[1].is_number_integer() && argument[1] >= 0 && argument[1] <= kMaxBytes;
  if (!fits) return Error{Status::option, "filled takes a text and how often it is to stand there"};
  std::string text;
  for (std::int64_t i = 0; i < argument[1].get<std::int64_t>(); ++i) text += argument[0].get<std::string>();
  return Json(text);
}

/// { times = [ 20, VALUE ] }: an array of the same value.
Result<Json> repeated_value(const Json& argument) {
  constexpr std::int64_t kMaxTimes = 1000;
  const bool fits = argument.is_array() && argument.size() == 2 && argument[0].is_number_integer() &&
                    argument[0] >= 0 && argument[0] <= kMaxTimes;
  if (!fits) return Error{Status::option, "times takes a number and a value"};
  return Json(Json::array_t(argument[0].get<std::size_t>(), argument[1]));
}

Result<Json> algorithm_uri(const Json& argument) {
  SKS_LET(const std::string name, text_of(argument));
  return Json(std::string(kAlgorithmPrefix) + name);
}

/// { time_form = "%Y-%m-%dT%H:%M:%S.5Z" }: a time in UTC as strftime() writes it.
Result<Json> time_in_form(std::int64_t time, const Json& argument) {
  SKS_LET(const std::string form, text_of(argument));
  const auto seconds = static_cast<std::time_t>(time);
  std::tm fields{};
  std::ostringstream text;
  text.imbue(std::locale::classic());
  if (form.empty() || ::gmtime_r(&seconds, &fields) == nullptr)
    return Error{Status::option, "no form of a time: \"" + form + '"'};
  text << std::put_time(&fields, form.c_str());
  return Json(text.str());
}

/// A time as a day that the month before does not have: who counts on over the end of a month finds the right time.
Result<Json> time_past_end_of_month(std::int64_t time) {
  namespace chrono = std::chrono;
  const chrono::sys_seconds now{chrono::seconds(time)};
  const chrono::year_month_day today(chrono::floor<chrono::days>(now));
  const chrono::year_month month = today.year() / today.month();
  const chrono::year_month before = month - chrono::months(1);
  const unsigned last_day = static_cast<unsigned>((before / chrono::last).day());
  const auto two_digits = [](unsigned number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return time_in_form(time, std::to_string(static_cast<int>(before.year())) + '-' +
                                two_digits(static_cast<unsigned>(before.month())) + '-' +
                                two_digits(last_day + static_cast<unsigned>(today.day())) + "T%H:%M:%SZ");
}

}  // namespace

Result<std::string> text_of(const Json& value) {
  if (!value.is_string()) return Error{Status::option, "no text: " + value.dump()};
  return value.get<std::string>();
}

Result<Json> Placeholders::resolve(const Json& value) const {
  if (value.is_array()) {
    Json elements = Json::array();
    for (const Json& element : value) {
      SKS_LET(Json resolved, resolve(element));
      elements.push_back(std::move(resolved));
    }
    return elements;
  }
  if (!value.is_object()) return value;
  if (value.size() == 1)
    if (const auto found = computations_.find(value.begin().key()); found != computations_.end()) {
      SKS_LET(const Json argument, resolve(value.begin().value()));
      return found->second(argument);
    }
  Json object = Json::object();
  for (const auto& item : value.items()) {
    SKS_LET(Json resolved, resolve(item.value()));
    object[item.key()] = std::move(resolved);
  }
  return object;
}

void add_plain_placeholders(Placeholders& placeholders, std::function<std::int64_t()> now) {
  placeholders.add("hex", from_hex_text);
  placeholders.add("utf8", from_utf8);
  placeholders.add("random_bytes", random_bytes);
  placeholders.add("filled", filled_text);
  placeholders.add("times", repeated_value);
  placeholders.add("algorithm", algorithm_uri);
  placeholders.add("time", [now](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string text, text_of(argument));
    SKS_LET(const std::int64_t offset, parse_offset(text));
    return Json(keygen2::format_utc_time(now() + offset));
  });
  placeholders.add("time_form", [now](const Json& argument) { return time_in_form(now(), argument); });
  placeholders.add("time_past_end_of_month", [now](const Json&) { return time_past_end_of_month(now()); });
  placeholders.add("local_time", [now](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string text, text_of(argument));
    SKS_LET(const std::int64_t offset, parse_offset(text));
    return Json(keygen2::format_offset_time(now() + offset, 0));
  });
}

Result<std::int64_t> parse_offset(const std::string& text) {
  struct Unit {
    char letter;
    std::int64_t seconds;
  };
  constexpr auto kUnits = std::to_array<Unit>({{'s', 1}, {'m', 60}, {'h', 3600}, {'d', kDay}});
  constexpr std::size_t kMaxLength = 8;
  const Error wrong{Status::option, "no difference of times such as +2d: \"" + text + '"'};
  if (text.size() < 3 || text.size() > kMaxLength || (text.front() != '+' && text.front() != '-')) return wrong;
  const std::string digits = text.substr(1, text.size() - 2);
  const auto* const unit = std::ranges::find(kUnits, text.back(), &Unit::letter);
  if (unit == kUnits.end() || digits.find_first_not_of("0123456789") != std::string::npos) return wrong;
  return (text.front() == '-' ? -1 : 1) * std::stoll(digits) * unit->seconds;
}

}  // namespace sks::conformance
