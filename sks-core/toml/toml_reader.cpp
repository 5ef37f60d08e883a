#include "sks-core/toml/toml_reader.h"

#include "sks-core/toml/toml_guard.h"

namespace sks {

Result<toml::table, TomlFailure> read_toml(std::string_view text) {
  if (const auto line = misplaced_character_line(text)) return TomlFailure{*line, std::string(kMisplacedCharacter)};
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) return TomlFailure{parsed.error().source().begin.line, std::string(parsed.error().description())};
  return std::move(parsed).table();
}

}  // namespace sks
