#include "key-user-api/cli/extension_view.h"

#include <array>
#include <nlohmann/json.hpp>

#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/engine/property_bag.h"

namespace sks::cli {
namespace {

/// Indexed by subType, sks-api.md 5.1.
struct Kind {
  std::string_view name;
  std::string_view text;
};
constexpr auto kKinds = std::to_array<Kind>({
    {"extension", "extension"},
    {"encryptedExtension", "encrypted extension"},
    {"propertyBag", "property bag"},
    {"logotype", "logotype"},
});
constexpr std::uint8_t kPropertyBag = 2;

/// Writes the tokens of a valid JSON text.
class JsonIndenter {
 public:
  /// Whether the whole of it is written; false when it is nested too deep.
  bool write(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string_) {
        out_ += c;
        in_string_ = c != '"';
        if (c == '\\') out_ += text[++i];
      } else if (!write_token(c, text.substr(i + 1))) {
        return false;
      }
    }
    return true;
  }
  std::string take() { return std::move(out_); }

 private:
  static constexpr std::size_t kMaxDepth = 32;

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  void new_line() { out_ += "\n" + std::string(2 * depth_, ' '); }

  bool write_token(char c, std::string_view rest) {
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    const char next = rest.empty() ? '\0' : rest.front();
    const bool opens = c == '{' || c == '[';
    const bool closes = c == '}' || c == ']';
    if (is_space(c)) return true;
    if (opens && ++depth_ > kMaxDepth) return false;
    if (closes) --depth_;
    if (closes && !empty_) new_line();
    out_ += c;
    in_string_ = c == '"';
    empty_ = opens && (next == '}' || next == ']');
    if ((opens && !empty_) || c == ',') new_line();
    if (c == ':') out_ += ' ';
    return true;
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool empty_ = false;  ///< nothing stands between the last bracket and the next one
};

}  // namespace

bool is_plain_text(std::string_view text) {
  if (!is_utf8(text)) return false;
  std::string shown(text);
  std::erase_if(shown, [](char c) { return c == '\n' || c == '\t'; });
  return dialog::printable(shown) == shown;
}

Result<ShownExtension> read_extension(SecureKeyStore& store, KeyHandle key, const std::string& type) {
  SKS_LET(ExtensionContent content, store.get_extension(key, type));
  const Error damaged{Status::internal, "the extension " + type + " of the key store is damaged"};
  if (content.sub_type >= kKinds.size()) return damaged;
  const Kind& kind = kKinds[content.sub_type];
  ShownExtension shown{type, kind.name, kind.text, std::move(content.qualifier), std::move(content.data), {}};
  if (content.sub_type != kPropertyBag) return shown;
  const auto properties = engine::read_property_bag(shown.data.view());
  if (!properties) return damaged;
  for (const engine::Property& property : *properties)
    shown.properties.push_back({to_string(property.name), to_string(property.value), property.writable});
  return shown;
}

nlohmann::ordered_json describe_extension(const ShownExtension& extension) {
  nlohmann::ordered_json out{{"type", extension.type}, {"kind", extension.kind}};
  if (!extension.qualifier.empty()) out["qualifier"] = extension.qualifier;
  out["size"] = extension.data.size();
  if (extension.properties.empty()) return out;
  auto properties = nlohmann::ordered_json::array();
  for (const ShownExtension::Property& property : extension.properties)
    properties.push_back({{"name", property.name}, {"value", property.value}, {"writable", property.writable}});
  out["properties"] = std::move(properties);
  return out;
}

std::vector<TableRow> property_rows(const ShownExtension& extension) {
  std::vector<TableRow> rows{{"PROPERTY", "WRITABLE", "VALUE"}};
  for (const ShownExtension::Property& property : extension.properties)
    rows.push_back({property.name, property.writable ? "yes" : "no", property.value});
  return rows;
}

Result<void> write_content_for_person(const ShownExtension& extension, std::ostream& out) {
  if (!extension.properties.empty()) {
    write_table(property_rows(extension), out);
    return {};
  }
  const std::string text = to_string(extension.data.view());
  if (!is_plain_text(text))
    return Error{Status::option, "the " + std::to_string(text.size()) + " bytes of " + extension.type +
                                     " are not plain text; --out FILE writes them as they are"};
  const std::string indented = indent_json_object(text);
  out << (indented.empty() ? text : indented);
  if (!text.ends_with('\n') || !indented.empty()) out << "\n";
  return {};
}

std::string indent_json_object(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || text[start] != '{' || !nlohmann::json::accept(text)) return {};
  JsonIndenter indenter;
  return indenter.write(text) ? indenter.take() : std::string();
}

}  // namespace sks::cli
