#include "provisioning-server/listener/connection_limits.h"

namespace sks::issuer {

ConnectionLimits::ConnectionLimits(std::size_t in_all, std::size_t per_address, std::function<void()> on_end)
    : in_all_(in_all), per_address_(per_address), on_end_(std::move(on_end)) {}

ConnectionLimits::Permit::Permit(std::shared_ptr<ConnectionLimits> limits, std::string address)
    : limits_(std::move(limits)), address_(std::move(address)) {}
ConnectionLimits::Permit::~Permit() { limits_->give_back(address_); }

bool ConnectionLimits::is_reached() const { return open() >= in_all_; }
bool ConnectionLimits::is_unused() const { return open() == 0; }

std::size_t ConnectionLimits::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::unique_ptr<ConnectionLimits::Permit> ConnectionLimits::take(const std::string& address) {
  const std::lock_guard lock(mutex_);
  std::size_t& of_address = by_address_[address];
  if (per_address_ != 0 && of_address >= per_address_) return nullptr;
  auto permit = std::make_unique<Permit>(shared_from_this(), address);
  ++of_address;
  ++open_;
  return permit;
}

void ConnectionLimits::give_back(const std::string& address) {
  std::function<void()> on_end;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_address_.find(address);
    if (--found->second == 0) by_address_.erase(found);
    --open_;
    on_end = on_end_;
  }
  if (on_end) on_end();
}

void ConnectionLimits::be_quiet() {
  const std::lock_guard lock(mutex_);
  on_end_ = nullptr;
}

}  // namespace sks::issuer
