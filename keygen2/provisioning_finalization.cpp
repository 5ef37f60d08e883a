#include <algorithm>
#include <array>

#include "keygen2/issued_credential.h"
#include "keygen2/message_common.h"

/// ProvisioningFinalizationRequest and ProvisioningFinalizationResponse. Spec: keygen2.md 4.11, 4.13.
namespace sks::keygen2 {
namespace {

constexpr Range kCloseNonceSize{1, 32};

struct TargetList {
  std::string_view name;
  std::vector<TargetKeyReference> ProvisioningFinalizationRequest::*targets;
};

/// In the order of execution. The last two are those of sks-extensions.md.
constexpr auto kTargetLists = std::to_array<TargetList>({
    {"unlockKeys", &ProvisioningFinalizationRequest::unlock_keys},
    {"deleteKeys", &ProvisioningFinalizationRequest::delete_keys},
    {"activateKeys", &ProvisioningFinalizationRequest::activate_keys},
    {"deactivateKeys", &ProvisioningFinalizationRequest::deactivate_keys},
});

}  // namespace

std::string ProvisioningFinalizationRequest::encode() const {
  JsonWriter out = begin_message(kType, ids);
  if (!credentials.empty()) out.objects("issuedCredentials", credentials, write_credential);
  for (const TargetList& list : kTargetLists)
    if (!(this->*list.targets).empty()) out.objects(list.name, this->*list.targets, write_target);
  out.object("sessionCloseData",
             [&](JsonWriter& members) { members.bytes("nonce", close_nonce).bytes("mac", close_mac); });
  return out.finish();
}

void ProvisioningFinalizationRequest::read(JsonReader& in) {
  ids = read_ids(in);
  std::vector<std::string> names;
  for (JsonReader& element : in.optional_objects("issuedCredentials")) {
    credentials.push_back(read_credential(element));
    names.push_back(credentials.back().id);
  }
  if (has_duplicates(names)) in.fail(ErrorClass::value, "a key gets two credentials");
  for (const TargetList& list : kTargetLists)
    for (JsonReader& target : in.optional_objects(list.name)) (this->*list.targets).push_back(read_target(target));
  JsonReader close = in.object("sessionCloseData");
  close_nonce = close.bytes("nonce", kCloseNonceSize);
  close_mac = close.bytes("mac", kMacSize);
  check_message_signature(in);
}

bool ProvisioningFinalizationRequest::uses_key_suspension() const {
  const auto deactivated = [](const IssuedCredential& credential) { return credential.deactivated_mac.has_value(); };
  return !activate_keys.empty() || !deactivate_keys.empty() || std::ranges::any_of(credentials, deactivated);
}

std::string ProvisioningFinalizationResponse::encode() const {
  return begin_message(kType, ids).bytes("attestation", attestation).finish();
}

void ProvisioningFinalizationResponse::read(JsonReader& in) {
  ids = read_ids(in);
  attestation = in.bytes("attestation", kMacSize);
}

}  // namespace sks::keygen2
