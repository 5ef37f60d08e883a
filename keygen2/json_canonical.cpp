#include "keygen2/json_canonical.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"

namespace sks::keygen2::json {
namespace {

struct Escape {
  char plain;
  char letter;
};
constexpr auto kEscapes = std::to_array<Escape>({
    {'\b', 'b'},
    {'\t', 't'},
    {'\n', 'n'},
    {'\f', 'f'},
    {'\r', 'r'},
    {'"', '"'},
    {'\\', '\\'},
});

void append(std::string& out, const Value& value);

/// Members by the bytes of their names: all names of KeyGen2 are ASCII, where that is the order of UTF-16 code units.
void append_object(std::string& out, const Value& object, std::optional<std::string_view> omitted,
                   const Omitted* inner) {
  std::vector<const Member*> members;
  for (const Member& member : object.members)
    if (member.name != omitted) members.push_back(&member);
  std::ranges::sort(members, {}, [](const Member* member) -> const std::string& { return member->name; });
  char separator = '{';
  for (const Member* const member : members) {
    out += separator;
    separator = ',';
    out += string_literal(member->name) + ':';
    if (inner != nullptr && member->name == inner->object && member->value.type == Type::object)
      append_object(out, member->value, inner->member, nullptr);
    else
      append(out, member->value);
  }
  if (members.empty()) out += '{';
  out += '}';
}

void append(std::string& out, const Value& value) {
  switch (value.type) {
    case Type::object:
      return append_object(out, value, std::nullopt, nullptr);
    case Type::array: {
      out += '[';
      for (const Value& element : value.elements) {
        if (&element != &value.elements.front()) out += ',';
        append(out, element);
      }
      out += ']';
      return;
    }
    case Type::string:
      out += string_literal(value.string);
      return;
    case Type::number:
      // A number beyond 32 bits is no value of KeyGen2: whatever stands here, the message is refused.
      out += value.number ? std::to_string(*value.number) : "0";
      return;
    case Type::boolean:
      out += value.boolean ? "true" : "false";
      return;
  }
}

}  // namespace

std::string string_literal(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto* const escape = std::ranges::find(kEscapes, c, &Escape::plain);
    if (escape != kEscapes.end()) {
      result += '\\';
      result += escape->letter;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      const auto byte = static_cast<std::uint8_t>(c);
      result += "\\u00" + to_hex({&byte, 1});
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string canonical(const Value& object, Omitted omitted) {
  std::string out;
  append_object(out, object, std::nullopt, &omitted);
  return out;
}

}  // namespace sks::keygen2::json
