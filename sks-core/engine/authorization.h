#pragma once

#include "sks-core/engine/store_state.h"

/// The one place where a PIN or PUK is compared, and where their error counters move.
///
/// An attempt is paid in advance: it is counted durably before the value is looked at and given back after a match. A
/// process that dies in between has lost an attempt and never gained one. Everything here can fail with storage: when
/// the payment cannot be made the value was not looked at.
namespace sks::engine {

struct AuthorizationPorts {
  StoreState& state;
  DevicePinVerifier* device_pin;  ///< null: no device PIN
  const Clock& clock;
};

/// Chapter 5.7. Fails with option (a PIN where none is required) or authorization.
Result<void> verify_pin(AuthorizationPorts ports, const KeyEntry& key, ByteView pin);

/// Chapter 5.8. Fails with option (no PUK) or authorization.
Result<void> verify_puk(AuthorizationPorts ports, const KeyEntry& key, ByteView puk);

/// Chapter 5.9, for the crypto methods. Fails with option or authorization.
Result<void> authorize(AuthorizationPorts ports, const KeyEntry& key, const Authorization& authorization);

}  // namespace sks::engine
