#include "key-user-api/token/template.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace sks::token {
namespace {

constexpr std::size_t kUlongSize = 8;

Refusal invalid_value(const Attribute& attribute, std::string_view why) {
  return {CKR_ATTRIBUTE_VALUE_INVALID, name_of(attribute.type).append(" ").append(why)};
}

Refusal missing(CK_ATTRIBUTE_TYPE type) { return {CKR_TEMPLATE_INCOMPLETE, name_of(type) + " is missing"}; }

}  // namespace

SecureBytes ulong_value(std::uint64_t value) {
  SecureBytes bytes(kUlongSize);
  for (std::size_t i = 0; i < kUlongSize; ++i) {
    bytes.data()[kUlongSize - 1 - i] = static_cast<std::uint8_t>(value & 0xFF);
    value >>= 8U;
  }
  return bytes;
}

SecureBytes bool_value(bool value) {
  SecureBytes bytes(1);
  bytes.data()[0] = value ? 1 : 0;
  return bytes;
}

void fail(ByteReader& in) {
  static_cast<void>(in.rest());
  static_cast<void>(in.u8());
}

Template read_template(ByteReader& in) {
  const std::size_t count = in.u16();
  if (count > kMaxAttributes) fail(in);
  Template attributes;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    const CK_ATTRIBUTE_TYPE type = in.u64();
    const ByteView value = in.blob();
    if (value.size() > kMaxAttributeValue) fail(in);
    if (!in.failed()) attributes.push_back({type, SecureBytes::copy_of(value)});
  }
  return attributes;
}

std::vector<CK_ATTRIBUTE_TYPE> read_types(ByteReader& in) {
  const std::size_t count = in.u16();
  if (count > kMaxAttributes) fail(in);
  std::vector<CK_ATTRIBUTE_TYPE> types;
  for (std::size_t i = 0; i < count && !in.failed(); ++i) types.push_back(in.u64());
  return types;
}

Outcome<void> check_decoded(const ByteReader& in) {
  const Result<void> finished = in.finish();
  if (!finished) return Refusal{CKR_ARGUMENTS_BAD, finished.error().detail};
  return {};
}

const Attribute* find_attribute(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const auto found = std::ranges::find(attributes, type, &Attribute::type);
  return found == attributes.end() ? nullptr : &*found;
}

Outcome<bool> read_bool(const Attribute& attribute) {
  if (attribute.value.size() != 1 || attribute.value.data()[0] > 1) return invalid_value(attribute, "is no CK_BBOOL");
  return attribute.value.data()[0] == 1;
}

Outcome<std::uint64_t> read_ulong(const Attribute& attribute) {
  if (attribute.value.size() != kUlongSize) return invalid_value(attribute, "is no CK_ULONG");
  return ByteReader(attribute.value.view()).u64();
}

Outcome<bool> bool_or(const Template& attributes, CK_ATTRIBUTE_TYPE type, bool otherwise) {
  const Attribute* const attribute = find_attribute(attributes, type);
  if (attribute == nullptr) return otherwise;
  return read_bool(*attribute);
}

Outcome<std::optional<bool>> optional_bool(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const Attribute* const attribute = find_attribute(attributes, type);
  if (attribute == nullptr) return std::optional<bool>();
  SKS_LET(const bool value, read_bool(*attribute));
  return std::optional<bool>(value);
}

Outcome<std::optional<std::uint64_t>> optional_ulong(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const Attribute* const attribute = find_attribute(attributes, type);
  if (attribute == nullptr) return std::optional<std::uint64_t>();
  SKS_LET(const std::uint64_t value, read_ulong(*attribute));
  return std::optional<std::uint64_t>(value);
}

Outcome<std::uint64_t> required_ulong(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const Attribute* const attribute = find_attribute(attributes, type);
  if (attribute == nullptr) return missing(type);
  return read_ulong(*attribute);
}

Outcome<ByteView> required_value(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const Attribute* const attribute = find_attribute(attributes, type);
  if (attribute == nullptr) return missing(type);
  return attribute->value.view();
}

ByteView value_or_empty(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  const Attribute* const attribute = find_attribute(attributes, type);
  return attribute == nullptr ? ByteView() : attribute->value.view();
}

Outcome<std::string> text_or_empty(const Template& attributes, CK_ATTRIBUTE_TYPE type) {
  std::string text = to_string(value_or_empty(attributes, type));
  if (!is_utf8(text)) return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, name_of(type) + " is no UTF-8"};
  return text;
}

Outcome<void> check_no_duplicates(const Template& attributes) {
  for (auto one = attributes.begin(); one != attributes.end(); ++one)
    for (auto other = attributes.begin(); other != one; ++other)
      if (one->type == other->type) return Refusal{CKR_TEMPLATE_INCONSISTENT, name_of(one->type) + " is there twice"};
  return {};
}

std::string name_of(CK_ATTRIBUTE_TYPE type) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "attribute 0x%lx", static_cast<unsigned long>(type));
  return digits.data();
}

}  // namespace sks::token
