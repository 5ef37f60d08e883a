#include "conformance/kit/toml_document.h"

#include "sks-core/toml/toml_reader.h"

namespace sks::conformance {
namespace {

constexpr std::size_t kMaxDepth = 32;

Error at_line(std::size_t line, const std::string& sentence) {
  return {Status::option, "line " + std::to_string(line) + ": " + sentence};
}

Result<Json> to_json(const toml::node& node, std::size_t depth);

Result<Json> table_to_json(const toml::table& table, std::size_t depth) {
  Json object = Json::object();
  for (const auto& [name, value] : table) {
    SKS_LET(Json member, to_json(value, depth));
    object[std::string(name.str())] = std::move(member);
  }
  return object;
}

Result<Json> array_to_json(const toml::array& array, std::size_t depth) {
  Json elements = Json::array();
  for (const toml::node& value : array) {
    SKS_LET(Json element, to_json(value, depth));
    elements.push_back(std::move(element));
  }
  return elements;
}

Result<Json> to_json(const toml::node& node, std::size_t depth) {
  if (depth == kMaxDepth) return at_line(node.source().begin.line, "nested too deeply");
  if (const toml::table* const table = node.as_table()) return table_to_json(*table, depth + 1);
  if (const toml::array* const array = node.as_array()) return array_to_json(*array, depth + 1);
  if (const auto* const text = node.as_string()) return Json(text->get());
  // As the library reads JSON: what is not negative is of the unsigned type.
  if (const auto* const number = node.as_integer())
    return number->get() < 0 ? Json(number->get()) : Json(static_cast<std::uint64_t>(number->get()));
  if (const auto* const boolean = node.as_boolean()) return Json(boolean->get());
  return at_line(node.source().begin.line, "neither a table, an array, a text, an integer nor a boolean");
}

}  // namespace

Result<Json> parse_toml(std::string_view text) {
  if (text.size() > kMaxScenario) return Error{Status::option, "longer than 256 KiB"};
  const auto read = read_toml(text);
  if (!read) return at_line(read.error().line, read.error().sentence);
  return table_to_json(*read, 0);
}

}  // namespace sks::conformance
