#include "keygen2/json_reader.h"

#include <algorithm>

#include "keygen2/json_canonical.h"
#include "keygen2/json_parser.h"
#include "sks-core/base/encoding.h"

namespace sks::keygen2 {
namespace {

using json::Findings;
using json::Member;
using json::Type;
using json::Value;

std::string_view name_of(Type type) {
  switch (type) {
    case Type::object:
      return "an object";
    case Type::array:
      return "an array";
    case Type::string:
      return "a string";
    case Type::number:
      return "a number";
    case Type::boolean:
      return "a boolean";
  }
  return "a value";
}

/// Property names reach log files: those of a stranger are shortened and kept printable.
std::string shown(std::string_view name) {
  std::string result = "\"";
  for (const char c : name.substr(0, 40)) result += (c >= ' ' && c <= '~') ? c : '?';
  return result + (name.size() > 40 ? "...\"" : "\"");
}

/// `value` when it is there and has the type, else null with a failure for the wrong type.
Value* typed(Value* value, Type type, std::string_view name, Findings& findings) {
  if (value == nullptr || value->type == type) return value;
  findings.note(ErrorClass::json, shown(name) + " is not " + std::string(name_of(type)));
  return nullptr;
}

Bytes decode_bytes(const std::string& text, Range size, std::string_view name, Findings& findings) {
  Result<Bytes> decoded = from_base64url(text);
  if (!decoded) {
    findings.note(ErrorClass::value, shown(name) + " is not strict base64url");
    return {};
  }
  const auto fits =
      decoded->size() >= static_cast<std::size_t>(size.min) && decoded->size() <= static_cast<std::size_t>(size.max);
  if (!fits) {
    findings.note(ErrorClass::value, shown(name) + " has a wrong length");
    return {};
  }
  return std::move(decoded).value();
}

std::uint8_t decode_enumeration(const std::string& text, std::span<const std::string_view> names, std::string_view name,
                                Findings& findings) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<std::uint8_t>(found - names.begin());
  findings.note(ErrorClass::value, shown(name) + " has an unknown value");
  return 0;
}

/// The elements of an array, which must all have one type and be at least one.
std::span<Value> elements_of(Value* array, Type type, std::string_view name, Findings& findings) {
  if (array == nullptr) return {};
  if (array->elements.empty()) findings.note(ErrorClass::json, shown(name) + " is an empty array");
  for (Value& element : array->elements) {
    if (typed(&element, type, name, findings) == nullptr) return {};
  }
  return array->elements;
}

void note_unread(const Value& value, Findings& findings) {
  for (const Member& member : value.members) {
    if (!member.read) findings.note(ErrorClass::json, "property " + shown(member.name) + " is not known here");
    note_unread(member.value, findings);
  }
  for (const Value& element : value.elements) note_unread(element, findings);
}

bool is_alpha(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); }

}  // namespace

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxId &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool is_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (text.size() > kMaxUri || colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const std::string_view scheme = text.substr(0, colon);
  const bool scheme_ok = is_alpha(scheme.front()) && std::ranges::all_of(scheme, [](char c) {
                           return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                         });
  if (!scheme_ok) return false;
  for (std::size_t i = colon + 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex_digit(text[i + 1]) || !is_hex_digit(text[i + 2])) return false;
      continue;
    }
    constexpr std::string_view punctuation = "-._~:/?#[]@!$&'()*+,;=";
    if (!is_alpha(c) && !is_digit(c) && punctuation.find(c) == std::string_view::npos) return false;
  }
  return true;
}

Value* JsonReader::find(std::string_view name) {
  if (object_ == nullptr) return nullptr;
  const auto found = std::ranges::find(object_->members, name, &Member::name);
  if (found == object_->members.end()) return nullptr;
  found->read = true;
  return &found->value;
}

Value* JsonReader::require(std::string_view name) {
  Value* const value = find(name);
  if (value == nullptr && object_ != nullptr) fail(ErrorClass::json, "property " + shown(name) + " is missing");
  return value;
}

bool JsonReader::has(std::string_view name) const {
  return object_ != nullptr && std::ranges::find(object_->members, name, &Member::name) != object_->members.end();
}

void JsonReader::fail(ErrorClass error_class, std::string detail) { findings_->note(error_class, std::move(detail)); }

std::string JsonReader::text(std::string_view name) {
  const Value* const value = typed(require(name), Type::string, name, *findings_);
  return value == nullptr ? std::string() : value->string;
}

std::optional<std::string> JsonReader::optional_text(std::string_view name) {
  const Value* const value = typed(find(name), Type::string, name, *findings_);
  return value == nullptr ? std::nullopt : std::optional(value->string);
}

std::string JsonReader::id(std::string_view name) {
  const Value* const value = typed(require(name), Type::string, name, *findings_);
  if (value == nullptr) return {};
  if (!is_id(value->string)) fail(ErrorClass::value, shown(name) + " is not an id");
  return value->string;
}

std::string JsonReader::uri(std::string_view name) {
  const Value* const value = typed(require(name), Type::string, name, *findings_);
  if (value == nullptr) return {};
  if (!is_uri(value->string)) fail(ErrorClass::value, shown(name) + " is not a URI");
  return value->string;
}

