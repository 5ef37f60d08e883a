#include "conformance/comparison.h"

#include <algorithm>

namespace sks::conformance {
namespace {

constexpr std::size_t kShown = 48;

bool is_empty(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return true;
    case Json::value_t::boolean:
      return !value.get<bool>();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return value == 0;
    case Json::value_t::string:
    case Json::value_t::array:
    case Json::value_t::object:
      return value.size() == 0 || (value.is_string() && value.get_ref<const std::string&>().empty());
    case Json::value_t::number_float:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return false;
}

Place below(const Place& place, const std::string& name) { return {place.file, place.path + '/' + name, place.note}; }

/// Where two texts stop being the same, when that is not in what is shown of them.
std::string first_difference(const Json& expected, const Json& found) {
  if (!expected.is_string() || !found.is_string()) return "";
  const auto& left = expected.get_ref<const std::string&>();
  const auto& right = found.get_ref<const std::string&>();
  const auto at = std::ranges::mismatch(left, right).in1 - left.begin();
  return left.size() > kShown ? " (from character " + std::to_string(at) + " on)" : "";
}

}  // namespace

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kShown) text = text.substr(0, kShown) + "..";
  return text;
}

void expect_json(Findings& findings, const Place& place, const Json& expected, const Json& found) {
  if (expected.is_object() && found.is_object()) {
    for (const auto& [name, value] : expected.items())
      expect_json(findings, below(place, name), value, found.contains(name) ? found[name] : Json());
    return;
  }
  if (expected.is_array() && found.is_array() && expected.size() == found.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i)
      expect_json(findings, below(place, std::to_string(i)), expected[i], found[i]);
    return;
  }
  findings.count();
  if (expected == found || (is_empty(expected) && is_empty(found))) return;
  findings.add(place, "is " + shown(found) + ", expected " + shown(expected) + first_difference(expected, found));
}

}  // namespace sks::conformance
