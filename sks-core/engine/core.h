#pragma once

#include <mutex>
#include <type_traits>

#include "sks-core/engine/authorization.h"
#include "sks-core/engine/key_cache.h"
#include "sks-core/engine/store_state.h"

namespace sks::engine {

struct Core;

/// A call in an open session: what it changes becomes durable when it succeeds.
struct SessionCall {
  Core& core;
  Change& change;
  Session& session;  ///< as it will be after the call
};

/// What the methods share: the ports, the store, and the look-ups and the session discipline of sks-api.md chapters 1.6
/// and 4. Except where Locks says otherwise, locks.store is held during every method.
struct Core {
  Core(EnginePorts engine_ports, EngineConfig engine_config, std::unique_ptr<StoreState> loaded);

  EnginePorts ports;
  EngineConfig config;
  std::unique_ptr<StoreState> state;
  KeyCache key_cache;
  PrepaidAttempts prepaid;
  Locks locks;

  AuthorizationPorts authorization() {
    return {*state, prepaid, config.device_pin, config.biometric_support, ports.clock, locks};
  }

  /// openSession of chapter 4. Fails with no_session alone: whatever else can fail aborts the session, see chapter 1.6.
  Result<void> open_session(ProvisioningHandle handle) const;
  /// openKey of chapter 4: the session that makes the key. Fails with no_key alone.
  Result<ProvisioningHandle> open_key(KeyHandle handle) const;
  /// stdKey of chapter 4. Fails with no_key, or as StoreState::get().
  Result<std::shared_ptr<const KeyEntry>> std_key(KeyHandle handle) const;

  /// The key of an open session with this id, or null.
  Result<std::shared_ptr<const KeyEntry>> find_key(ProvisioningHandle session, std::string_view id) const;

  /// What a committed key works with, from the cache or from its record.
  Result<SharedKeyMaterial> key_material(const KeyEntry& key);

  /// Runs `body` in the open session `handle`: commits what it changed, or aborts the session and returns its error.
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> in_open_session(ProvisioningHandle handle, Body body) {
    SKS_TRY(open_session(handle));
    auto result = run(handle, body);
    if (!result) abort(handle);
    return result;
  }
  /// The same in the open session that makes the key `handle`, which `body` gets as it is before the call.
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&, const KeyEntry&> in_session_of(KeyHandle handle, Body body) {
    using Outcome = std::invoke_result_t<Body&, SessionCall&, const KeyEntry&>;
    SKS_LET(const ProvisioningHandle session, open_key(handle));
    return in_open_session(session, [&](SessionCall& call) -> Outcome {
      SKS_LET(const std::shared_ptr<const KeyEntry> key, state->get<KeyEntry>(handle));
      return body(call, *key);
    });
  }

  /// Deletes an open session and everything made in it, for good even when the storage fails. Spec: 1.4, 1.6.
  void abort(ProvisioningHandle handle);

 private:
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> run(ProvisioningHandle handle, Body& body) {
    Change change(*state);
    SKS_LET(Session* const session, change.edit<Session>(handle));
    SessionCall call{*this, change, *session};
    auto result = body(call);
    if (result) SKS_TRY(change.commit());
    return result;
  }
};

/// Fails with option when the byte stream could not carry the arguments: such a request counts as undecodable, reaches
/// no method and aborts nothing. Spec: sks-api.md 2.3.
Result<void> check_decodable(std::initializer_list<ByteView> arrays, std::initializer_list<std::string_view> texts);
Result<void> check_decodable(const std::vector<Bytes>& arrays);
Result<void> check_decodable(const std::vector<std::string>& texts);

/// Name space rules of createPukPolicy, createPinPolicy and createKeyEntry: unused, then well-formed. Fails with
/// option.
Result<void> register_id(Session& session, const std::string& id, bool referenced);
Result<void> check_id(std::string_view id);

}  // namespace sks::engine

namespace sks {

struct Engine::Impl {
  engine::Core core;
};

}  // namespace sks
