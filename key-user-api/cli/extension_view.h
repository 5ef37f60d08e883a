#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/output.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::cli {

/// An extension of a key as its user sees it.
struct ShownExtension {
  struct Property {
    std::string name;
    std::string value;
    bool writable;
  };

  std::string type;            ///< URI
  std::string_view kind;       ///< as KeyGen2 spells it
  std::string_view kind_text;  ///< for people
  std::string qualifier;       ///< MIME type of a logotype, else empty
  SecureBytes data;
  std::vector<Property> properties;  ///< of a property bag, in its order
};

/// Fails as getExtension, and with internal when what the key store has is no extension.
Result<ShownExtension> read_extension(SecureKeyStore& store, KeyHandle key, const std::string& type);

/// Everything but the content; of a property bag, that too.
nlohmann::ordered_json describe_extension(const ShownExtension& extension);

std::vector<TableRow> property_rows(const ShownExtension& extension);

/// The content for a person: the properties of a bag, a JSON object one member per line, other text as it is. Fails
/// with option when the content is not text, or could control the terminal.
Result<void> write_content_for_person(const ShownExtension& extension, std::ostream& out);

/// Whether a terminal shows it as it is, line feeds and tabs aside.
bool is_plain_text(std::string_view text);

/// The text of a JSON object with one member or element per line; every token stays as it is. None when it is no JSON
/// object, or deeper than anybody would read.
std::string indent_json_object(std::string_view text);

}  // namespace sks::cli
