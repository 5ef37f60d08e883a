#include "conformance/message_walk.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"
#include "sks-core/base/byte_writer.h"

namespace sks::conformance {
namespace {

struct ExtensionKind {
  const char* member;
  std::uint32_t sub_type;
  const char* qualifier;  ///< the member that it is taken from; null: it is empty
  bool properties;        ///< the data is a list of properties instead
};
/// In the order of keygen2.md 4.12.
constexpr auto kExtensionKinds = std::to_array<ExtensionKind>({
    {"extensions", 0, nullptr, false},
    {"encryptedExtensions", 1, nullptr, false},
    {"propertyBags", 2, nullptr, true},
    {"logotypes", 3, "mimeType", false},
});

struct Member {
  const char* name;
  const Format* format;
};
constexpr auto kImports = std::to_array<Member>({
    {"importSymmetricKey", &format::kImportSymmetricKey},
    {"importPrivateKey", &format::kImportPrivateKey},
});
constexpr auto kReplacements = std::to_array<Member>({
    {"cloneKeyProtection", &format::kPostCloneKeyProtection},
    {"updateKey", &format::kPostUpdateKey},
});
/// The last two are those of sks-extensions.md.
constexpr auto kOperations = std::to_array<Member>({
    {"unlockKeys", &format::kPostUnlockKey},
    {"deleteKeys", &format::kPostDeleteKey},
    {"activateKeys", &format::kActivate},
    {"deactivateKeys", &format::kDeactivate},
});

class Walk {
 public:
  explicit Walk(ElementVisitor& visitor) : visitor_(visitor) {}

  void on_creation(const Node& request) {
    const Node algorithm = request["keyEntryAlgorithm"];
    for (const Node& puk : request["pukPolicySpecifiers"].optional_elements()) {
      on_puk_policy(puk);
      for (const Node& pin : puk["pinPolicySpecifiers"].elements()) on_pin_policy(algorithm, pin, &puk);
    }
    for (const Node& pin : request["pinPolicySpecifiers"].optional_elements()) on_pin_policy(algorithm, pin, nullptr);
    for (const Node& key : request["keyEntrySpecifiers"].optional_elements()) on_key_entry(algorithm, key, nullptr);
  }

  void on_finalization(const Node& request) {
    for (const Node& credential : request["issuedCredentials"].optional_elements()) on_credential(credential);
    for (const Member& operation : kOperations)
      for (const Node& target : request[operation.name].optional_elements()) {
        Values values;
        values.bytes("authorization", target["authorization"], target["authorization"].base64url());
        add(*operation.format, values, target["mac"]);
      }
  }

 private:
  void add(const Format& format, const Values& values, const Node& mac) { visitor_.on_protected(format, values, mac); }

  void on_puk_policy(const Node& puk) {
    const Node value = puk["encryptedPuk"];
    Values values;
    values.text("id", puk["id"], puk["id"].text())
        .bytes("encryptedPuk", value, value.base64url())
        .number("format", puk["format"], puk["format"].enumeration(keygen2::kFormats))
        .number("retryLimit", puk["retryLimit"], puk["retryLimit"].number());
    add(format::kCreatePukPolicy, values, puk["mac"]);
  }

  void on_pin_policy(const Node& algorithm, const Node& pin, const Node* puk) {
    const std::vector<Node> keys = pin["keyEntrySpecifiers"].elements();
    const bool preset = std::ranges::any_of(keys, [](const Node& key) { return key["encryptedPin"].exists(); });
    std::uint32_t patterns = 0;
    for (const Node& pattern : pin["patternRestrictions"].optional_elements())
      patterns |= 1U << pattern.enumeration(keygen2::kPatternRestrictions);
    Values values;
    values.text("id", pin["id"], pin["id"].text())
        .text("pukPolicyId", puk == nullptr ? pin : (*puk)["id"], puk == nullptr ? "" : (*puk)["id"].text())
        .number("userDefined", pin["keyEntrySpecifiers"], preset ? 0 : 1)
        .number("userModifiable", pin["userModifiable"], pin["userModifiable"].optional_boolean(true) ? 1 : 0)
        .number("format", pin["format"], pin["format"].enumeration(keygen2::kFormats))
        .number("grouping", pin["grouping"],
                pin["grouping"].optional_enumeration(keygen2::kGroupings, keygen2::kGroupingNone))
        .number("patternRestrictions", pin["patternRestrictions"], patterns)
        .number("inputMethod", pin["inputMethod"], pin["inputMethod"].optional_enumeration(keygen2::kInputMethods, 0));
    for (const char* const name : {"retryLimit", "minLength", "maxLength"})
      values.number(name, pin[name], pin[name].number());
    add(format::kCreatePinPolicy, values, pin["mac"]);
    for (const Node& key : keys) on_key_entry(algorithm, key, &pin);
  }

