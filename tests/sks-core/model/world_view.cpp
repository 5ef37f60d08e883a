#include <algorithm>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/model/world.h"

// All that a store shows of itself, and all that the model expects it to show.
namespace sks::model {
namespace {

std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += text + ",";
  return joined;
}

std::string key_line(const KeyAttributes& attributes, const std::string& certificate) {
  return "symmetric " + std::to_string(attributes.symmetric_key_length) + ", certificate " + certificate +
         ", appUsage " + std::to_string(attributes.app_usage) + ", friendlyName " + attributes.friendly_name +
         ", endorsed " + join(attributes.endorsed_algorithms) + " extensions " + join(attributes.extension_types);
}

std::string protection_line(const KeyProtectionInfo& info) {
  std::string line;
  const auto show = [&](const char* name, unsigned value) {
    if (value != 0) line += std::string(name) + " " + std::to_string(value) + ", ";
  };
  show("protectionStatus", info.protection_status);
  show("pukFormat", info.puk_format);
  show("pukRetryLimit", info.puk_retry_limit);
  show("pukErrorCount", info.puk_error_count);
  show("userDefined", info.user_defined ? 1 : 0);
  show("userModifiable", info.user_modifiable ? 1 : 0);
  show("format", info.format);
  show("retryLimit", info.retry_limit);
  show("grouping", info.grouping);
  show("patterns", info.pattern_restrictions);
  show("minLength", info.min_length);
  show("maxLength", info.max_length);
  show("inputMethod", info.input_method);
  show("pinErrorCount", info.pin_error_count);
  show("caching", info.enable_pin_caching ? 1 : 0);
  show("biometric", info.biometric_protection);
  show("export", info.export_protection);
  show("delete", info.delete_protection);
  show("backup", info.key_backup);
  return line;
}

std::string session_line(const SessionInfo& info, const std::string& kmk) {
  return std::string(info.privacy_enabled ? "private" : "attested") + ", KMK " + kmk + ", time " +
         std::to_string(info.client_time) + ", life " + std::to_string(info.session_life_time) + ", " +
         info.server_session_id + ", " + info.client_session_id + ", " + info.issuer_uri + ", " +
         info.session_key_algorithm;
}

std::string extension_line(unsigned sub_type, const std::string& qualifier, ByteView data) {
  return "subType " + std::to_string(sub_type) + ", qualifier " + qualifier + ", data " + to_hex(data);
}

// Chapter 4.14.
Bytes bag_of(const std::vector<Property>& properties) {
  Bytes bag;
  const auto append = [&](const std::string& text) {
    bag.push_back(static_cast<std::uint8_t>(text.size() >> 8U));
    bag.push_back(static_cast<std::uint8_t>(text.size()));
    bag.insert(bag.end(), text.begin(), text.end());
  };
  for (const Property& property : properties) {
    append(property.name);
    bag.push_back(property.writable ? 1 : 0);
    append(property.value);
  }
  return bag;
}

// Chapter 4.19 and rule 4 of sks-extensions.md.
KeyProtectionInfo protection_of(const State& state, const Key& key) {
  KeyProtectionInfo info;
  info.enable_pin_caching = key.caching;
  info.biometric_protection = key.biometric;
  info.export_protection = key.export_protection;
  info.delete_protection = key.delete_protection;
  info.key_backup = key.backup;
  unsigned status = key.device_pin ? 0x10 : 0;
  if (key.suspended != 0) status |= 0x20;
  if (key.policy != 0) {
    const PinPolicy& policy = state.pins.at(key.policy);
    info.user_defined = policy.user_defined;
    info.user_modifiable = policy.user_modifiable;
    info.format = policy.format;
    info.retry_limit = policy.retry_limit;
    info.grouping = policy.grouping;
    info.pattern_restrictions = policy.patterns;
    info.min_length = policy.min_length;
    info.max_length = policy.max_length;
    info.input_method = policy.input_method;
    info.pin_error_count = key.pin_errors;
    status |= 0x01;
    if (key.pin_errors >= policy.retry_limit) status |= 0x04;
  }
  if (const PukPolicy* const puk = state.puk_of(key); puk != nullptr) {
    info.puk_format = puk->format;
    info.puk_retry_limit = puk->retry_limit;
    info.puk_error_count = puk->errors;
    status |= 0x02;
    if (puk->retry_limit > 0 && puk->errors >= puk->retry_limit) status |= 0x08;
  }
  info.protection_status = static_cast<std::uint8_t>(status);
  return info;
}

KeyAttributes attributes_of(const Key& key) {
  KeyAttributes attributes;
  attributes.symmetric_key_length = static_cast<std::uint16_t>(key.symmetric ? key.symmetric->size() : 0);
  attributes.app_usage = key.app_usage;
  attributes.friendly_name = key.friendly_name;
  for (const int row : key.endorsed)
    attributes.endorsed_algorithms.emplace_back(kUserAlgorithms.at(static_cast<std::size_t>(row)).uri);
  attributes.extension_types = key.extension_order;
  return attributes;
}

std::string certificate_text(const Certificate& certificate) {
  return std::to_string(certificate.pair) + "/" + std::to_string(certificate.serial);
}

std::string name(const char* what, Handle handle) { return std::string(what) + " " + std::to_string(handle); }

constexpr std::string_view kSessionAlgorithm = "https://webpki.github.io/sks/algorithm#session.1";

}  // namespace

