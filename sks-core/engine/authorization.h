#pragma once

#include <set>

#include "sks-core/engine/locks.h"
#include "sks-core/engine/store_state.h"

/// The one place where a PIN or PUK is compared, and where their error counters move.
///
/// An attempt is paid in advance: it is counted durably before the value is looked at and given back after a match. A
/// process that dies in between has lost an attempt and never gained one. Everything here can fail with storage: when
/// the payment cannot be made the value was not looked at.
namespace sks::engine {

/// PIN groups whose next attempt is paid for already: their stored error count is one above the true one.
///
/// After a right PIN the payment stays in the store for the next attempt, so that using a key again and again costs no
/// commit. A process that dies meanwhile has lost one attempt, whatever it had done; an orderly end gives it back.
class PrepaidAttempts {
 public:
  /// `allowed`: EngineConfig::prepay_pin_attempts.
  explicit PrepaidAttempts(bool allowed) : allowed_(allowed) {}

  /// The errors that stay in the store after a right PIN. The attempt that is paid for must not be the last one: a
  /// crash would block the key.
  std::uint16_t payment(const PinPolicy& policy) const { return allowed_ && policy.retry_limit > 1 ? 1 : 0; }

  /// The errors that the users of the group have made.
  std::uint16_t error_count(const PinGroup& group) const;

  bool contains(PinGroupHandle group) const { return groups_.contains(group); }
  void insert(PinGroupHandle group) { groups_.insert(group); }
  void erase(PinGroupHandle group) { groups_.erase(group); }

  /// Makes the store tell the true count of every group again, as far as the storage allows.
  void give_back(StoreState& state);
  /// Keeps the number of payments bounded. Fails with storage.
  Result<void> give_back_some(StoreState& state);

 private:
  bool allowed_;
  std::set<PinGroupHandle> groups_;
};

struct AuthorizationPorts {
  StoreState& state;
  PrepaidAttempts& prepaid;
  DevicePinVerifier* device_pin;  ///< null: no device PIN
  bool biometric_support;
  const Clock& clock;
  Locks& locks;  ///< the caller holds `store`; it is released while a PUK is delayed
};

/// Chapter 5.7. Fails with option (a PIN where none is required) or authorization.
Result<void> verify_pin(AuthorizationPorts ports, const KeyEntry& key, ByteView pin);

/// Chapter 5.8. Fails with option (no PUK), authorization, or no_key when the key went away during the delay.
Result<void> verify_puk(AuthorizationPorts ports, const KeyEntry& key, ByteView puk);

/// Chapter 5.9, for the crypto methods. On a device without biometrics, which may have had them when the key was made,
/// biometricAuth fits no key. Fails with option or authorization.
Result<void> authorize(AuthorizationPorts ports, const KeyEntry& key, const Authorization& authorization);

}  // namespace sks::engine