  void on_key_entry(const Node& algorithm, const Node& key, const Node* pin) {
    using keygen2::kProtectionNone;
    const auto protection = [&](Values& values, const char* name, std::span<const std::string_view> names,
                                std::uint8_t absent) {
      values.number(name, key[name], key[name].optional_enumeration(names, absent));
    };
    Values values;
    values.text("id", key["id"], key["id"].text())
        .text("keyEntryAlgorithm", algorithm, algorithm.text())
        .text("pinPolicyId", pin == nullptr ? key : (*pin)["id"], pin == nullptr ? "" : (*pin)["id"].text())
        .text("friendlyName", key["friendlyName"], key["friendlyName"].optional_text())
        .text("keyAlgorithm", key["keyAlgorithm"], key["keyAlgorithm"].text())
        .number("appUsage", key["appUsage"], key["appUsage"].enumeration(keygen2::kAppUsages));
    for (const char* const name : {"serverSeed", "encryptedPin", "keyParameters"})
      values.bytes(name, key[name], key[name].optional_base64url());
    for (const char* const name : {"devicePinProtection", "enablePinCaching"})
      values.number(name, key[name], key[name].optional_boolean(false) ? 1 : 0);
    protection(values, "biometricProtection", keygen2::kBiometricProtections, keygen2::kBiometricNone);
    protection(values, "exportProtection", keygen2::kExportProtections, keygen2::kNonExportable);
    protection(values, "deleteProtection", keygen2::kDeleteProtections, kProtectionNone);
    for (const Node& endorsed : key["endorsedAlgorithms"].optional_elements())
      values.element("endorsedAlgorithms", endorsed, to_bytes(as_bytes(endorsed.text())));
    add(format::kCreateKeyEntry, values, key["mac"]);
    visitor_.on_key(key);
  }

  void on_credential(const Node& credential) {
    const std::vector<Node> path = credential["certificatePath"].elements();
    const std::optional<Node> key = visitor_.find_public_key(credential["id"]);
    if (!key || path.empty()) return;
    Values values;
    values.bytes("publicKey", *key, key->public_key()).text("id", credential["id"], credential["id"].text());
    for (const Node& certificate : path) values.element("certificatePath", certificate, certificate.base64url());
    add(format::kSetCertificatePath, values, credential["mac"]);
    for (const Member& import : kImports)
      if (const Node imported = credential[import.name]; imported.exists())
        on_end_entity(*import.format, path.front(), imported, "encryptedKey");
    for (const ExtensionKind& kind : kExtensionKinds)
      for (const Node& extension : credential[kind.member].optional_elements())
        on_extension(kind, path.front(), extension);
    for (const Member& operation : kReplacements)
      if (const Node target = credential[operation.name]; target.exists())
        on_end_entity(*operation.format, path.front(), target, "authorization");
    if (const Node suspended = credential["deactivated"]; suspended.exists()) {
      Values state;
      state.bytes("endEntityCertificate", path.front(), path.front().base64url()).bytes("authorization", suspended, {});
      add(format::kDeactivateNewKey, state, suspended["mac"]);
    }
  }

  void on_end_entity(const Format& format, const Node& end_entity, const Node& object, const char* member) {
    Values values;
    values.bytes("endEntityCertificate", end_entity, end_entity.base64url())
        .bytes(member, object[member], object[member].base64url());
    add(format, values, object["mac"]);
  }

  void on_extension(const ExtensionKind& kind, const Node& end_entity, const Node& extension) {
    const bool qualified = kind.qualifier != nullptr;
    const Node qualifier = extension[qualified ? kind.qualifier : "type"];
    const Node data = extension[kind.properties ? "properties" : "extensionData"];
    Values values;
    values.bytes("endEntityCertificate", end_entity, end_entity.base64url())
        .text("type", extension["type"], extension["type"].text())
        .number("subType", extension, kind.sub_type)
        .text("qualifier", qualifier, qualified ? qualifier.text() : "")
        .bytes("extensionData", data, kind.properties ? property_bag(data) : data.base64url());
    add(format::kAddExtension, values, extension["mac"]);
  }

  /// Spec: keygen2.md 8.7.
  static Bytes property_bag(const Node& properties) {
    constexpr std::size_t kMaxText = 65535;
    ByteWriter out;
    for (const Node& property : properties.elements()) {
      const std::string name = property["name"].text();
      const std::string value = property["value"].text();
      if (name.size() > kMaxText || value.size() > kMaxText) {
        property.fail("is longer than 65535 bytes");
        continue;
      }
      out.text(name).boolean(property["writable"].optional_boolean(false)).text(value);
    }
    return out.take();
  }

  ElementVisitor& visitor_;
};

}  // namespace

void walk_key_creation(const Node& request, ElementVisitor& visitor) { Walk(visitor).on_creation(request); }

void walk_finalization(const Node& request, ElementVisitor& visitor) { Walk(visitor).on_finalization(request); }

Values close_values(const Node& ids, const Node& issuer_uri, const Node& nonce) {
  Values values;
  for (const char* const name : {"clientSessionId", "serverSessionId"}) values.text(name, ids[name], ids[name].text());
  values.text("issuerUri", issuer_uri, issuer_uri.text()).bytes("nonce", nonce, nonce.base64url());
  return values;
}

}  // namespace sks::conformance
