#include "sks-core/engine/core.h"

#include <algorithm>
#include <utility>

#include "sks-core/base/byte_reader.h"

namespace sks::engine {
namespace {

constexpr std::size_t kCachedKeys = 64;
constexpr std::size_t kMaxArray = 65535;
constexpr std::size_t kMaxIdLength = 32;

bool is_array(ByteView bytes) { return bytes.size() <= kMaxArray; }
bool is_text(std::string_view text) { return text.size() <= kMaxArray && is_utf8(text); }

Result<void> decodable(bool fits) {
  if (!fits) return Error{Status::option, "Request decoding failed: an argument has no serialised form"};
  return {};
}

std::string number(std::uint32_t handle) { return std::to_string(handle); }

Error unknown_key(KeyHandle handle) { return {Status::no_key, "Unknown key " + number(handle.value)}; }

}  // namespace

Core::Core(EnginePorts engine_ports, EngineConfig engine_config, std::unique_ptr<StoreState> loaded)
    : ports(engine_ports),
      config(std::move(engine_config)),
      state(std::move(loaded)),
      key_cache(kCachedKeys),
      prepaid(config.prepay_pin_attempts) {}

Result<void> Core::open_session(ProvisioningHandle handle) const {
  const Session::Row* const row = state->find_row<Session>(handle);
  if (row == nullptr) return Error{Status::no_session, "Unknown provisioning session " + number(handle.value)};
  if (!row->open) return Error{Status::no_session, "Provisioning session " + number(handle.value) + " is closed"};
  return {};
}

Result<ProvisioningHandle> Core::open_key(KeyHandle handle) const {
  const KeyEntry::Row* const row = state->find_row<KeyEntry>(handle);
  if (row == nullptr) return unknown_key(handle);
  if (!state->find_row<Session>(row->session)->open)
    return Error{Status::no_key, "Key " + number(handle.value) + " is already provisioned"};
  return row->session;
}

Result<std::shared_ptr<const KeyEntry>> Core::std_key(KeyHandle handle) const {
  const KeyEntry::Row* const row = state->find_row<KeyEntry>(handle);
  if (row == nullptr) return unknown_key(handle);
  if (state->find_row<Session>(row->session)->open)
    return Error{Status::no_key, "Key " + number(handle.value) + " is still being provisioned"};
  return state->get<KeyEntry>(handle);
}

Result<std::shared_ptr<const KeyEntry>> Core::find_key(ProvisioningHandle session, std::string_view id) const {
  for (const KeyHandle handle : state->linked<KeysOfSession>(session)) {
    SKS_LET(std::shared_ptr<const KeyEntry> key, state->get<KeyEntry>(handle));
    if (key->id == id) return key;
  }
  return std::shared_ptr<const KeyEntry>();
}

Result<SharedKeyMaterial> Core::key_material(const KeyEntry& key) {
  // A close can give a handle the secret of another key. Spec: sks-api.md 7.5.
  if (SharedKeyMaterial cached = key_cache.find(key.handle); cached != nullptr && belongs_to(*cached, key))
    return cached;
  SKS_LET(SecureBytes record, state->key_material(key.handle));
  SKS_LET(KeyMaterial material, decode_key_material(key, std::move(record)));
  return key_cache.insert(key.handle, std::move(material));
}

void Core::abort(ProvisioningHandle handle) {
  Change change(*state);
  for (const KeyHandle key : state->linked<KeysOfSession>(handle)) {
    for (const ExtensionHandle extension : state->linked<ExtensionsOfKey>(key)) change.erase<Extension>(extension);
    change.erase<KeyEntry>(key);
  }
  for (const PinPolicyHandle policy : state->linked<PinPoliciesOfSession>(handle)) {
    for (const PinGroupHandle group : state->linked<GroupsOfPolicy>(policy)) change.erase<PinGroup>(group);
    change.erase<PinPolicy>(policy);
  }
  for (const PukPolicyHandle policy : state->linked<PukPoliciesOfSession>(handle)) change.erase<PukPolicy>(policy);
  change.erase<Session>(handle);
  change.commit_or_catch_up_later();
}

Result<void> Core::await_durable(ProvisioningHandle changed) {
  DeferredCall* const deferred = DeferredCall::current_;
  if (deferred == nullptr || &deferred->core_ != this) return make_durable_or_abort(changed);
  deferred->changed_ = changed;
  deferred->waits_ = true;
  return {};
}

Result<void> Core::make_durable_or_abort(ProvisioningHandle changed) {
  Result<void> durable = ports.storage.make_durable();
  if (durable || !changed) return durable;
  const ProvisioningLock lock(locks);
  const Session::Row* const row = state->find_row<Session>(changed);
  if (row == nullptr) return durable;
  if (!row->open) return {};  // the close that came after is durable, and with it all that came before
  abort(changed);
  return durable;
}

thread_local DeferredCall* DeferredCall::current_ = nullptr;

bool DeferredCall::run(const std::function<void()>& call) {
  struct Turn {
    explicit Turn(DeferredCall* deferred) : outer(std::exchange(current_, deferred)) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { current_ = outer; }
    DeferredCall* const outer;
  };
  const Turn turn(this);
  call();
  return waits_;
}

Result<void> check_decodable(std::initializer_list<ByteView> arrays, std::initializer_list<std::string_view> texts) {
  return decodable(std::ranges::all_of(arrays, is_array) && std::ranges::all_of(texts, is_text));
}

Result<void> check_decodable(const std::vector<Bytes>& arrays) {
  return decodable(arrays.size() <= kMaxArray && std::ranges::all_of(arrays, is_array));
}

Result<void> check_decodable(const std::vector<std::string>& texts) {
  return decodable(texts.size() <= kMaxArray && std::ranges::all_of(texts, is_text));
}

Result<void> register_id(Session& session, const std::string& id, bool referenced) {
  if (session.name_space.contains(id)) return Error{Status::option, "id already used: " + id};
  SKS_TRY(check_id(id));
  session.name_space.emplace(id, referenced);
  return {};
}

Result<void> check_id(std::string_view id) {
  const auto visible = [](char c) { return c >= 0x21 && c <= 0x7E; };
  if (id.empty() || id.size() > kMaxIdLength || !std::ranges::all_of(id, visible))
    return Error{Status::option, "Bad id syntax"};
  return {};
}

}  // namespace sks::engine
