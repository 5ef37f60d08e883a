#include <algorithm>
#include <array>

#include "keygen2/client_capabilities.h"
#include "keygen2/client_run.h"
#include "keygen2/enumerations.h"

/// InvocationRequest: consent and capabilities. Spec: keygen2.md 1.5 C-1, 4.2, 8.1.
namespace sks::keygen2 {
namespace {

constexpr std::uint8_t kDeviceLocationMask = 0x03;

/// The key container that a key store is: by location, in the order of sks-api.md 4.1, and software where it is one.
bool is_container(const DeviceInfo& device, std::uint8_t container) {
  constexpr std::array<std::string_view, 4> by_location{"external", "embedded", "sdcard", "uicc"};
  const std::string_view name = kKeyContainers.at(container);
  const bool software = (device.device_type & ~unsigned{kDeviceLocationMask}) == 0;
  if (name == "software") return software;
  return name == by_location.at(device.device_type & kDeviceLocationMask);
}

bool announces_key_suspension(const ClientCapability& answer) {
  return answer.type == kKeySuspension && answer.supported;
}

}  // namespace

Outcome<std::string> on_invocation(ClientRun& run, const InvocationRequest& request) {
  SKS_LET(run.device, from_store(run.store.get_device_info()));
  const auto available = [&](std::uint8_t container) { return is_container(run.device, container); };
  if (!request.target_key_containers.empty() && std::ranges::none_of(request.target_key_containers, available))
    return Failure{ErrorClass::policy, "none of the key containers that the issuer asks for is here"};
  const bool agreed =
      run.dialog.consent({run.context.issuer_host, std::string(kActions.at(request.action)), !request.privacy_enabled});
  if (!agreed) return Failure{ErrorClass::user, "the user does not agree"};

  run.action = request.action;
  run.privacy_enabled = request.privacy_enabled;
  run.ids.server = request.server_session_id;
  InvocationResponse response{run.ids.server, {}};
  response.capabilities = answer_queries(request, {run.store, run.dialog, run.device, run.context});
  run.announced_key_suspension = std::ranges::any_of(response.capabilities, announces_key_suspension);
  run.phase = ClientPhase::invoked;
  return response.encode();
}

}  // namespace sks::keygen2
