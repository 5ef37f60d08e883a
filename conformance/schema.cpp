#include "conformance/schema.h"

#include <algorithm>
#include <map>
#include <regex>

#include "conformance/schema_text.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

using Violation = std::optional<SchemaViolation>;

/// std::regex recurses for each character. The texts that may be longer are all base64url.
constexpr std::size_t kMaxMatched = 1024;
/// The end of the patterns that stand for base64url, and what some of them have in front: no leading zero byte.
constexpr std::string_view kBase64Url = "([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$";
constexpr std::string_view kNoLeadingZero = "(?!A[A-P])";

/// The schema, with its patterns compiled once: that takes longer than matching.
struct Schema {
  Json root;
  std::map<std::string, std::regex> expressions;
};

/// Knows exactly the keywords that the schema uses.
class Validator {
 public:
  Validator(Schema& schema, const std::vector<std::string>& announced) : schema_(schema), announced_(announced) {}

  Violation check_message(const Json& message) const {
    if (!message.is_object()) return SchemaViolation{"", "is not an object"};
    const Json qualifier = message.value("@qualifier", Json());
    if (!qualifier.is_string()) return SchemaViolation{"/@qualifier", "is missing or no text"};
    for (const Json& alternative : schema_.root.at("oneOf"))
      if (alternative.at("$ref") == "#/$defs/" + qualifier.get<std::string>()) return check(message, alternative, "");
    return SchemaViolation{"/@qualifier", "names no message of KeyGen2"};
  }

 private:
  using Keyword = Violation (Validator::*)(const Json& value, const Json& schema, const Json& argument,
                                           const std::string& at) const;

  static const std::map<std::string, Keyword>& keywords() {
    static const std::map<std::string, Keyword> kKeywords{
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
        {"x-capability", &Validator::capability},
    };
    return kKeywords;
  }

  Violation check(const Json& value, const Json& schema, const std::string& at) const {
    if (schema.is_boolean()) return verdict(schema.get<bool>(), at, "is not allowed here");
    for (const auto& item : schema.items()) {
      const std::string& name = item.key();
      if (name == "then" || name == "else") continue;  // belong to "if"
      if (name == "$schema" || name == "$id" || name == "$defs" || name == "title" || name == "description") continue;
      const auto keyword = keywords().find(name);
      SKS_CHECK(keyword != keywords().end());
      if (Violation found = (this->*keyword->second)(value, schema, item.value(), at)) return found;
    }
    return std::nullopt;
  }

  static Violation verdict(bool ok, const std::string& at, std::string sentence) {
    return ok ? Violation() : SchemaViolation{at, std::move(sentence)};
  }

