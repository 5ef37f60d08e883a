#include <algorithm>

#include "keygen2/enumerations.h"
#include "keygen2/message_common.h"

/// InvocationRequest and InvocationResponse. Spec: keygen2.md 4.2, 4.3.
namespace sks::keygen2 {
namespace {

constexpr Range kPixels{0, 0x7FFFFFFF};
constexpr std::size_t kMaxCapabilityValues = 100;
constexpr std::size_t kMaxCapabilityValue = 1000;  // bytes
constexpr std::size_t kMaxMimeType = 128;          // bytes

std::vector<std::uint8_t> read_containers(JsonReader& in) {
  const std::vector<std::string> names = in.optional_texts("targetKeyContainers");
  std::vector<std::uint8_t> containers;
  for (const std::string& name : names) {
    const auto* const found = std::ranges::find(kKeyContainers, name);
    if (found == kKeyContainers.end())
      in.fail(ErrorClass::value, "unknown key container");
    else
      containers.push_back(static_cast<std::uint8_t>(found - kKeyContainers.begin()));
  }
  if (has_duplicates(names)) in.fail(ErrorClass::value, "a key container is listed twice");
  return containers;
}

ClientCapability read_capability(JsonReader& in) {
  ClientCapability capability;
  capability.type = in.uri("type");
  const auto forms = int{in.has("supported")} + int{in.has("values")} + int{in.has("imageAttributes")};
  if (forms != 1) in.fail(ErrorClass::json, "a clientCapability has not exactly one answer");
  if (in.has("values")) {
    capability.form = CapabilityForm::values;
    capability.values = in.optional_texts("values");
    const auto too_long = [](const std::string& value) { return value.size() > kMaxCapabilityValue; };
    if (capability.values.size() > kMaxCapabilityValues || std::ranges::any_of(capability.values, too_long))
      in.fail(ErrorClass::policy, "an answer to a capability query is too long");
  } else if (in.has("imageAttributes")) {
    capability.form = CapabilityForm::image_attributes;
    JsonReader image = in.object("imageAttributes");
    capability.image.mime_type = image.text("mimeType");
    if (capability.image.mime_type.empty() || capability.image.mime_type.size() > kMaxMimeType)
      in.fail(ErrorClass::value, "mimeType is not 1 to 128 bytes");
    capability.image.width = image.number("width", kPixels);
    capability.image.height = image.number("height", kPixels);
  } else {
    capability.supported = in.boolean("supported");
  }
  return capability;
}

void write_capability(JsonWriter& out, const ClientCapability& capability) {
  out.text("type", capability.type);
  switch (capability.form) {
    case CapabilityForm::supported:
      out.boolean("supported", capability.supported);
      return;
    case CapabilityForm::values:
      out.texts("values", capability.values);
      return;
    case CapabilityForm::image_attributes:
      out.object("imageAttributes", [&](JsonWriter& image) {
        image.text("mimeType", capability.image.mime_type)
            .number("width", capability.image.width)
            .number("height", capability.image.height);
      });
      return;
  }
}

}  // namespace

std::string InvocationRequest::encode() const {
  JsonWriter out = begin_message(kType, server_session_id);
  out.text("action", kActions.at(action));
  if (privacy_enabled) out.boolean("privacyEnabled", true);
  if (!preferred_languages.empty()) out.texts("preferredLanguages", preferred_languages);
  if (!target_key_containers.empty()) {
    std::vector<std::string> names;
    for (const std::uint8_t container : target_key_containers) names.emplace_back(kKeyContainers.at(container));
    out.texts("targetKeyContainers", names);
  }
  if (!capability_queries.empty()) out.texts("clientCapabilityQuery", capability_queries);
  return out.finish();
}

void InvocationRequest::read(JsonReader& in) {
  server_session_id = in.id("serverSessionId");
  action = in.enumeration("action", kActions);
  privacy_enabled = in.optional_boolean("privacyEnabled", false);
  preferred_languages = in.optional_texts("preferredLanguages");
  target_key_containers = read_containers(in);
  capability_queries = in.optional_uris("clientCapabilityQuery");
  if (capability_queries.size() > kMaxCapabilityQueries) in.fail(ErrorClass::policy, "too many capability queries");
  if (has_duplicates(capability_queries)) in.fail(ErrorClass::value, "a capability is queried twice");
  check_message_signature(in);
}

std::string InvocationResponse::encode() const {
  JsonWriter out = begin_message(kType, server_session_id);
  if (!capabilities.empty()) out.objects("clientCapabilities", capabilities, write_capability);
  return out.finish();
}

void InvocationResponse::read(JsonReader& in) {
  server_session_id = in.id("serverSessionId");
  for (JsonReader& capability : in.optional_objects("clientCapabilities"))
    capabilities.push_back(read_capability(capability));
}

}  // namespace sks::keygen2
