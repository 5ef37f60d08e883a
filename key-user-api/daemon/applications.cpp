#include "key-user-api/daemon/applications.h"

#include <algorithm>
#include <utility>

namespace sks::daemon {

Applications::Seat::Seat(Seat&& other) noexcept : home_(other.home_), entry_(std::exchange(other.entry_, nullptr)) {}

Applications::Seat& Applications::Seat::operator=(Seat&& other) noexcept {
  std::swap(home_, other.home_);
  std::swap(entry_, other.entry_);
  return *this;
}

Applications::Seat::~Seat() {
  if (entry_ != nullptr) home_->leave(*entry_);
}

token::Application* Applications::Seat::application() const {
  return entry_ == nullptr ? nullptr : entry_->application.get();
}
std::uint32_t Applications::Seat::number() const { return entry_ == nullptr ? 0 : entry_->number; }
ByteView Applications::Seat::secret() const { return entry_ == nullptr ? ByteView() : entry_->secret.view(); }

Result<Applications::Seat, Applications::Problem> Applications::take_seat(ByteView secret) {
  return secret.empty() ? found() : join(secret);
}

Result<Applications::Seat, Applications::Problem> Applications::join(ByteView secret) {
  const std::lock_guard lock(mutex_);
  // All are compared, so that the time tells nothing about which one is close.
  Entry* known = nullptr;
  for (Entry& entry : entries_)
    if (equal_constant_time(entry.secret.view(), secret)) known = &entry;
  if (known == nullptr) return Problem::unknown_secret;
  if (known->connections >= limits_.connections_of_each) return Problem::too_many_connections;
  ++known->connections;
  return Seat(*this, *known);
}

Result<Applications::Seat, Applications::Problem> Applications::found() {
  std::list<Entry> made(1);
  Entry& entry = made.front();
  entry.secret = SecureBytes(kApplicationSecretSize);
  random_.fill(entry.secret.span());
  entry.connections = 1;
  entry.application = service_.new_application();
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= limits_.applications) return Problem::too_many_applications;
  entry.number = ++last_number_;
  entries_.splice(entries_.end(), made);
  return Seat(*this, entry);
}

void Applications::leave(Entry& entry) {
  std::list<Entry> ended;  // goes without the lock: there may be much to end
  const std::lock_guard lock(mutex_);
  if (--entry.connections > 0) return;
  const auto place = std::ranges::find_if(entries_, [&](const Entry& each) { return &each == &entry; });
  ended.splice(ended.end(), entries_, place);
}

std::size_t Applications::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace sks::daemon
