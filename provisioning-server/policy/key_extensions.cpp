#include "provisioning-server/policy/key_extensions.h"

#include "keygen2/enumerations.h"
#include "keygen2/issued_credential.h"
#include "provisioning-server/policy/profile_files.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr const char* kApplicationLogotype = "https://webpki.github.io/keygen2/logotype#application";
constexpr std::size_t kMaxExtensions = 20;  // of one key

std::uint8_t kind_of(std::string_view name) {
  std::uint8_t kind = 0;
  while (keygen2::kExtensionKinds.at(kind) != name) ++kind;
  return kind;
}

KeyExtension read_logotype(TomlTable& table, ProfileFiles& files) {
  KeyExtension logotype;
  logotype.kind = kind_of("logotypes");
  logotype.type = table.text_or("type", kApplicationLogotype);
  logotype.media_type = table.text("media_type");
  logotype.content = files.read(table, "file");
  return logotype;
}

KeyExtension read_property_bag(TomlTable& table) {
  KeyExtension bag;
  bag.kind = kind_of("propertyBags");
  bag.type = table.text("type");
  for (TomlTable& row : table.tables("property")) {
    KeyExtension::Property property;
    property.name = row.text("name");
    Result<TextTemplate> value = TextTemplate::parse(row.text("value"));
    if (!value) row.refuse("value", "value: " + value.error().detail);
    if (value) property.value = std::move(value).value();
    property.writable = row.boolean_or("writable", false);
    bag.properties.push_back(std::move(property));
  }
  return bag;
}

KeyExtension read_extension(TomlTable& table, ProfileFiles& files) {
  KeyExtension extension;
  extension.kind = kind_of(table.boolean_or("encrypted", false) ? "encryptedExtensions" : "extensions");
  extension.type = table.text("type");
  const int ways = int{table.has("text")} + int{table.has("hex")} + int{table.has("file")};
  if (ways != 1) table.refuse("", "an extension has its content in exactly one of text, hex and file");
  if (table.has("text")) extension.content = to_bytes(as_bytes(table.text("text")));
  if (table.has("file")) extension.content = files.read(table, "file");
  if (table.has("hex")) {
    const Result<Bytes> bytes = from_hex(table.text("hex"));
    if (!bytes) table.refuse("hex", "hex must be bytes in hexadecimal");
    if (bytes) extension.content = *bytes;
  }
  return extension;
}

keygen2::Extension as_message(const KeyExtension& extension) {
  std::vector<keygen2::Property> properties;
  for (const KeyExtension::Property& property : extension.properties)
    properties.push_back({property.name, property.value.source(), property.writable});
  return {extension.kind, extension.type, extension.media_type, extension.content, std::move(properties), {}};
}

}  // namespace

std::vector<KeyExtension> read_key_extensions(TomlTable& key, ProfileFiles& files) {
  constexpr std::size_t kMaxContent = 65535;  // Spec: keygen2.md Appendix B
  std::vector<KeyExtension> extensions;
  std::vector<keygen2::Extension> messages;
  const auto add = [&](TomlTable& table, KeyExtension extension) {
    if (extension.kind != kind_of("propertyBags") &&
        (extension.content.empty() || extension.content.size() > kMaxContent))
      table.refuse("", "what a key gets has 1 to 65535 bytes");
    if (extensions.size() == kMaxExtensions)
      table.refuse("", "a key gets at most 20 logotypes, property bags and extensions");
    messages.push_back(as_message(extension));
    // The rules of the protocol; here they have a line.
    if (const auto sound = keygen2::check_extensions(messages); !sound) table.refuse("", sound.error().detail);
    extensions.push_back(std::move(extension));
  };
  for (TomlTable& table : key.tables("extension")) add(table, read_extension(table, files));
  for (TomlTable& table : key.tables("property_bag")) add(table, read_property_bag(table));
  for (TomlTable& table : key.tables("logotype")) add(table, read_logotype(table, files));
  return extensions;
}

bool is_encrypted(const KeyExtension& extension) { return extension.kind == kind_of("encryptedExtensions"); }

Result<std::vector<keygen2::ExtensionSpec>> make_key_extensions(const std::vector<KeyExtension>& extensions,
                                                                const SubjectData& data) {
  std::vector<keygen2::ExtensionSpec> specs;
  for (const KeyExtension& extension : extensions) {
    keygen2::ExtensionSpec spec;
    spec.kind = extension.kind;
    spec.type = extension.type;
    spec.mime_type = extension.media_type;
    spec.content = SecureBytes::copy_of(extension.content);
    for (const KeyExtension::Property& property : extension.properties) {
      SKS_LET(std::optional<std::string> value, property.value.fill(data));
      if (value) spec.properties.push_back({property.name, std::move(*value), property.writable});
    }
    const bool is_left_out = !extension.properties.empty() && spec.properties.empty();
    if (!is_left_out) specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace sks::issuer
