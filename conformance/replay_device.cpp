#include "conformance/replay_device.h"

#include <array>

#include "conformance/call_values.h"
#include "conformance/calls.h"
#include "conformance/comparison.h"

namespace sks::conformance {
namespace {

constexpr auto kTopics = std::to_array<Topic>({
    {"device", "sks-api.md", "4.1", "what the device tells about itself"},
    {"session", "sks-api.md", "3.1, 3.2, 4.2", "session ids, ephemeral key, and the attestation of the session"},
    {"policies", "sks-api.md", "4.7, 4.8", "PIN and PUK policies under their MACs"},
    {"keys", "sks-api.md", "3.5, 4.9, 4.10", "key pairs and their attestations"},
    {"certificates", "sks-api.md", "4.11", "certificate paths under their MACs"},
    {"imports", "sks-api.md", "4.12, 4.13", "imported keys under their MACs"},
    {"extensions", "sks-api.md", "4.14, 4.20, 4.21", "extensions and property bags, and what they hold"},
    {"management", "sks-api.md", "3.6, 4.15, 4.16, 7", "operations on keys of other sessions, and their effects"},
    {"close", "sks-api.md", "4.3", "the close and its attestation"},
    {"enumeration", "sks-api.md", "4.4, 4.17", "every session and every key, in order, and nothing else"},
    {"attributes", "sks-api.md", "4.18, 4.19", "attributes, protection, counters and flags of keys"},
    {"user-management", "sks-api.md", "4.22 to 4.26", "deleting, exporting, PINs and PUKs"},
    {"key-use", "sks-api.md", "4.27 to 4.32", "signatures, decryptions, agreements, HMACs, ciphers, authorization"},
    {"refusals", "sks-api.md", "1.6, 3.4, 3.6", "a wrong MAC or authorization is refused, and ends the session"},
    {"clean-up", "sks-api.md", "1.4, 4.22", "deleting the keys that were made"},
});

Json session_info(const SessionInfo& info) {
  Json json = Json::object();
  add_value(json, {}, info);
  return json;
}

Result<void> add_sessions(KeyModel& model, SecureKeyStore& store, SessionState state) {
  ProvisioningHandle previous;
  for (;;) {
    SKS_LET(const std::optional<SessionInfo> next, store.enumerate_provisioning_sessions(previous, state));
    if (!next || model.sessions.contains(next->handle.value)) return {};
    previous = next->handle;
    model.sessions[previous.value] = {state == SessionState::open, session_info(*next)};
  }
}

Result<void> add_keys(KeyModel& model, SecureKeyStore& store) {
  KeyHandle previous;
  for (;;) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (!next || model.keys.contains(next->handle.value)) return {};
    previous = next->handle;
    model.keys[previous.value].session = next->session.value;
  }
}

/// Follows one enumeration as far as it tells what is expected.
void walk(ReplayDevice& device, const Place& place, Json arguments, const char* handle, Findings& findings) {
  const bool of_keys = place.note == "enumerateKeys";
  std::uint32_t previous = 0;
  for (;;) {
    const std::size_t before = findings.list().size();
    const Json expected = of_keys ? device.model.key_after(previous)
                                  : device.model.session_after(previous, arguments.value("provisioningState", false));
    arguments[handle] = previous;
    const auto found = make_call(device.store, place.note, Node(arguments, place, findings));
    if (!found) return;
    const Place here{place.file, "/" + std::to_string(previous), place.note};
    if (expected.is_null() != found->is_null())
      findings.add(here, "is " + shown(*found) + ", expected " + shown(expected));
    else
      expect_json(findings, here, expected, *found);
    if (expected.is_null() || findings.list().size() != before) return;
    previous = expected[handle].get<std::uint32_t>();
  }
}

/// What deleteProtection asks for, or nothing when it forbids. Spec: sks-api.md 4.22.
std::optional<Json> deletion_authorization(const ModelKey& key) {
  switch (key.entry.value("deleteProtection", 0)) {
    case 0:
      return Json();
    case 1:
      return key.pin;
    case 2:
      return key.puk;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::span<const Topic> replay_topics() { return kTopics; }

std::vector<CheckResult> ReplayResults::take() {
  std::vector<CheckResult> results;
  for (std::size_t i = 0; i < kTopics.size(); ++i)
    results.push_back({&kTopics.at(i), std::move(findings_[static_cast<Subject>(i)])});
  return results;
}

Result<ReplayDevice> start_replay(SecureKeyStore& store) {
  SKS_LET(ReplayAuthority authority, ReplayAuthority::create());
  ReplayDevice device{store, std::move(authority), {}, {}, {}, {}, {}, {}, {}, {}, {}, {}};
  for (const SessionState state : {SessionState::open, SessionState::closed})
    SKS_TRY(add_sessions(device.model, store, state));
  SKS_TRY(add_keys(device.model, store));
  for (const auto& [handle, key] : device.model.keys) device.foreign_keys.insert(handle);
  for (const auto& [handle, session] : device.model.sessions) device.session_handles.insert(handle);
  device.key_handles = device.foreign_keys;
  return device;
}

void check_enumerations(ReplayDevice& device, const std::string& when, Findings& findings) {
  walk(device, {when, "", "enumerateKeys"}, Json::object(), "keyHandle", findings);
  for (const bool open : {false, true})
    walk(device, {when, "", "enumerateProvisioningSessions"}, {{"provisioningState", open}}, "provisioningHandle",
         findings);
}

std::vector<std::string> clean_up(ReplayDevice& device, Findings& findings) {
  std::vector<std::string> notes;
  const std::map<std::uint32_t, ModelKey> keys = device.model.keys;
  for (const auto& [handle, key] : keys) {
    if (device.foreign_keys.contains(handle)) continue;
    const std::string name = "key " + std::to_string(handle) + " (" + key.id + ")";
    const std::optional<Json> authorization = deletion_authorization(key);
    if (!authorization) {
      notes.push_back(name + " remains on the device: its deleteProtection forbids to delete it");
      continue;
    }
    const Place place{"clean-up", "/" + key.id, "deleteKey"};
    const Json in{{"keyHandle", handle}, {"authorization", *authorization}};
    const auto out = make_call(device.store, "deleteKey", Node(in, place, findings));
    findings.count();
    if (out && !error_of(*out)) {
      device.model.remove_key(handle);
      continue;
    }
    notes.push_back(name + " remains on the device: " + shown(out ? *out : Json()));
    // A PIN or PUK may be locked by what was recorded.
    if (authorization->is_null()) findings.add(place, "is " + shown(out ? *out : Json()) + ", expected success");
  }
  check_enumerations(device, "after the clean-up", findings);
  return notes;
}

}  // namespace sks::conformance
