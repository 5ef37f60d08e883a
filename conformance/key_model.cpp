#include "conformance/key_model.h"

#include <algorithm>
#include <array>
#include <set>

#include "conformance/call_values.h"

namespace sks::conformance {
namespace {

struct Copied {
  const char* to;
  const char* from;
};
constexpr auto kOfPin = std::to_array<Copied>({
    {"pinUserDefined", "userDefined"},
    {"pinUserModifiable", "userModifiable"},
    {"pinFormat", "format"},
    {"pinRetryLimit", "retryLimit"},
    {"pinGrouping", "grouping"},
    {"pinMinLength", "minLength"},
    {"pinMaxLength", "maxLength"},
    {"pinInputMethod", "inputMethod"},
});
constexpr auto kOfPuk = std::to_array<Copied>({{"pukFormat", "format"}, {"pukRetryLimit", "retryLimit"}});
constexpr auto kOfKey = std::to_array<Copied>({
    {"enablePinCaching", "enablePinCaching"},
    {"biometricProtection", "biometricProtection"},
    {"exportProtection", "exportProtection"},
    {"deleteProtection", "deleteProtection"},
});
/// What a key takes over from the target of update and clone. Counters are not known.
constexpr auto kInherited = std::to_array<const char*>({
    "pinUserDefined",
    "pinUserModifiable",
    "pinFormat",
    "pinRetryLimit",
    "pinGrouping",
    "pinMinLength",
    "pinMaxLength",
    "pinInputMethod",
    "pukFormat",
    "pukRetryLimit",
});
constexpr auto kCounters = std::to_array<const char*>({"protectionStatus", "pinErrorCount", "pukErrorCount"});

template <std::size_t kSize>
void copy(Json& to, const Json& from, const std::array<Copied, kSize>& members) {
  for (const Copied& member : members)
    to[member.to] = from.is_object() && from.contains(member.from) ? from[member.from] : Json();
}

void inherit(ModelKey& key, const ModelKey& target) {
  for (const char* const member : kInherited) key.protection[member] = target.protection[member];
  for (const char* const member : kCounters) key.protection.erase(member);
  key.pin = target.pin;
  key.puk = target.puk;
}

void unlock(ModelKey& key) {
  const bool puk = !key.puk.is_null();
  key.protection["protectionStatus"] = kPinProtected | (puk ? kPukProtected : 0);
  key.protection["pinErrorCount"] = 0;
  key.protection["pukErrorCount"] = 0;
}

}  // namespace

Json protection_of(const Json& entry, const Json& pin, const Json& puk) {
  Json info = Json::object();
  unsigned status = 0;
  if (!pin.is_null()) status |= kPinProtected;
  if (!puk.is_null()) status |= kPukProtected;
  if (entry.value("devicePinProtection", false)) status |= kDevicePin;
  info["protectionStatus"] = status;
  copy(info, pin, kOfPin);
  info["pinPatternRestrictions"] =
      patterns_to_json(pin.is_null() ? std::uint8_t{0} : pin.value("patternRestrictions", std::uint8_t{0}));
  copy(info, puk, kOfPuk);
  copy(info, entry, kOfKey);
  for (const char* const zero : {"pinErrorCount", "pukErrorCount", "keyBackup"}) info[zero] = 0;
  return info;
}

Json KeyModel::key_after(std::uint32_t previous) const {
  if (previous != 0 && !keys.contains(previous)) return {};
  const auto next = keys.upper_bound(previous);
  if (next == keys.end()) return {};
  return {{"keyHandle", next->first}, {"provisioningHandle", next->second.session}};
}

Json KeyModel::session_after(std::uint32_t previous, bool open) const {
  if (previous != 0 && !sessions.contains(previous)) return {};
  for (auto next = sessions.upper_bound(previous); next != sessions.end(); ++next) {
    if (next->second.open != open) continue;
    Json info = next->second.info;
    info["provisioningHandle"] = next->first;
    return info;
  }
  return {};
}

void KeyModel::close(std::uint32_t session, std::map<std::uint32_t, ModelKey> made,
                     const std::vector<ModelOperation>& operations) {
  using Kind = ModelOperation::Kind;
  std::map<std::uint32_t, ModelKey> before;  // update and clone inherit from the key that was there
  std::set<std::uint32_t> absorbed;
  for (const ModelOperation& operation : operations) {
    before.emplace(operation.target, keys[operation.target]);
    absorbed.insert(keys[operation.target].session);
  }
  keys.merge(made);
  for (const ModelOperation& operation : operations) {
    ModelKey& target = keys[operation.target];
    if (operation.kind == Kind::unlock) unlock(target);
    if (operation.kind == Kind::remove) keys.erase(operation.target);
    if (operation.kind == Kind::clone || operation.kind == Kind::update)
      inherit(keys[operation.key], before[operation.target]);
    if (operation.kind == Kind::update) {
      keys[operation.target] = std::move(keys[operation.key]);
      keys.erase(operation.key);
    }
  }
  for (auto& [handle, key] : keys)
    if (absorbed.contains(key.session)) key.session = session;
  for (const std::uint32_t old : absorbed)
    if (old != session) sessions.erase(old);
  sessions[session].open = false;
  const auto owned = [&](const auto& entry) { return entry.second.session == session; };
  if (std::ranges::none_of(keys, owned)) sessions.erase(session);
}

void KeyModel::remove_key(std::uint32_t key) {
  const std::uint32_t session = keys[key].session;
  keys.erase(key);
  const auto owned = [&](const auto& entry) { return entry.second.session == session; };
  if (std::ranges::none_of(keys, owned)) sessions.erase(session);
}

}  // namespace sks::conformance
