#include "key-user-api/token/attestation_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "key-user-api/token/der.h"
#include "key-user-api/token/store_walk.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::token {
namespace {

/// One object of JSON. Texts are UTF-8.
class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value) { return raw(name, quoted(value)); }
  JsonObject& number(std::string_view name, std::uint64_t value) { return raw(name, std::to_string(value)); }
  JsonObject& boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  JsonObject& texts(std::string_view name, const std::vector<std::string>& values) {
    std::string list;
    for (const std::string& value : values) list.append(list.empty() ? "" : ",").append(quoted(value));
    return raw(name, "[" + list + "]");
  }
  JsonObject& raw(std::string_view name, const std::string& json) {
    members_.append(members_.empty() ? "" : ",").append(quoted(name)).append(":").append(json);
    return *this;
  }
  std::string str() const { return "{" + members_ + "}"; }

 private:
  static std::string quoted(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      constexpr unsigned char kFirstPrintable = 0x20;
      if (c == '"' || c == '\\') {
        out.append("\\").push_back(c);
      } else if (byte < kFirstPrintable) {
        std::array<char, 8> escape{};
        std::snprintf(escape.data(), escape.size(), "\\u%04x", byte);
        out += escape.data();
      } else {
        out.push_back(c);
      }
    }
    return out + "\"";
  }

  std::string members_;
};

std::vector<std::string> base64url(const std::vector<Bytes>& path) {
  std::vector<std::string> texts;
  for (const Bytes& certificate : path) texts.push_back(to_base64url(certificate));
  return texts;
}

/// The algorithm that makes such keys.
std::string key_algorithm(const KeyAttributes& attributes) {
  if (attributes.symmetric_key_length != 0 || attributes.certificate_path.empty()) return {};
  const auto fields = split_certificate(attributes.certificate_path.front());
  const auto shape = fields ? shape_of(fields->spki) : std::nullopt;
  if (!shape) return {};
  for (const Algorithm& row : all_algorithms()) {
    const bool is_size = shape->kind != KeyKind::rsa || row.size == shape->bits;
    if (row.kind == shape->kind && row.curve == shape->curve && is_size) return std::string(row.uri);
  }
  return {};
}

/// Names of sks-api.md 5.1, by their values.
std::string named(std::initializer_list<std::string_view> names, std::uint8_t value) {
  return value < names.size() ? std::string(names.begin()[value]) : std::to_string(value);
}

std::string protection_of(const KeyAttributes& attributes, const KeyProtectionInfo& info) {
  JsonObject out;
  out.boolean("pinProtected", (info.protection_status & kPinProtected) != 0)
      .boolean("pukProtected", (info.protection_status & kPukProtected) != 0)
      .boolean("devicePinProtected", (info.protection_status & kDevicePin) != 0)
      .boolean("suspended", (info.protection_status & kSuspended) != 0);
  if ((info.protection_status & kPinProtected) != 0)
    out.number("minLength", info.min_length)
        .number("maxLength", info.max_length)
        .number("retryLimit", info.retry_limit)
        .text("format", named({"numeric", "alphanumeric", "string", "binary"}, info.format))
        .text("grouping", named({"none", "shared", "signature+standard", "unique"}, info.grouping))
        .number("patternRestrictions", info.pattern_restrictions)
        .text("inputMethod", named({"any", "programmatic", "trusted-gui"}, info.input_method))
        .boolean("userDefined", info.user_defined)
        .boolean("userModifiable", info.user_modifiable)
        .boolean("enablePinCaching", info.enable_pin_caching);
  out.text("biometricProtection", named({"none", "alternative", "combined", "exclusive"}, info.biometric_protection))
      .text("exportProtection", named({"none", "pin", "puk", "non-exportable"}, info.export_protection))
      .text("deleteProtection", named({"none", "pin", "puk", "non-deletable"}, info.delete_protection))
      .text("appUsage", named({"signature", "authentication", "encryption", "universal"}, attributes.app_usage))
      .boolean("imported", (info.key_backup & kImported) != 0)
      .boolean("exported", (info.key_backup & kExported) != 0);
  return out.str();
}

std::string session_of(const SessionInfo& session) {
  JsonObject out;
  return out.text("issuerUri", session.issuer_uri)
      .text("clientSessionId", session.client_session_id)
      .text("serverSessionId", session.server_session_id)
      .text("sessionKeyAlgorithm", session.session_key_algorithm)
      .number("clientTime", session.client_time)
      .number("sessionLifeTime", session.session_life_time)
      .boolean("privacyEnabled", session.privacy_enabled)
      .text("keyManagementKey", to_base64url(session.key_management_key))
      .str();
}

}  // namespace

Result<std::string> attestation_text(SecureKeyStore& store, KeyHandle key) {
  const Error gone{Status::no_key, "the key is gone"};
  SKS_LET(const auto keys, enumerate_all_keys(store));
  const auto found = keys.find(key);
  if (found == keys.end()) return gone;
  SKS_LET(const std::optional<SessionInfo> session, find_closed_session(store, found->second));
  if (!session) return gone;
  SKS_LET(const KeyAttributes attributes, store.get_key_attributes(key));
  SKS_LET(const KeyProtectionInfo info, store.get_key_protection_info(key));
  SKS_LET(const DeviceInfo device, store.get_device_info());
  JsonObject out;
  out.number("keyHandle", key.value).text("friendlyName", attributes.friendly_name);
  if (attributes.symmetric_key_length != 0) {
    out.number("symmetricKeyLength", attributes.symmetric_key_length);
  } else {
    out.text("keyAlgorithm", key_algorithm(attributes));
  }
  return out.texts("endorsedAlgorithms", attributes.endorsed_algorithms)
      .texts("certificatePath", base64url(attributes.certificate_path))
      .raw("protection", protection_of(attributes, info))
      .raw("session", session_of(*session))
      .texts("deviceCertificatePath", base64url(device.certificate_path))
      .str();
}

}  // namespace sks::token
