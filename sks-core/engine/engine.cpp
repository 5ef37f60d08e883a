#include "sks-core/engine/engine.h"

#include "sks-core/engine/core.h"

namespace sks {

Result<std::unique_ptr<Engine>> Engine::open(EnginePorts ports, EngineConfig config) {
  if (ports.identity.certificate_path().empty()) return Error{Status::internal, "the device has no certificate"};
  SKS_LET(std::unique_ptr<engine::StoreState> state, engine::StoreState::load(ports.storage));
  auto impl = std::unique_ptr<Impl>(new Impl{{ports, std::move(config), std::move(state)}});
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  impl_->core.prepaid.give_back(*impl_->core.state);
  static_cast<void>(impl_->core.state->catch_up());  // else what is overdue comes back when the store is opened
}

std::unique_ptr<PendingCall> Engine::begin_call(const std::function<void()>& call) {
  auto pending = std::make_unique<engine::DeferredCall>(impl_->core);
  if (!pending->run(call)) return nullptr;
  return pending;
}

Result<DeviceInfo> Engine::get_device_info() {
  const EngineConfig& config = impl_->core.config;
  DeviceInfo info;
  info.device_type = config.device_type;
  info.vendor_name = config.vendor_name;
  info.vendor_description = config.vendor_description;
  info.certificate_path = impl_->core.ports.identity.certificate_path();
  for (const Algorithm& algorithm : all_algorithms()) info.supported_algorithms.emplace_back(algorithm.uri);
  info.crypto_data_size = config.crypto_data_size;
  info.extension_data_size = config.extension_data_size;
  info.device_pin_support = config.device_pin != nullptr;
  info.biometric_support = config.biometric_support;
  return info;
}

Result<std::string> Engine::update_firmware(ByteView) {
  return Error{Status::not_allowed, "this store offers no firmware update"};
}

namespace {

Result<std::optional<SessionInfo>> next_session(engine::Core& core, ProvisioningHandle previous, SessionState state) {
  const engine::StoreState& store = *core.state;
  if (previous && store.find_row<engine::Session>(previous) == nullptr) return std::optional<SessionInfo>();
  for (auto next = store.next<engine::Session>(previous); next; next = store.next<engine::Session>(*next)) {
    if (core.is_open(*next) != (state == SessionState::open)) continue;
    SKS_TRY(core.write_out(*next));
    SKS_LET(const std::shared_ptr<const engine::Session> found, store.get<engine::Session>(*next));
    const engine::Session& session = *found;
    SessionInfo info;
    info.handle = session.handle;
    info.session_key_algorithm = std::string(kSessionAlgorithm);
    info.privacy_enabled = session.privacy_enabled;
    info.key_management_key = session.key_management_key;
    info.client_time = session.client_time;
    info.session_life_time = session.session_life_time;
    info.server_session_id = session.server_session_id;
    info.client_session_id = session.client_session_id;
    info.issuer_uri = session.issuer_uri;
    return std::optional(std::move(info));
  }
  return std::optional<SessionInfo>();
}

}  // namespace

Result<std::optional<SessionInfo>> Engine::enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                           SessionState state) {
  engine::Core& core = impl_->core;
  const auto look = [&] {
    const std::lock_guard lock(core.locks.store);
    return next_session(core, previous, state);
  };
  auto found = look();
  // An open session may just have been made.
  if (found && *found && state == SessionState::open) SKS_TRY(core.await_durable({}));
  return found;
}

Result<std::optional<EnumeratedKey>> Engine::enumerate_keys(KeyHandle previous) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  const engine::StoreState& store = *core.state;
  if (previous && store.find_row<engine::KeyEntry>(previous) == nullptr) return std::optional<EnumeratedKey>();
  for (auto next = store.next<engine::KeyEntry>(previous); next; next = store.next<engine::KeyEntry>(*next)) {
    const ProvisioningHandle session = store.find_row<engine::KeyEntry>(*next)->session;
    if (!core.is_open(session)) return std::optional(EnumeratedKey{*next, session});
  }
  return std::optional<EnumeratedKey>();
}

Result<KeyAttributes> Engine::get_key_attributes(KeyHandle handle) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  KeyAttributes attributes;
  attributes.symmetric_key_length = key->symmetric_key_length.value_or(0);
  attributes.certificate_path = key->certificate_path;
  attributes.app_usage = static_cast<std::uint8_t>(key->app_usage);
  attributes.friendly_name = key->friendly_name;
  attributes.endorsed_algorithms = key->endorsed_algorithms;
  for (const engine::ExtensionReference& extension : key->extensions)
    attributes.extension_types.push_back(extension.type);
  return attributes;
}

namespace {

void describe_puk(const engine::PukPolicy& puk, KeyProtectionInfo& info) {
  info.protection_status |= kPukProtected;
  if (puk.retry_limit > 0 && puk.error_count >= puk.retry_limit) info.protection_status |= kPukBlocked;
  info.puk_format = static_cast<std::uint8_t>(puk.format);
  info.puk_retry_limit = puk.retry_limit;
  info.puk_error_count = puk.error_count;
}

void describe_pin(const engine::PinPolicy& policy, std::uint16_t error_count, KeyProtectionInfo& info) {
  info.protection_status |= kPinProtected;
  if (error_count >= policy.retry_limit) info.protection_status |= kPinBlocked;
  info.user_defined = policy.user_defined;
  info.user_modifiable = policy.user_modifiable;
  info.format = static_cast<std::uint8_t>(policy.format);
  info.retry_limit = policy.retry_limit;
  info.grouping = static_cast<std::uint8_t>(policy.grouping);
  info.pattern_restrictions = policy.pattern_restrictions;
  info.min_length = policy.min_length;
  info.max_length = policy.max_length;
  info.input_method = policy.input_method;
  info.pin_error_count = error_count;
}

}  // namespace

Result<KeyProtectionInfo> Engine::get_key_protection_info(KeyHandle handle) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  KeyProtectionInfo info;
  if (key->device_pin_protection) info.protection_status = kDevicePin;
  if (key->pin_policy) {
    SKS_LET(const auto policy, core.state->get<engine::PinPolicy>(key->pin_policy));
    SKS_LET(const auto group, core.state->get<engine::PinGroup>(key->pin_group));
    describe_pin(*policy, core.prepaid.error_count(*group), info);
    if (policy->puk_policy) {
      SKS_LET(const auto puk, core.state->get<engine::PukPolicy>(policy->puk_policy));
      describe_puk(*puk, info);
    }
  }
  if (key->activation_state != 0) info.protection_status |= kSuspended;
  info.enable_pin_caching = key->enable_pin_caching;
  info.biometric_protection = static_cast<std::uint8_t>(key->biometric_protection);
  info.export_protection = static_cast<std::uint8_t>(key->export_protection);
  info.delete_protection = static_cast<std::uint8_t>(key->delete_protection);
  info.key_backup = key->key_backup;
  return info;
}

Result<std::optional<PinGroupHandle>> Engine::pin_group(KeyHandle handle) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  if (!key->pin_group) return std::optional<PinGroupHandle>();
  return std::optional(key->pin_group);
}

std::size_t Engine::key_count(ProvisioningHandle session) {
  engine::Core& core = impl_->core;
  const std::lock_guard lock(core.locks.store);
  return core.state->linked<engine::KeysOfSession>(session).size();
}

}  // namespace sks
