#include "provisioning-server/operations/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace sks::issuer {

RateLimit::RateLimit(double per_second, double burst, std::size_t entries)
    : per_second_(per_second), burst_(burst), entries_(entries) {}

bool RateLimit::take(std::string_view key, double now) {
  if (per_second_ <= 0) return true;
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    if (by_use_.size() >= entries_) {
      by_key_.erase(by_use_.back().key);
      by_use_.pop_back();
    }
    by_use_.push_front({std::string(key), burst_, now});
    by_key_.emplace(by_use_.front().key, by_use_.begin());
  } else {
    by_use_.splice(by_use_.begin(), by_use_, known->second);
  }
  Bucket& bucket = by_use_.front();
  bucket.tokens = tokens_of(bucket, now);
  bucket.time = std::max(bucket.time, now);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

bool RateLimit::has(std::string_view key, double now) const {
  if (per_second_ <= 0) return true;
  const std::lock_guard lock(mutex_);
  const auto known = by_key_.find(key);
  return (known == by_key_.end() ? burst_ : tokens_of(*known->second, now)) >= 1;
}

double RateLimit::tokens_of(const Bucket& bucket, double now) const {
  return std::min(burst_, bucket.tokens + std::max(0.0, now - bucket.time) * per_second_);
}

std::size_t RateLimit::size() const {
  const std::lock_guard lock(mutex_);
  return by_use_.size();
}

std::string rate_key(const std::string& address) {
  constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  // A scope behind '%' is of this machine's interfaces, not of the address.
  const std::string plain = address.substr(0, address.find('%'));
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET6, plain.c_str(), bytes.data()) != 1) return plain;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin()))
    return inet_ntop(AF_INET, bytes.data() + kMapped.size(), text.data(), text.size());
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return std::string(inet_ntop(AF_INET6, bytes.data(), text.data(), text.size())) + "/64";
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace sks::issuer
