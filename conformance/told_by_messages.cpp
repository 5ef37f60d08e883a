#include <algorithm>
#include <array>

#include "conformance/session.h"
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
constexpr auto kOperations = std::to_array<Member>({
    {"unlockKeys", &format::kPostUnlockKey},
    {"deleteKeys", &format::kPostDeleteKey},
});

/// Follows the messages of a session in the order in which their MACs are made. Spec: keygen2.md 4.8, 4.12 and 7.6.
class MessageWalk {
 public:
  MessageWalk(const Recording& recording, Findings& findings)
      : secrets_(secrets(recording, findings)),
        request_(message(recording, "KeyCreationRequest", findings)),
        response_(message(recording, "KeyCreationResponse", findings)),
        finalization_(message(recording, "ProvisioningFinalizationRequest", findings)),
        closed_(message(recording, "ProvisioningFinalizationResponse", findings)) {}

  std::vector<Told> run() {
    if (request_.exists()) walk_creation();
    for (const Node& credential : finalization_["issuedCredentials"].optional_elements()) on_credential(credential);
    for (const Member& operation : kOperations)
      for (const Node& target : finalization_[operation.name].optional_elements()) {
        Values values;
        values.bytes("authorization", target["authorization"], target["authorization"].base64url());
        add(*operation.format, values, target["mac"]);
      }
    on_close();
    return std::move(told_);
  }

 private:
  void add(const Format& format, const Values& values, const Node& mac) {
    told_.push_back({&format, encode(format, values), plain("mac", mac.base64url(), mac.place())});
  }

  void walk_creation() {
    if (response_.exists()) generated_ = response_["generatedKeys"].elements();
    for (const Node& puk : request_["pukPolicySpecifiers"].optional_elements()) {
      on_puk_policy(puk);
      for (const Node& pin : puk["pinPolicySpecifiers"].elements()) on_pin_policy(pin, &puk);
    }
    for (const Node& pin : request_["pinPolicySpecifiers"].optional_elements()) on_pin_policy(pin, nullptr);
    for (const Node& key : request_["keyEntrySpecifiers"].optional_elements()) on_key_entry(key, nullptr);
    for (std::size_t i = created_; i < generated_.size(); ++i) generated_[i].fail("is a key that nobody asked for");
  }

  void on_puk_policy(const Node& puk) {
    const Node value = puk["encryptedPuk"];
    Values values;
    values.text("id", puk["id"], puk["id"].text())
        .bytes("encryptedPuk", value, value.base64url())
        .number("format", puk["format"], puk["format"].enumeration(keygen2::kFormats))
        .number("retryLimit", puk["retryLimit"], puk["retryLimit"].number());
    add(format::kCreatePukPolicy, values, puk["mac"]);
  }

  void on_pin_policy(const Node& pin, const Node* puk) {
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
    for (const Node& key : keys) on_key_entry(key, &pin);
  }

  void on_key_entry(const Node& key, const Node* pin) {
    using keygen2::kProtectionNone;
    const auto protection = [&](Values& values, const char* name, std::span<const std::string_view> names,
                                std::uint8_t absent) {
      values.number(name, key[name], key[name].optional_enumeration(names, absent));
    };
    const Node algorithm = request_["keyEntryAlgorithm"];
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
    on_generated_key(key);
  }

  void on_generated_key(const Node& asked) {
    if (created_ >= generated_.size()) {
      asked["id"].fail("names a key that the response does not hold");
      return;
    }
    const Node& key = generated_[created_++];
    if (key["id"].text() != asked["id"].text())
      key["id"].fail("is not \"" + asked["id"].text() + "\", the key whose turn it is");
    Values values;
    values.bytes("publicKey", key["publicKey"], key["publicKey"].public_key())
        .bytes("mac", asked["mac"], asked["mac"].base64url());
    add(format::kKeyAttestation, values, key["attestation"]);
  }

  void on_credential(const Node& credential) {
    const std::string id = credential["id"].text();
    const std::vector<Node> path = credential["certificatePath"].elements();
    const auto key = std::ranges::find_if(generated_, [&](const Node& node) { return node["id"].text() == id; });
    if (key == generated_.end() || path.empty()) {
      credential["id"].fail("is no key of this session with a certificate");
      return;
    }
    Values values;
    values.bytes("publicKey", (*key)["publicKey"], (*key)["publicKey"].public_key()).text("id", credential["id"], id);
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

  void on_close() {
    const Node close = finalization_["sessionCloseData"];
    const Node client = closed_["clientSessionId"];
    const Node server = closed_["serverSessionId"];
    Values values;
    values.text("clientSessionId", client, client.text())
        .text("serverSessionId", server, server.text())
        .text("issuerUri", secrets_["issuerUri"], secrets_["issuerUri"].text())
        .bytes("nonce", close["nonce"], close["nonce"].base64url());
    add(format::kCloseProvisioningSession, values, close["mac"]);
    Values attested;
    attested.bytes("nonce", close["nonce"], close["nonce"].base64url());
    add(format::kCloseAttestation, attested, closed_["attestation"]);
  }

  Node secrets_;
  Node request_;
  Node response_;
  Node finalization_;
  Node closed_;
  std::vector<Node> generated_;
  std::size_t created_ = 0;
  std::vector<Told> told_;
};

}  // namespace

std::vector<Told> told_by_messages(const Recording& recording, Findings& findings) {
  return MessageWalk(recording, findings).run();
}

}  // namespace sks::conformance
