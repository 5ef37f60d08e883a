#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "sks-core/capi/ports.h"

namespace sks::capi {

/// An engine with the ports it lives in.
class Store {
 public:
  /// Fails as sks_open.
  static Result<std::shared_ptr<Store>> open(const sks_options& options);

  /// Runs `body` with the engine. Fails with not_allowed when the calling thread is in a call of this store already,
  /// that is in a callback, and with option when the store is closed.
  template <class Body>
  Result<void> run(Body body) {
    if (runs_here()) return Error{Status::not_allowed, "a callback must not call the store that called it"};
    const Visit visit(*this);
    const std::shared_lock lock(running_);
    if (engine_ == nullptr) return closed();
    return body(static_cast<SecureKeyStore&>(*engine_));
  }

  /// Whether the calling thread is in a call of this store.
  bool runs_here() const;

  /// Waits for the calls that run; later ones are refused. Not while runs_here().
  void close();

  static Error closed() { return {Status::option, "this is no open store"}; }

 private:
  /// One more call on this thread: callbacks may well use another store.
  class Visit {
   public:
    explicit Visit(const Store& visited) : store(visited), outer(innermost_) { innermost_ = this; }
    ~Visit() { innermost_ = outer; }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    const Store& store;
    const Visit* const outer;
  };

  Store() = default;
  Result<void> open_ports(const sks_options& options);

  static thread_local const Visit* innermost_;

  std::shared_mutex running_;  // shared by calls, exclusive while closing
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<DeviceIdentity> identity_;
  std::unique_ptr<DevicePinVerifier> device_pin_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Engine> engine_;
};

/// The open stores, under numbers that are never used again. A sks_store* is such a number in the clothes of a pointer:
/// it is looked up and never followed, so that a closed store is recognised.
class OpenStores {
 public:
  static OpenStores& instance();
  sks_store* add(std::shared_ptr<Store> store);
  /// Fails with option.
  Result<std::shared_ptr<Store>> find(const sks_store* handle) const;
  /// Fails with option. Of several threads that remove one store, one succeeds.
  Result<void> remove(const sks_store* handle);

 private:
  mutable std::mutex mutex_;
  std::map<const sks_store*, std::shared_ptr<Store>> stores_;
  std::uintptr_t next_ = 1;
};

}  // namespace sks::capi