  /// The schema's own mark of what belongs to an extension.
  Violation capability(const Json&, const Json&, const Json& argument, const std::string& at) const {
    return verdict(std::ranges::find(announced_, argument.get<std::string>()) != announced_.end(), at,
                   "is a property of an extension that the client has not announced: " + argument.get<std::string>());
  }
  Violation ref(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    const Json::json_pointer pointer(argument.get<std::string>().substr(1));
    return check(value, schema_.root.at(pointer), at);
  }
  /// How many alternatives hold; of the others, the violation that was met furthest inside.
  std::size_t count_matches(const Json& value, const Json& schemas, const std::string& at, Violation& furthest) const {
    std::size_t matches = 0;
    for (const Json& schema : schemas) {
      const Violation found = check(value, schema, at);
      matches += found ? 0U : 1U;
      if (found && (!furthest || found->path.size() > furthest->path.size())) furthest = found;
    }
    return matches;
  }
  Violation one_of(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    Violation furthest;
    const std::size_t matches = count_matches(value, argument, at, furthest);
    return matches == 0 ? furthest : verdict(matches == 1, at, "is more than one of several exclusive forms");
  }
  Violation any_of(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    Violation furthest;
    return count_matches(value, argument, at, furthest) == 0 ? furthest : std::nullopt;
  }
  Violation all_of(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    Violation furthest;
    return count_matches(value, argument, at, furthest) == argument.size() ? std::nullopt : furthest;
  }
  Violation negation(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(check(value, argument, at).has_value(), at, "is a form that is not allowed: " + argument.dump());
  }
  Violation condition(const Json& value, const Json& schema, const Json& argument, const std::string& at) const {
    const char* const branch = check(value, argument, at) ? "else" : "then";
    return schema.contains(branch) ? check(value, schema.at(branch), at) : std::nullopt;
  }
  Violation type(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    const std::string name = argument;
    const bool ok = name == "integer" ? value.is_number_integer() : value.type_name() == name;
    return verdict(ok, at, "is not of type " + name);
  }
  Violation properties(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    if (!value.is_object()) return std::nullopt;
    for (const auto& [name, schema] : argument.items()) {
      if (!value.contains(name)) continue;
      if (Violation found = check(value.at(name), schema, at + "/" + name)) return found;
    }
    return std::nullopt;
  }
  Violation required(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    if (!value.is_object()) return std::nullopt;
    for (const Json& name : argument)
      if (!value.contains(name.get<std::string>()))
        return SchemaViolation{at + "/" + name.get<std::string>(), "is missing"};
    return std::nullopt;
  }
  Violation dependent_required(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    for (const auto& [name, needed] : argument.items()) {
      if (!value.contains(name)) continue;
      if (Violation found = required(value, {}, needed, at)) return found;
    }
    return std::nullopt;
  }
  Violation additional_properties(const Json& value, const Json& schema, const Json& argument,
                                  const std::string& at) const {
    SKS_CHECK(argument == Json(false));
    if (!value.is_object()) return std::nullopt;
    for (const auto& [name, member] : value.items())
      if (!schema.at("properties").contains(name))
        return SchemaViolation{at + "/" + name, "is no property of this object"};
    return std::nullopt;
  }
  Violation items(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    if (!value.is_array()) return std::nullopt;
    for (std::size_t i = 0; i < value.size(); ++i)
      if (Violation found = check(value[i], argument, at + "/" + std::to_string(i))) return found;
    return std::nullopt;
  }
  Violation min_items(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_array() || value.size() >= argument.get<std::size_t>(), at, "has too few elements");
  }
  Violation max_items(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_array() || value.size() <= argument.get<std::size_t>(), at, "has too many elements");
  }
  Violation min_properties(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_object() || value.size() >= argument.get<std::size_t>(), at, "has too few properties");
  }
  Violation unique_items(const Json& value, const Json&, const Json&, const std::string& at) const {
    if (!value.is_array()) return std::nullopt;
    std::vector<Json> sorted(value.begin(), value.end());
    std::ranges::sort(sorted);
    return verdict(std::ranges::adjacent_find(sorted) == sorted.end(), at, "holds an element twice");
  }
  Violation enumeration(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(std::ranges::find(argument, value) != argument.end(), at, "is none of " + argument.dump());
  }
  Violation constant(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(value == argument, at, "is not " + argument.dump());
  }
  Violation pattern(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    if (!value.is_string()) return std::nullopt;
    const auto& text = value.get_ref<const std::string&>();
    const auto& expression = argument.get_ref<const std::string&>();
    return verdict(matches(text, expression), at, "does not match " + expression);
  }
  bool matches(const std::string& text, const std::string& expression) const {
    if (expression == '^' + std::string(kBase64Url)) return static_cast<bool>(from_base64url(text));
    if (expression == '^' + std::string(kNoLeadingZero) + std::string(kBase64Url)) {
      const Result<Bytes> decoded = from_base64url(text);
      return decoded && (decoded->empty() || decoded->front() != 0);
    }
    if (text.size() > kMaxMatched) return false;
    auto compiled = schema_.expressions.find(expression);
    if (compiled == schema_.expressions.end()) compiled = schema_.expressions.emplace(expression, expression).first;
    return std::regex_search(text, compiled->second);
  }
  /// Lengths are those of characters, not of bytes.
  static std::size_t length(const Json& text) { return count_code_points(text.get_ref<const std::string&>()); }
  Violation min_length(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_string() || length(value) >= argument.get<std::size_t>(), at, "is too short");
  }
  Violation max_length(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_string() || length(value) <= argument.get<std::size_t>(), at, "is too long");
  }
  Violation minimum(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_number_integer() || value >= argument, at, "is below " + argument.dump());
  }
  Violation maximum(const Json& value, const Json&, const Json& argument, const std::string& at) const {
    return verdict(!value.is_number_integer() || value <= argument, at, "is above " + argument.dump());
  }

  Schema& schema_;
  const std::vector<std::string>& announced_;
};

}  // namespace

std::optional<SchemaViolation> find_schema_violation(const Json& message, const std::vector<std::string>& announced) {
  static Schema schema{Json::parse(kKeyGen2Schema), {}};
  return Validator(schema, announced).check_message(message);
}

}  // namespace sks::conformance
