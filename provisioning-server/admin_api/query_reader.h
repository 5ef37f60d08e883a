#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provisioning-server/directory/directory.h"

namespace sks::issuer {

/// Reads the query of a request, parameter by parameter. A failure sticks: later reads return defaults, and finish()
/// reports the first one, or a parameter that nobody has asked for. Values may be used only behind it.
class QueryReader {
 public:
  explicit QueryReader(std::string_view query);

  /// Empty when absent.
  std::string text(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t low, std::int64_t high, std::int64_t absent);
  /// The position in `words`; 0 when absent or empty.
  std::size_t choice(std::string_view name, const std::vector<std::string_view>& words);
  /// A SHA-256 in hexadecimal, in lower case without colons; empty when absent.
  std::string fingerprint(std::string_view name);
  /// "limit" and "cursor".
  PageRequest page();

  /// Fails with option.
  Result<void> finish();

 private:
  void fail(std::string sentence);
  std::map<std::string, std::string, std::less<>> values_;
  std::optional<std::string> failure_;
};

}  // namespace sks::issuer
