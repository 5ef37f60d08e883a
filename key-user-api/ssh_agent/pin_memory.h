#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>

#include "sks-core/base/bytes.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/engine.h"

namespace sks::ssh {

/// PINs that were right, for as long as they may be kept. Thread-safe.
class PinMemory {
 public:
  /// No lifetime: nothing is kept.
  PinMemory(const Clock& clock, std::chrono::seconds lifetime) : clock_(clock), lifetime_(lifetime) {}

  /// Changes with every forget_all().
  using Era = unsigned;
  Era era() const;

  std::optional<SecureBytes> find(PinGroupHandle group);
  /// Unless everything was forgotten since `era`.
  void remember(PinGroupHandle group, const SecureBytes& pin, Era era);
  void forget(PinGroupHandle group);
  void forget_all();

 private:
  struct Entry {
    SecureBytes pin;
    std::int64_t since;
  };

  const Clock& clock_;
  std::chrono::seconds lifetime_;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Entry> entries_;
  Era era_ = 0;
};

}  // namespace sks::ssh
