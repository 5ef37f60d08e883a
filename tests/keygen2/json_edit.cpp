#include "tests/keygen2/json_edit.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace sks::test::json_edit {
namespace {

using nlohmann::json;
using Pointer = json::json_pointer;

json parse(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  REQUIRE_FALSE(value.is_discarded());
  return value;
}

template <class Visit>
void visit_all(const json& value, const Pointer& at, const Visit& visit) {
  visit(value, at);
  if (value.is_object())
    for (const auto& [name, member] : value.items()) visit_all(member, at / name, visit);
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i) visit_all(value[i], at / i, visit);
}

std::string dump_twice(const json& value, const Pointer& at, const Pointer& twice) {
  if (value.is_object()) {
    std::string out;
    for (const auto& [name, member] : value.items()) {
      const std::string property = json(name).dump() + ":" + dump_twice(member, at / name, twice);
      out += (out.empty() ? "" : ",") + property;
      if (at / name == twice) out += "," + property;
    }
    return "{" + out + "}";
  }
  if (value.is_array()) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i)
      out += (out.empty() ? "" : ",") + dump_twice(value[i], at / i, twice);
    return "[" + out + "]";
  }
  return value.dump();
}

}  // namespace

bool same(const std::string& one, const std::string& other) { return parse(one) == parse(other); }

std::string get(const std::string& message, const std::string& pointer) {
  const json root = parse(message);
  REQUIRE_MESSAGE(root.contains(Pointer(pointer)), pointer);
  return root.at(Pointer(pointer)).get<std::string>();
}

std::string value(const std::string& message, const std::string& pointer) {
  const json root = parse(message);
  REQUIRE_MESSAGE(root.contains(Pointer(pointer)), pointer);
  return root.at(Pointer(pointer)).dump();
}

bool contains(const std::string& message, const std::string& pointer) {
  return parse(message).contains(Pointer(pointer));
}

std::string with(const std::string& message, const std::string& pointer, const std::string& value) {
  json root = parse(message);
  root[Pointer(pointer)] = parse(value);
  return root.dump();
}

std::string without(const std::string& message, const std::string& pointer) {
  json root = parse(message);
  const Pointer at(pointer);
  REQUIRE_MESSAGE(root.contains(at), pointer);
  json& parent = root.at(at.parent_pointer());
  if (parent.is_array())
    parent.erase(std::stoul(at.back()));
  else
    parent.erase(at.back());
  return root.dump();
}

std::string with_duplicate(const std::string& message, const std::string& pointer) {
  return dump_twice(parse(message), Pointer(), Pointer(pointer));
}

std::vector<std::string> properties(const std::string& message) {
  std::vector<std::string> result;
  visit_all(parse(message), Pointer(), [&](const json& value, const Pointer& at) {
    if (!value.is_object()) return;
    for (const auto& [name, member] : value.items()) result.push_back((at / name).to_string());
  });
  return result;
}

std::vector<std::string> objects(const std::string& message) {
  std::vector<std::string> result;
  visit_all(parse(message), Pointer(), [&](const json& value, const Pointer& at) {
    if (value.is_object()) result.push_back(at.to_string());
  });
  return result;
}

std::vector<std::string> names(const std::string& message, const std::string& pointer) {
  std::vector<std::string> result;
  const json root = parse(message);
  for (const auto& [name, member] : root.at(Pointer(pointer)).items()) result.push_back(name);
  return result;
}

}  // namespace sks::test::json_edit