View World::view() const {
  View view;
  std::string order;
  for (const SessionState state : {SessionState::open, SessionState::closed})
    for (ProvisioningHandle last;;) {
      const auto next = store_->enumerate_provisioning_sessions(last, state).value();
      if (!next) break;
      last = next->handle;
      order += std::to_string(last.value) + (state == SessionState::open ? "+ " : "- ");
      view.lines[name("session", last.value)] =
          session_line(*next, Supplies::get().name_of_kmk(next->key_management_key));
    }
  view.lines["sessions"] = order;
  order.clear();
  for (KeyHandle last;;) {
    const auto next = store_->enumerate_keys(last).value();
    if (!next) break;
    last = next->handle;
    order += std::to_string(last.value) + "@" + std::to_string(next->session.value) + " ";
    const Result<KeyAttributes> attributes = store_->get_key_attributes(last);
    const Result<KeyProtectionInfo> protection = store_->get_key_protection_info(last);
    if (!attributes || !protection) {
      view.lines[name("key", last.value)] = "not to be seen";
      continue;
    }
    view.lines[name("key", last.value)] =
        key_line(*attributes, attributes->certificate_path.size() == 1
                                  ? Supplies::get().name_of_certificate(attributes->certificate_path.front())
                                  : "path");
    view.lines[name("protection of key", last.value)] = protection_line(*protection);
    view.protection[last.value] = *protection;
    for (const std::string& type : attributes->extension_types) {
      const Result<ExtensionContent> content = store_->get_extension(last, type);
      view.lines[name("key", last.value) + " " + type] =
          content ? extension_line(content->sub_type, content->qualifier, content->data.view()) : "not to be seen";
    }
  }
  view.lines["keys"] = order;
  return view;
}

View World::expected_view(const State& state) const {
  View view;
  std::string order;
  for (const bool open : {true, false})
    for (const auto& [handle, session] : state.sessions)
      if (session.open == open) order += std::to_string(handle) + (open ? "+ " : "- ");
  view.lines["sessions"] = order;
  for (const auto& [handle, session] : state.sessions) {
    SessionInfo info;
    info.session_key_algorithm = kSessionAlgorithm;
    info.privacy_enabled = session.privacy;
    info.client_time = 1611905400;
    info.session_life_time = 10000;
    info.server_session_id = session.name;
    info.client_session_id = client_ids_.at(handle);
    info.issuer_uri = "https://issuer.example.com/sks";
    view.lines[name("session", handle)] = session_line(info, std::to_string(session.kmk));
  }
  order.clear();
  for (const auto& [handle, key] : state.keys) {
    if (state.std_key(handle) == nullptr) continue;
    order += std::to_string(handle) + "@" + std::to_string(key.session) + " ";
    view.lines[name("key", handle)] =
        key_line(attributes_of(key), key.certificate ? certificate_text(*key.certificate) : "none");
    view.lines[name("protection of key", handle)] = protection_line(protection_of(state, key));
    for (const auto& [type, extension] : key.extensions) {
      const Bytes data = extension.sub_type == 2 ? bag_of(extension.properties) : to_bytes(as_bytes(extension.data));
      view.lines[name("key", handle) + " " + type] = extension_line(extension.sub_type, extension.qualifier, data);
    }
  }
  view.lines["keys"] = order;
  return view;
}

}  // namespace sks::model
