#include "tests/keygen2/schema.h"

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

using nlohmann::json;

class Validator {
 public:
  explicit Validator(json schema) : root_(std::move(schema)) {}

  std::string check(const json& value) const { return check(value, root_, ""); }

 private:
  using Keyword = std::string (Validator::*)(const json& value, const json& schema, const json& argument,
                                             const std::string& at) const;

  std::string check(const json& value, const json& schema, const std::string& at) const {
    static const std::map<std::string, Keyword> keywords{
        {"$ref", &Validator::ref},
        {"oneOf", &Validator::one_of},
        {"type", &Validator::type},
        {"properties", &Validator::properties},
        {"required", &Validator::required},
        {"additionalProperties", &Validator::additional_properties},
        {"items", &Validator::items},
        {"minItems", &Validator::min_items},
        {"maxItems", &Validator::max_items},
        {"uniqueItems", &Validator::unique_items},
        {"enum", &Validator::enumeration},
        {"const", &Validator::constant},
        {"pattern", &Validator::pattern},
        {"minLength", &Validator::min_length},
        {"maxLength", &Validator::max_length},
        {"minimum", &Validator::minimum},
        {"maximum", &Validator::maximum},
        {"not", &Validator::negation},
        {"anyOf", &Validator::any_of},
        {"allOf", &Validator::all_of},
        {"minProperties", &Validator::min_properties},
        {"if", &Validator::condition},
        {"dependentRequired", &Validator::dependent_required},
    };
    if (schema.is_boolean()) return verdict(schema.get<bool>(), at, "false");
    for (const auto& item : schema.items()) {
      const std::string& name = item.key();
      const json& argument = item.value();
      if (name == "then" || name == "else") continue;  // belong to "if"
      if (name == "$schema" || name == "$id" || name == "$defs" || name == "title" || name == "description") continue;
      const auto keyword = keywords.find(name);
      REQUIRE_MESSAGE(keyword != keywords.end(), "unknown schema keyword " << name);
      const std::string violation = (this->*keyword->second)(value, schema, argument, at);
      if (!violation.empty()) return violation;
    }
    return {};
  }

  static std::string verdict(bool ok, const std::string& at, const char* keyword) {
    return ok ? std::string() : at + ": " + keyword;
  }

  std::string ref(const json& value, const json&, const json& argument, const std::string& at) const {
    const json::json_pointer pointer(argument.get<std::string>().substr(1));
    return check(value, root_.at(pointer), at);
  }
  std::size_t count_matches(const json& value, const json& schemas, const std::string& at) const {
    return static_cast<std::size_t>(std::count_if(
        schemas.begin(), schemas.end(), [&](const json& schema) { return check(value, schema, at).empty(); }));
  }
  std::string one_of(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(count_matches(value, argument, at) == 1, at, "oneOf");
  }
  std::string any_of(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(count_matches(value, argument, at) >= 1, at, "anyOf");
  }
  std::string all_of(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(count_matches(value, argument, at) == argument.size(), at, "allOf");
  }
  std::string negation(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!check(value, argument, at).empty(), at, "not");
  }
  std::string condition(const json& value, const json& schema, const json& argument, const std::string& at) const {
    const char* const branch = check(value, argument, at).empty() ? "then" : "else";
    return schema.contains(branch) ? check(value, schema.at(branch), at) : std::string();
  }
  std::string type(const json& value, const json&, const json& argument, const std::string& at) const {
    const std::string name = argument;
    const bool ok = name == "integer" ? value.is_number_integer() : value.type_name() == name;
    return verdict(ok, at, "type");
  }
  std::string properties(const json& value, const json&, const json& argument, const std::string& at) const {
    if (!value.is_object()) return {};
    for (const auto& [name, schema] : argument.items()) {
      if (!value.contains(name)) continue;
      const std::string violation = check(value.at(name), schema, at + "/" + name);
      if (!violation.empty()) return violation;
    }
    return {};
  }
  std::string required(const json& value, const json&, const json& argument, const std::string& at) const {
    const auto has = [&](const json& name) { return value.contains(name.get<std::string>()); };
    return verdict(!value.is_object() || std::all_of(argument.begin(), argument.end(), has), at, "required");
  }
  std::string dependent_required(const json& value, const json&, const json& argument, const std::string& at) const {
    for (const auto& [name, needed] : argument.items()) {
      if (value.contains(name) && !required(value, {}, needed, at).empty()) return at + ": dependentRequired";
    }
    return {};
  }
  std::string additional_properties(const json& value, const json& schema, const json& argument,
                                    const std::string& at) const {
    REQUIRE_MESSAGE(argument == json(false), "additionalProperties is expected to be false");
    if (!value.is_object()) return {};
    for (const auto& [name, member] : value.items())
      if (!schema.at("properties").contains(name)) return at + "/" + name + ": additionalProperties";
    return {};
  }
  std::string items(const json& value, const json&, const json& argument, const std::string& at) const {
    if (!value.is_array()) return {};
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string violation = check(value[i], argument, at + "/" + std::to_string(i));
      if (!violation.empty()) return violation;
    }
    return {};
  }
  std::string min_items(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_array() || value.size() >= argument.get<std::size_t>(), at, "minItems");
  }
  std::string max_items(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_array() || value.size() <= argument.get<std::size_t>(), at, "maxItems");
  }
  std::string min_properties(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_object() || value.size() >= argument.get<std::size_t>(), at, "minProperties");
  }
  std::string unique_items(const json& value, const json&, const json&, const std::string& at) const {
    if (!value.is_array()) return {};
    std::vector<json> sorted(value.begin(), value.end());
    std::sort(sorted.begin(), sorted.end());
    return verdict(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(), at, "uniqueItems");
  }
  std::string enumeration(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(std::find(argument.begin(), argument.end(), value) != argument.end(), at, "enum");
  }
  std::string constant(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(value == argument, at, "const");
  }
  std::string pattern(const json& value, const json&, const json& argument, const std::string& at) const {
    if (!value.is_string()) return {};
    const std::regex expression(argument.get<std::string>());
    return verdict(std::regex_search(value.get<std::string>(), expression), at, "pattern");
  }
  std::string min_length(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_string() || value.get<std::string>().size() >= argument.get<std::size_t>(), at,
                   "minLength");
  }
  std::string max_length(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_string() || value.get<std::string>().size() <= argument.get<std::size_t>(), at,
                   "maxLength");
  }
  std::string minimum(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_number() || value.get<std::int64_t>() >= argument.get<std::int64_t>(), at, "minimum");
  }
  std::string maximum(const json& value, const json&, const json& argument, const std::string& at) const {
    return verdict(!value.is_number() || value.get<std::int64_t>() <= argument.get<std::int64_t>(), at, "maximum");
  }

  json root_;
};

}  // namespace

std::string find_schema_violation(const std::string& message) {
  static const Validator validator(json::parse(read_file(source_file("spec/keygen2.schema.json"))));
  return validator.check(json::parse(message));
}

}  // namespace sks::test
