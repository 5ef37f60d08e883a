#include "provisioning-server/policy/text_template.h"

namespace sks::issuer {

Result<TextTemplate> TextTemplate::parse(std::string_view text) {
  TextTemplate made;
  made.source_ = text;
  Part part;
  while (!text.empty()) {
    const char c = text.front();
    const bool doubled = text.size() > 1 && text[1] == c;
    if ((c != '{' && c != '}') || doubled) {
      part.literal += c;
      text.remove_prefix(c == '{' || c == '}' ? 2 : 1);
      continue;
    }
    const std::size_t end = text.find('}');
    if (c == '}' || end == std::string_view::npos)
      return Error{Status::option, "a brace stands alone; {{ and }} are braces, {name} is a placeholder"};
    std::string_view name = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (name.ends_with('?')) {
      part.may_be_missing = true;
      name.remove_suffix(1);
    }
    if (!is_data_name(name))
      return Error{Status::option, "the placeholder {" + std::string(name) +
                                       "} has a name of other characters than "
                                       "letters, digits, '-', '_' and '.'"};
    part.name = name;
    made.parts_.push_back(std::move(part));
    part = {};
  }
  if (!part.literal.empty()) made.parts_.push_back(std::move(part));
  return made;
}

void TextTemplate::add_placeholders(std::map<std::string, bool>& names) const {
  for (const Part& part : parts_)
    if (!part.name.empty()) names[part.name] |= !part.may_be_missing;
}

Result<std::optional<std::string>> TextTemplate::fill(const SubjectData& data) const {
  std::string text;
  for (const Part& part : parts_) {
    text += part.literal;
    if (part.name.empty()) continue;
    const auto value = data.find(part.name);
    if (value != data.end()) {
      text += value->second;
    } else if (part.may_be_missing) {
      return std::optional<std::string>();
    } else {
      return Error{Status::option, "\"" + part.name + "\" is not known of the subject"};
    }
  }
  return std::optional(std::move(text));
}

}  // namespace sks::issuer
