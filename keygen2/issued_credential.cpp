#include "keygen2/issued_credential.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"
#include "keygen2/message_common.h"
#include "sks-core/base/byte_reader.h"

namespace sks::keygen2 {
namespace {

// IV, and whole blocks with their padding: keygen2.md 7.5.
constexpr Range kEncryptedSymmetricKeySize{32, 160};
constexpr Range kEncryptedPrivateKeySize{32, 16416};
constexpr Range kEncryptedExtensionSize{32, kMaxMessageToClient};
constexpr Range kExtensionSize{0, kMaxMessageToClient};
constexpr std::size_t kMaxMimeType = 128;         // bytes
constexpr std::size_t kMaxPropertyName = 255;     // bytes
constexpr std::size_t kMaxPropertyValue = 65535;  // bytes

void write_imported_key(JsonWriter& out, std::string_view name, const std::optional<ImportedKey>& key) {
  if (!key) return;
  out.object(name,
             [&](JsonWriter& members) { members.bytes("encryptedKey", key->encrypted_key).bytes("mac", key->mac); });
}

std::optional<ImportedKey> read_imported_key(JsonReader& in, std::string_view name, Range size) {
  if (!in.has(name)) return std::nullopt;
  JsonReader key = in.object(name);
  return ImportedKey{key.bytes("encryptedKey", size), key.bytes("mac", kMacSize)};
}

void write_property(JsonWriter& out, const Property& property) {
  out.text("name", property.name).text("value", property.value);
  if (property.writable) out.boolean("writable", true);
}

void write_extension(JsonWriter& out, const Extension& extension) {
  out.text("type", extension.type);
  if (extension.sub_type == kLogotype) out.text("mimeType", extension.mime_type);
  if (extension.sub_type == kPropertyBag)
    out.objects("properties", extension.properties, write_property);
  else
    out.bytes("extensionData", extension.data);
  out.bytes("mac", extension.mac);
}

std::vector<Property> read_properties(JsonReader& in) {
  std::vector<Property> properties;
  for (JsonReader& element : in.objects("properties"))
    properties.push_back({element.text("name"), element.text("value"), element.optional_boolean("writable", false)});
  return properties;
}

Outcome<void> check_properties(const std::vector<Property>& properties) {
  std::vector<std::string> names;
  for (const Property& property : properties) {
    if (!is_utf8(property.name) || !is_utf8(property.value)) return Failure{ErrorClass::value, "a property is no text"};
    if (property.name.empty() || property.name.size() > kMaxPropertyName)
      return Failure{ErrorClass::value, "the name of a property is not 1 to 255 bytes"};
    if (property.value.size() > kMaxPropertyValue)
      return Failure{ErrorClass::value, "the value of a property is longer than 65535 bytes"};
    names.push_back(property.name);
  }
  if (names.empty()) return Failure{ErrorClass::value, "a property bag is empty"};
  if (has_duplicates(std::move(names)))
    return Failure{ErrorClass::value, "a property bag has two properties of one name"};
  return {};
}

Outcome<void> check_extension(const Extension& extension) {
  if (extension.sub_type >= kExtensionKinds.size()) return Failure{ErrorClass::value, "an extension of no known kind"};
  if (!is_uri(extension.type)) return Failure{ErrorClass::value, "the type of an extension is no URI"};
  const std::size_t mime_type = extension.mime_type.size();
  const bool is_logotype = extension.sub_type == kLogotype;
  if (!is_utf8(extension.mime_type)) return Failure{ErrorClass::value, "a mimeType is no text"};
  if (is_logotype ? mime_type == 0 || mime_type > kMaxMimeType : mime_type != 0)
    return Failure{ErrorClass::value, "the mimeType of a logotype, and of nothing else, is 1 to 128 bytes"};
  if (extension.sub_type == kPropertyBag) return check_properties(extension.properties);
  return {};
}

Extension read_extension(JsonReader& in, std::uint8_t sub_type) {
  Extension extension;
  extension.sub_type = sub_type;
  extension.type = in.uri("type");
  if (sub_type == kLogotype) extension.mime_type = in.text("mimeType");
  if (sub_type == kPropertyBag)
    extension.properties = read_properties(in);
  else
    extension.data =
        in.bytes("extensionData", sub_type == kEncryptedExtension ? kEncryptedExtensionSize : kExtensionSize);
  extension.mac = in.bytes("mac", kMacSize);
  return extension;
}

void write_extensions(JsonWriter& out, const std::vector<Extension>& extensions) {
  for (std::size_t kind = 0; kind < kExtensionKinds.size(); ++kind) {
    std::vector<Extension> of_kind;
    std::ranges::copy_if(extensions, std::back_inserter(of_kind),
                         [&](const Extension& extension) { return extension.sub_type == kind; });
    if (!of_kind.empty()) out.objects(kExtensionKinds.at(kind), of_kind, write_extension);
  }
}

std::vector<Extension> read_extensions(JsonReader& in) {
  std::vector<Extension> extensions;
  for (std::size_t kind = 0; kind < kExtensionKinds.size(); ++kind)
    for (JsonReader& element : in.optional_objects(kExtensionKinds.at(kind)))
      extensions.push_back(read_extension(element, static_cast<std::uint8_t>(kind)));
  if (auto checked = check_extensions(extensions); !checked)
    in.fail(checked.error().error_class, std::move(checked.error().detail));
  return extensions;
}

void write_optional_target(JsonWriter& out, std::string_view name, const std::optional<TargetKeyReference>& target) {
  if (target) out.object(name, [&](JsonWriter& members) { write_target(members, *target); });
}

std::optional<TargetKeyReference> read_optional_target(JsonReader& in, std::string_view name) {
  if (!in.has(name)) return std::nullopt;
  JsonReader target = in.object(name);
  return read_target(target);
}

void check_choice(JsonReader& in, std::string_view one, std::string_view other) {
  if (in.has(one) && in.has(other)) in.fail(ErrorClass::json, std::string(one) + " excludes " + std::string(other));
}

}  // namespace

Outcome<void> check_extensions(const std::vector<Extension>& extensions) {
  std::vector<std::string> types;
  for (const Extension& extension : extensions) {
    SKS_TRY(check_extension(extension));
    types.push_back(extension.type);
  }
  if (has_duplicates(std::move(types)))
    return Failure{ErrorClass::value, "a credential has two extensions of one type"};
  return {};
}

void write_target(JsonWriter& out, const TargetKeyReference& target) {
  out.bytes("fingerPrint", target.finger_print)
      .text("serverSessionId", target.owner.server)
      .text("clientSessionId", target.owner.client)
      .bytes("authorization", target.authorization)
      .bytes("mac", target.mac);
}

TargetKeyReference read_target(JsonReader& in) {
  TargetKeyReference target;
  target.finger_print = in.bytes("fingerPrint", kFingerPrintSize);
  target.owner = read_ids(in);
  target.authorization = in.bytes("authorization", kSignatureSize);
  target.mac = in.bytes("mac", kMacSize);
  return target;
}

void write_credential(JsonWriter& out, const IssuedCredential& credential) {
  out.text("id", credential.id);
  write_certificate_path(out, credential.certificate_path);
  out.bytes("mac", credential.mac);
  if (credential.trust_anchor) out.boolean("trustAnchor", true);
  write_imported_key(out, "importSymmetricKey", credential.symmetric_key);
  write_imported_key(out, "importPrivateKey", credential.private_key);
  write_extensions(out, credential.extensions);
  write_optional_target(out, "cloneKeyProtection", credential.clone_key);
  write_optional_target(out, "updateKey", credential.update_key);
  if (credential.deactivated_mac)
    out.object("deactivated", [&](JsonWriter& members) { members.bytes("mac", *credential.deactivated_mac); });
}

IssuedCredential read_credential(JsonReader& in) {
  IssuedCredential credential;
  credential.id = in.id("id");
  credential.certificate_path = read_certificate_path(in);
  credential.mac = in.bytes("mac", kMacSize);
  credential.trust_anchor = in.optional_boolean("trustAnchor", false);
  check_choice(in, "importSymmetricKey", "importPrivateKey");
  credential.symmetric_key = read_imported_key(in, "importSymmetricKey", kEncryptedSymmetricKeySize);
  credential.private_key = read_imported_key(in, "importPrivateKey", kEncryptedPrivateKeySize);
  credential.extensions = read_extensions(in);
  check_choice(in, "cloneKeyProtection", "updateKey");
  credential.clone_key = read_optional_target(in, "cloneKeyProtection");
  credential.update_key = read_optional_target(in, "updateKey");
  if (in.has("deactivated")) credential.deactivated_mac = in.object("deactivated").bytes("mac", kMacSize);
  return credential;
}

}  // namespace sks::keygen2
