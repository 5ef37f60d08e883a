#include "key-user-api/ssh_agent/pin_memory.h"

namespace sks::ssh {

PinMemory::Era PinMemory::era() const {
  const std::lock_guard guard(mutex_);
  return era_;
}

std::optional<SecureBytes> PinMemory::find(PinGroupHandle group) {
  const std::lock_guard guard(mutex_);
  const std::int64_t now = clock_.now();
  // A clock that was put back makes nothing last longer.
  std::erase_if(entries_, [&](const auto& entry) {
    return now < entry.second.since || now - entry.second.since >= lifetime_.count();
  });
  const auto found = entries_.find(group.value);
  if (found == entries_.end()) return std::nullopt;
  return SecureBytes::copy_of(found->second.pin.view());
}

void PinMemory::remember(PinGroupHandle group, const SecureBytes& pin, Era era) {
  const std::lock_guard guard(mutex_);
  if (era != era_ || lifetime_.count() == 0) return;
  entries_.insert_or_assign(group.value, Entry{SecureBytes::copy_of(pin.view()), clock_.now()});
}

void PinMemory::forget(PinGroupHandle group) {
  const std::lock_guard guard(mutex_);
  entries_.erase(group.value);
}

void PinMemory::forget_all() {
  const std::lock_guard guard(mutex_);
  entries_.clear();
  ++era_;
}

}  // namespace sks::ssh
