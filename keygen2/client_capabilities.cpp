#include "keygen2/client_capabilities.h"

#include <algorithm>

#include "keygen2/enumerations.h"

namespace sks::keygen2 {
namespace {

/// PNG images, in the sizes in which key lists and dialogs usually show them.
const std::map<std::string, ImageAttributes>& usual_images() {
  static const std::map<std::string, ImageAttributes> images{
      {"https://webpki.github.io/keygen2/logotype#list", {"image/png", 48, 48}},
      {"https://webpki.github.io/keygen2/logotype#card", {"image/png", 200, 120}},
      {"https://webpki.github.io/keygen2/logotype#icon", {"image/png", 64, 64}},
      {"https://webpki.github.io/keygen2/logotype#application", {"image/png", 128, 128}},
  };
  return images;
}

/// getDeviceInfo tells nothing about the methods beyond the SKS API. So both are called for a key that no store has:
/// one that knows the methods misses the key, every other refuses the call. Spec: sks-extensions.md,
/// sks-byte-stream.md.
bool suspends_keys(SecureKeyStore& store) {
  const ActivationRequest no_key{{}, {}, {}, {}};
  const auto is_known = [](const Result<std::uint8_t>& answer) {
    return !answer && answer.error().status == Status::no_key;
  };
  return is_known(store.deactivate(no_key)) && is_known(store.activate(no_key));
}

bool is_supported(const CapabilitySources& sources, const std::string& feature) {
  if (feature == kDevicePinFeature) return sources.device.device_pin_support;
  if (feature == kBiometricFeature) return sources.device.biometric_support;
  if (feature == kKeySuspension) return suspends_keys(sources.store);
  return std::ranges::find(sources.device.supported_algorithms, feature) != sources.device.supported_algorithms.end();
}

/// The attributes that were asked for and could be told.
std::vector<std::string> known_attributes(const InvocationRequest& request, const ClientContext& context) {
  std::vector<std::string> known;
  for (const std::string& query : request.capability_queries) {
    // The device's identity is not for an issuer that promises not to ask for it. Spec: 1.5, C-1.
    if (request.privacy_enabled && query == kImeiNumber) continue;
    const auto found = context.attributes.find(query);
    const bool has_answer = found != context.attributes.end() && !found->second.empty();
    if (query_kind(query) == QueryKind::values && has_answer) known.push_back(query);
  }
  return known;
}

ClientCapability image_answer(const std::string& query, const ClientContext& context) {
  const auto& images = context.image_preferences.empty() ? usual_images() : context.image_preferences;
  const auto found = images.find(query);
  if (found == images.end()) return {query};
  return {query, CapabilityForm::image_attributes, false, {}, found->second};
}

}  // namespace

std::vector<ClientCapability> answer_queries(const InvocationRequest& request, const CapabilitySources& sources) {
  std::vector<std::string> disclosed = known_attributes(request, sources.context);
  if (!disclosed.empty() && !sources.dialog.disclose(disclosed)) disclosed.clear();
  std::vector<ClientCapability> answers;
  for (const std::string& query : request.capability_queries) {
    switch (query_kind(query)) {
      case QueryKind::feature:
        answers.push_back({query, CapabilityForm::supported, is_supported(sources, query)});
        break;
      case QueryKind::values:
        if (std::ranges::find(disclosed, query) == disclosed.end())
          answers.push_back({query});
        else
          answers.push_back({query, CapabilityForm::values, false, sources.context.attributes.at(query)});
        break;
      case QueryKind::image:
        answers.push_back(image_answer(query, sources.context));
        break;
    }
  }
  return answers;
}

}  // namespace sks::keygen2