bool JsonReader::boolean(std::string_view name) {
  const Value* const value = typed(require(name), Type::boolean, name, *findings_);
  return value != nullptr && value->boolean;
}

bool JsonReader::optional_boolean(std::string_view name, bool absent) {
  const Value* const value = typed(find(name), Type::boolean, name, *findings_);
  return value == nullptr ? absent : value->boolean;
}

std::int32_t JsonReader::number(std::string_view name, Range range) {
  const Value* const value = typed(require(name), Type::number, name, *findings_);
  if (value == nullptr) return range.min;
  if (value->number && *value->number >= range.min && *value->number <= range.max) return *value->number;
  fail(ErrorClass::value, shown(name) + " is out of range");
  return range.min;
}

Bytes JsonReader::bytes(std::string_view name, Range size) {
  const Value* const value = typed(require(name), Type::string, name, *findings_);
  return value == nullptr ? Bytes() : decode_bytes(value->string, size, name, *findings_);
}

std::optional<Bytes> JsonReader::optional_bytes(std::string_view name, Range size) {
  const Value* const value = typed(find(name), Type::string, name, *findings_);
  if (value == nullptr) return std::nullopt;
  return decode_bytes(value->string, size, name, *findings_);
}

std::uint8_t JsonReader::enumeration(std::string_view name, std::span<const std::string_view> names) {
  const Value* const value = typed(require(name), Type::string, name, *findings_);
  return value == nullptr ? std::uint8_t{0} : decode_enumeration(value->string, names, name, *findings_);
}

std::uint8_t JsonReader::optional_enumeration(std::string_view name, std::span<const std::string_view> names,
                                              std::uint8_t absent) {
  const Value* const value = typed(find(name), Type::string, name, *findings_);
  return value == nullptr ? absent : decode_enumeration(value->string, names, name, *findings_);
}

std::uint8_t JsonReader::optional_enumeration_set(std::string_view name, std::span<const std::string_view> names) {
  Value* const array = typed(find(name), Type::array, name, *findings_);
  unsigned bits = 0;
  for (const Value& element : elements_of(array, Type::string, name, *findings_))
    bits |= 1U << decode_enumeration(element.string, names, name, *findings_);
  return static_cast<std::uint8_t>(bits);
}

std::vector<std::string> JsonReader::optional_texts(std::string_view name) {
  Value* const array = typed(find(name), Type::array, name, *findings_);
  std::vector<std::string> result;
  for (const Value& element : elements_of(array, Type::string, name, *findings_)) result.push_back(element.string);
  return result;
}

std::vector<std::string> JsonReader::optional_uris(std::string_view name) {
  std::vector<std::string> result = optional_texts(name);
  if (!std::ranges::all_of(result, is_uri)) fail(ErrorClass::value, shown(name) + " contains something that is no URI");
  return result;
}

std::vector<Bytes> JsonReader::byte_arrays(std::string_view name, Range size) {
  Value* const array = typed(require(name), Type::array, name, *findings_);
  std::vector<Bytes> result;
  for (const Value& element : elements_of(array, Type::string, name, *findings_))
    result.push_back(decode_bytes(element.string, size, name, *findings_));
  return result;
}

JsonReader JsonReader::object(std::string_view name) {
  return {typed(require(name), Type::object, name, *findings_), findings_};
}

std::vector<JsonReader> JsonReader::elements_as_objects(Value* array, std::string_view name) {
  std::vector<JsonReader> result;
  for (Value& element : elements_of(typed(array, Type::array, name, *findings_), Type::object, name, *findings_))
    result.emplace_back(&element, findings_);
  return result;
}

std::vector<JsonReader> JsonReader::objects(std::string_view name) { return elements_as_objects(require(name), name); }

std::vector<JsonReader> JsonReader::optional_objects(std::string_view name) {
  return elements_as_objects(find(name), name);
}

std::vector<JsonReader> JsonReader::objects_or_none(std::string_view name) {
  Value* const array = typed(require(name), Type::array, name, *findings_);
  if (array == nullptr || array->elements.empty()) return {};
  return elements_as_objects(array, name);
}

std::string JsonReader::canonical_without(std::string_view object, std::string_view member) const {
  return object_ == nullptr ? std::string() : json::canonical(*object_, {object, member});
}

std::vector<std::string> JsonReader::member_names() const {
  std::vector<std::string> names;
  if (object_ == nullptr) return names;
  for (const json::Member& member : object_->members) names.push_back(member.name);
  return names;
}

void JsonReader::skip_members() {
  if (object_ != nullptr) object_->members.clear();
}

JsonDocument::JsonDocument(std::unique_ptr<Value> root, std::unique_ptr<Findings> findings)
    : root_(std::move(root)), findings_(std::move(findings)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Outcome<JsonDocument> JsonDocument::parse(std::string_view text, std::size_t max_size) {
  if (text.size() > max_size) return Failure{ErrorClass::json, "the message is too large"};
  SKS_LET(std::unique_ptr<Value> root, json::parse(text));
  return JsonDocument(std::move(root), std::make_unique<Findings>());
}

JsonReader JsonDocument::root() { return {root_.get(), findings_.get()}; }

Outcome<void> JsonDocument::finish() {
  note_unread(*root_, *findings_);
  if (findings_->failure) return *findings_->failure;
  return {};
}

}  // namespace sks::keygen2
