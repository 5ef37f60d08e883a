#pragma once

#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/call_table.h"
#include "conformance/node.h"

/// How the values of call_table.h become JSON, and come back.
namespace sks::conformance {

std::string to_base64(ByteView bytes);
Json bytes_to_json(ByteView bytes, Form form);
Bytes bytes_from(const Node& node, Form form);
Json patterns_to_json(std::uint8_t bits);
std::uint8_t patterns_from(const Node& node);
/// At most `limit`; more adds a finding.
std::uint32_t number_from(const Node& node, std::uint32_t limit);

template <class T>
inline constexpr bool kIsHandle = false;
template <class Tag>
inline constexpr bool kIsHandle<Id<Tag>> = true;

template <class T>
Json to_json_value(const T& value, Form form) {
  if constexpr (std::is_same_v<T, std::vector<Bytes>>) {
    Json list = Json::array();
    for (const Bytes& element : value) list.push_back(bytes_to_json(element, form));
    return list;
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    return form == Form::optional_text && value.empty() ? Json() : Json(value);
  } else if constexpr (std::is_same_v<T, Bytes> || std::is_same_v<T, ByteView>) {
    return bytes_to_json(value, form);
  } else if constexpr (std::is_same_v<T, SecureBytes>) {
    return bytes_to_json(value.view(), form);
  } else if constexpr (kIsHandle<T>) {
    return value.value;
  } else if constexpr (std::is_enum_v<T>) {
    return value != T{};
  } else if constexpr (std::is_same_v<T, std::uint8_t>) {
    return form == Form::pattern_names ? patterns_to_json(value) : Json(value);
  } else {
    return value;
  }
}

template <class T>
T from_json_value(const Node& node, Form form) {
  if constexpr (std::is_same_v<T, std::vector<Bytes>>) {
    std::vector<Bytes> list;
    for (const Node& element : node.optional_elements()) list.push_back(bytes_from(element, form));
    return list;
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    std::vector<std::string> list;
    for (const Node& element : node.optional_elements()) list.push_back(element.text());
    return list;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return form == Form::optional_text ? node.optional_text() : node.text();
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return bytes_from(node, form);
  } else if constexpr (std::is_same_v<T, SecureBytes>) {
    return SecureBytes::copy_of(bytes_from(node, form));
  } else if constexpr (kIsHandle<T>) {
    return T{node.number()};
  } else if constexpr (std::is_same_v<T, bool> || std::is_enum_v<T>) {
    return static_cast<T>(node.boolean());
  } else if constexpr (std::is_same_v<T, std::uint8_t>) {
    return form == Form::pattern_names ? patterns_from(node)
                                       : static_cast<T>(number_from(node, std::numeric_limits<T>::max()));
  } else {
    return static_cast<T>(number_from(node, std::numeric_limits<T>::max()));
  }
}

/// Adds a value to an object, the members of a struct by themselves.
template <class T>
void add_value(Json& object, const Argument& argument, const T& value) {
  if constexpr (Object<T>) {
    std::apply(
        [&](const auto&... members) {
          ((object[members.name] = to_json_value(value.*members.pointer, members.form)), ...);
        },
        kMembers<T>);
  } else {
    object[argument.name] = to_json_value(value, argument.form);
  }
}

template <class T>
T take_value(const Node& object, const Argument& argument) {
  if constexpr (Object<T>) {
    T value;
    std::apply(
        [&](const auto&... members) {
          ((value.*members.pointer = from_json_value<std::remove_cvref_t<decltype(value.*members.pointer)>>(
                object[members.name], members.form)),
           ...);
        },
        kMembers<T>);
    return value;
  } else {
    return from_json_value<T>(object[argument.name], argument.form);
  }
}

/// What a call returned. An error is an object with its number and its sentence.
Json error_to_json(const Error& error);

template <class T>
Json result_to_json(const Result<T>& result, Form form) {
  if (!result) return error_to_json(result.error());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else if constexpr (Object<T>) {
    Json object = Json::object();
    add_value(object, {}, result.value());
    return object;
  } else {
    return to_json_value(result.value(), form);
  }
}
template <class T>
Json result_to_json(const Result<std::optional<T>>& result, Form form) {
  if (!result) return error_to_json(result.error());
  if (!result.value()) return {};
  Json object = Json::object();
  add_value(object, {"", form}, **result);
  return object;
}

}  // namespace sks::conformance
