#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::key_files {

/// A JSON text (RFC 8259) as views into it: nothing of the secrets in it is copied.
struct JsonValue {
  enum class Type : std::uint8_t { object, array, string, other };

  /// The member with this name, or null. Names with escapes are never found.
  const JsonValue* find(std::string_view name) const;
  /// The text of the member, when it is a string without escapes.
  std::optional<std::string_view> text(std::string_view name) const;

  Type type = Type::other;
  std::string_view content;      ///< of a string, between the quotes
  bool escaped = false;          ///< the string has escapes, which are left as they are
  std::string_view member_name;  ///< of a member of an object
  std::vector<JsonValue> members;
  std::vector<JsonValue> items;
};

/// Fails with option on text that is no JSON, and on more than one member of a name, 8 levels or 10,000 values.
Result<JsonValue> scan_json(std::string_view text);

}  // namespace sks::key_files
