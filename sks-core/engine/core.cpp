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

bool Core::is_open(ProvisioningHandle session) const {
  return state->find_row<Session>(session)->open || closing.contains(session);
}

Result<void> Core::open_session(ProvisioningHandle handle) const {
  const Session::Row* const row = state->find_row<Session>(handle);
  if (row == nullptr) return Error{Status::no_session, "Unknown provisioning session " + number(handle.value)};
  if (row->open) return {};
  const std::string_view how = closing.contains(handle) ? " is being closed" : " is closed";
  return Error{Status::no_session, "Provisioning session " + number(handle.value) + std::string(how)};
}

Result<ProvisioningHandle> Core::open_key(KeyHandle handle) const {
  const KeyEntry::Row* const row = state->find_row<KeyEntry>(handle);
  if (row == nullptr) return unknown_key(handle);
  if (state->find_row<Session>(row->session)->open) return row->session;
  const std::string_view how =
      closing.contains(row->session) ? " is in a session that is being closed" : " is already provisioned";
  return Error{Status::no_key, "Key " + number(handle.value) + std::string(how)};
}

Result<std::shared_ptr<const KeyEntry>> Core::std_key(KeyHandle handle) const {
  const KeyEntry::Row* const row = state->find_row<KeyEntry>(handle);
  if (row == nullptr) return unknown_key(handle);
  if (is_open(row->session))
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
  closing.erase(handle);
  if (!change.erase_from_memory()) change.commit_or_catch_up_later();
}

Result<void> Core::commit_step(Change& change, ProvisioningHandle session) {
  if (UnseenCalls::are_made()) return change.keep_in_memory();
  change.write_also(session);
  return change.commit_shared();
}

// A session that changes nothing but its own can remain unseen while its commit becomes durable, so that several share
// a sync. What becomes of the objects of others is seen at once.
Result<void> Core::commit_end(SessionCall& call) {
  call.change.write_also(call.handle);
  if (call.touches_others) return call.change.commit();
  Core& core = call.core;
  core.closing.insert(call.handle);  // before anything is published: this may run out of memory
  SKS_TRY(call.change.commit_shared());
  if (core.state->find_row<Session>(call.handle) == nullptr) core.closing.erase(call.handle);
  return {};
}

Result<void> Core::write_out(ProvisioningHandle session) {
  if (!state->is_unwritten(session)) return {};
  Change change(*state);
  change.write_also(session);
  return change.commit_shared();
}

Result<void> Core::await_durable(ProvisioningHandle changed) {
  if (UnseenCalls::are_made()) return {};
  return await({changed, false});
}

Result<void> Core::await(Wait wait) {
  DeferredCall* const deferred = DeferredCall::current_;
  if (deferred == nullptr || &deferred->core_ != this) return make_durable_or_abort(wait);
  deferred->wait_ = wait;
  deferred->waits_ = true;
  return {};
}

Result<void> Core::make_durable_or_abort(Wait wait) {
  Result<void> durable = ports.storage.make_durable();
  if (durable && wait.closes) {
    const std::lock_guard lock(locks.store);
    // A failure before, of which an earlier call in the session was told, has aborted it.
    if (closing.erase(wait.changed) == 0)
      return Error{Status::storage, "the storage has failed, the session is aborted"};
  }
  if (durable || !wait.changed) return durable;
  const ProvisioningLock lock(locks);
  const Session::Row* const row = state->find_row<Session>(wait.changed);
  if (row == nullptr) return durable;
  if (!is_open(wait.changed)) return {};  // the close that came after is durable, and with it all that came before
  abort(wait.changed);
  return durable;
}

thread_local DeferredCall* DeferredCall::current_ = nullptr;

DeferredCall::~DeferredCall() {
  if (!waits_ || !wait_.closes) return;
  try {
    static_cast<void>(finish());
  } catch (const std::bad_alloc&) {
    return;
  }
}

Result<void> DeferredCall::finish() {
  waits_ = false;
  return core_.make_durable_or_abort(wait_);
}

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
