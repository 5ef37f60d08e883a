#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <type_traits>

#include "sks-core/engine/authorization.h"
#include "sks-core/engine/key_cache.h"
#include "sks-core/engine/secure_key_store.h"
#include "sks-core/engine/store_state.h"
#include "sks-core/engine/unseen_calls.h"

namespace sks::engine {

struct Core;

/// A call in an open session: what it changes is durable before it is answered.
struct SessionCall {
  Core& core;
  Change& change;
  Session& session;             ///< as it will be after the call
  ProvisioningHandle handle;    ///< of the session, also when the call has erased it
  bool touches_others = false;  ///< whether `change` is about more than the session and what was made in it
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
  /// Sessions that are closed by a commit that may not be durable yet. Nobody may see what they made.
  std::set<ProvisioningHandle> closing;
  Locks locks;

  AuthorizationPorts authorization() {
    return {*state, prepaid, config.device_pin, config.biometric_support, ports.clock, locks};
  }

  /// Whether an existing session is open for everybody but the call that closes it.
  bool is_open(ProvisioningHandle session) const;
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
  /// Takes the locks, and gives them up before it waits for the storage.
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> in_open_session(ProvisioningHandle handle, Body body) {
    auto result = locked([&] { return run(handle, body, commit_step); });
    if (result) SKS_TRY(await_durable(handle));
    return result;
  }
  /// The same in the open session that makes the key `handle`, which `body` gets as it is before the call.
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&, const KeyEntry&> in_session_of(KeyHandle handle, Body body) {
    using Outcome = std::invoke_result_t<Body&, SessionCall&, const KeyEntry&>;
    ProvisioningHandle session;
    const auto with_key = [&](SessionCall& call) -> Outcome {
      SKS_LET(const std::shared_ptr<const KeyEntry> key, state->get<KeyEntry>(handle));
      return body(call, *key);
    };
    Outcome result = locked([&]() -> Outcome {
      SKS_LET(session, open_key(handle));
      return run(session, with_key, commit_step);
    });
    if (result) SKS_TRY(await_durable(session));
    return result;
  }
  /// in_open_session() for a call that ends the session: what everybody will see is durable before anybody sees it.
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> end_open_session(ProvisioningHandle handle, Body body) {
    bool is_durable = false;
    bool closes = false;
    const auto with_outcome = [&](SessionCall& call) {
      auto ended = body(call);
      is_durable = call.touches_others;
      return ended;
    };
    auto result = locked([&] {
      auto ended = run(handle, with_outcome, commit_end);
      closes = closing.contains(handle);
      return ended;
    });
    // What is durable already holds, whatever becomes of the commits after it.
    if (result && !is_durable) SKS_TRY(await({handle, closes}));
    return result;
  }

  /// Makes a new session visible, as all calls in open sessions do with their changes: durable before long, or in
  /// memory alone under UnseenCalls.
  static Result<void> commit_step(Change& change, ProvisioningHandle session);

  /// Waits without locks until what was committed so far is durable, or leaves that to the PendingCall of this thread.
  /// When it fails the session `changed`, if there is one, is aborted. Returns at once under UnseenCalls.
  Result<void> await_durable(ProvisioningHandle changed);

  /// Under locks.store: gives the storage what it does not know of an open session, of which somebody is to be told.
  Result<void> write_out(ProvisioningHandle session);

  /// Deletes an open session and everything made in it, for good even when the storage fails. Spec: 1.4, 1.6.
  void abort(ProvisioningHandle handle);

 private:
  friend class DeferredCall;
  using Commit = Result<void> (*)(SessionCall&);

  template <class Body>
  std::invoke_result_t<Body&> locked(const Body& body) {
    const ProvisioningLock lock(locks);
    return body();
  }
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> run(ProvisioningHandle handle, Body& body, Commit commit) {
    SKS_TRY(open_session(handle));
    auto result = try_to_run(handle, body, commit);
    if (!result) abort(handle);
    return result;
  }
  template <class Body>
  std::invoke_result_t<Body&, SessionCall&> try_to_run(ProvisioningHandle handle, Body& body, Commit commit) {
    Change change(*state);
    SKS_LET(Session* const session, change.edit<Session>(handle));
    SessionCall call{*this, change, *session, handle};
    auto result = body(call);
    if (result) SKS_TRY(commit(call));
    return result;
  }
  static Result<void> commit_step(SessionCall& call) { return commit_step(call.change, call.handle); }
  static Result<void> commit_end(SessionCall& call);

  /// What a thread waits for.
  struct Wait {
    ProvisioningHandle changed;
    bool closes = false;  ///< whether the session is in `closing`
  };
  Result<void> await(Wait wait);
  Result<void> make_durable_or_abort(Wait wait);
};

/// Collects what the call that a thread makes in `call` would have to wait for.
class DeferredCall final : public PendingCall {
 public:
  explicit DeferredCall(Core& core) : core_(core) {}
  DeferredCall(const DeferredCall&) = delete;
  DeferredCall& operator=(const DeferredCall&) = delete;
  /// A session does not remain closing, whatever becomes of the one who closed it.
  ~DeferredCall() override;
  /// Whether there is anything to wait for.
  bool run(const std::function<void()>& call);
  Result<void> finish() override;

 private:
  friend struct Core;
  static thread_local DeferredCall* current_;

  Core& core_;
  Core::Wait wait_;
  bool waits_ = false;
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
