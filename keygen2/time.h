#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Times of KeyGen2, in seconds since 1970-01-01T00:00:00Z. Spec: keygen2.md 3.6.
namespace sks::keygen2 {

enum class TimeZone : std::uint8_t { utc, offset };

/// "2019-04-08T16:33:30Z" for utc, "2019-04-08T18:33:36+02:00" for offset; nothing else, and only days that exist.
std::optional<std::int64_t> parse_time(std::string_view text, TimeZone zone);

/// Years 0 to 9999.
std::string format_utc_time(std::int64_t time);
/// `offset` is in minutes east of Greenwich, less than a day.
std::string format_offset_time(std::int64_t time, int offset);

/// The offset of local time at an instant, in minutes; 0 where it is no whole number of minutes, or a day and more.
int local_utc_offset(std::int64_t time);

/// Whether two times are within the tolerance of keygen2.md 1.5, 24 hours.
bool is_plausible(std::int64_t theirs, std::int64_t ours);

}  // namespace sks::keygen2
