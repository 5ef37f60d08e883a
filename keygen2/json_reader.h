#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keygen2/failure.h"
#include "sks-core/base/bytes.h"

namespace sks::keygen2 {

namespace json {
struct Value;
struct Findings;
}  // namespace json

inline constexpr std::size_t kMaxMessageToClient = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxMessageToIssuer = 1024 * 1024;
inline constexpr std::size_t kMaxUri = 1000;
inline constexpr std::size_t kMaxId = 32;

/// Whether `text` has the syntax of an id or uri. Spec: keygen2.md 3.4.
bool is_id(std::string_view text);
bool is_uri(std::string_view text);

/// Inclusive bounds of a number or of the size of a byte array.
struct Range {
  std::int32_t min;
  std::int32_t max;
};

/// Reads one JSON object of a message, property by property. Spec: keygen2.md 3.2 to 3.6.
///
/// A failure sticks to the whole document: later reads return empty values, and JsonDocument::finish() reports it.
/// Values may be used only after that. A mandatory property that is absent is a failure; functions that start with
/// optional_ take an absent property as empty.
class JsonReader {
 public:
  JsonReader(json::Value* object, json::Findings* findings) : object_(object), findings_(findings) {}

  bool has(std::string_view name) const;
  /// In the order of the document; for objects whose members are not known beforehand.
  std::vector<std::string> member_names() const;

  std::string text(std::string_view name);
  std::optional<std::string> optional_text(std::string_view name);
  std::string id(std::string_view name);
  std::string uri(std::string_view name);
  bool boolean(std::string_view name);
  bool optional_boolean(std::string_view name, bool absent);
  std::int32_t number(std::string_view name, Range range);
  Bytes bytes(std::string_view name, Range size);
  std::optional<Bytes> optional_bytes(std::string_view name, Range size);

  /// The position of the string in `names`. Spec: keygen2.md 4.14.
  std::uint8_t enumeration(std::string_view name, std::span<const std::string_view> names);
  std::uint8_t optional_enumeration(std::string_view name, std::span<const std::string_view> names,
                                    std::uint8_t absent);
  /// An array of such strings as a set of bits, 1 << position.
  std::uint8_t optional_enumeration_set(std::string_view name, std::span<const std::string_view> names);

  // Arrays have one element or more.
  std::vector<std::string> optional_texts(std::string_view name);
  std::vector<std::string> optional_uris(std::string_view name);
  std::vector<Bytes> byte_arrays(std::string_view name, Range size);

  JsonReader object(std::string_view name);
  std::vector<JsonReader> objects(std::string_view name);
  std::vector<JsonReader> optional_objects(std::string_view name);
  /// The array must be there, and may be empty.
  std::vector<JsonReader> objects_or_none(std::string_view name);

  /// This object in the canonical form of keygen2.md 3.7, without `member` of the member object `object`.
  std::string canonical_without(std::string_view object, std::string_view member) const;

  /// Nobody can tell what the members of this object mean: none of them counts as unread.
  void skip_members();

  /// Notes a failure of a rule that the caller checked.
  void fail(ErrorClass error_class, std::string detail);

 private:
  json::Value* find(std::string_view name);
  json::Value* require(std::string_view name);
  std::vector<JsonReader> elements_as_objects(json::Value* array, std::string_view name);

  json::Value* object_;  // null after a failure: everything reads as empty
  json::Findings* findings_;
};

/// One message: parsed strictly, and read to the last property or refused.
class JsonDocument {
 public:
  /// Fails with json on everything that keygen2.md 3.2 forbids on the level of JSON, or that exceeds `max_size` bytes.
  static Outcome<JsonDocument> parse(std::string_view text, std::size_t max_size);

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonReader root();

  /// The first failure of all reads, or of a property that nobody read; failures of class json come first.
  Outcome<void> finish();

 private:
  JsonDocument(std::unique_ptr<json::Value> root, std::unique_ptr<json::Findings> findings);

  std::unique_ptr<json::Value> root_;
  std::unique_ptr<json::Findings> findings_;
};

}  // namespace sks::keygen2
