#pragma once

#include "sks-core/engine/store_state.h"

/// What a PIN or PUK must look like, and who shares it. Spec: sks-api.md chapter 5.
namespace sks::engine {

using pin::kAllPatterns, pin::kMissingGroup, pin::kRepeated, pin::kSequence, pin::kThreeInARow, pin::kTwoInARow;

/// Tests 1 to 6 of chapter 5.3. Fails with option.
Result<void> check_pin_value(const PinPolicy& policy, ByteView pin);

/// The number that keys of one policy have in common when they share a PIN. Spec: 5.6.
std::uint8_t group_class(Grouping grouping, AppUsage usage);

/// The group that a new key with `pin` joins: null when it founds one. Fails with option when the PIN violates the
/// grouping rule of chapter 5.4.
Result<std::shared_ptr<const PinGroup>> find_group(const StoreState& state, const PinPolicy& policy, AppUsage usage,
                                                   ByteView pin);

/// The rules for the PIN that changePin or setPin gives to `group`: chapters 5.3 and 5.5. Fails with option.
Result<void> check_new_pin(const StoreState& state, const PinPolicy& policy, const PinGroup& group, ByteView pin);

}  // namespace sks::engine
