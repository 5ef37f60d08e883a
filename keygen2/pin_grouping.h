#pragma once

#include "keygen2/enumerations.h"

namespace sks::keygen2 {

/// Keys of one policy share a PIN when their classes are equal, and must not when they differ. For grouping none,
/// neither holds. Spec: keygen2.md 8.4.
constexpr std::uint8_t pin_class(std::uint8_t grouping, std::uint8_t app_usage) {
  if (grouping == kGroupingUnique) return app_usage;
  if (grouping == kGroupingSignaturePlusStandard) return app_usage == kAppUsageSignature ? 0 : 1;
  return 0;
}

}  // namespace sks::keygen2
