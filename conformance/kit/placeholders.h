#pragma once

#include <functional>
#include <map>

#include "conformance/document.h"

/// Values of scenarios that the kit computes: tables with one member, whose name is that of a placeholder.
namespace sks::conformance {

class Placeholders {
 public:
  using Compute = std::function<Result<Json>(const Json& argument)>;

  void add(std::string name, Compute compute) { computations_[std::move(name)] = std::move(compute); }

  /// The value with everything in it computed. Fails as the placeholders do.
  Result<Json> resolve(const Json& value) const;

 private:
  std::map<std::string, Compute> computations_;
};

/// Those that need nothing but their argument: hex, utf8, random_bytes, filled, times, algorithm, time,
/// time_form, time_past_end_of_month, local_time.
void add_plain_placeholders(Placeholders& placeholders, std::function<std::int64_t()> now);

/// "+2d", "-90m", "+10s": seconds. Fails with option.
Result<std::int64_t> parse_offset(const std::string& text);

/// Fails with option when the value is no text.
Result<std::string> text_of(const Json& value);

}  // namespace sks::conformance
