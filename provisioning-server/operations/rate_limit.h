#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sks::issuer {

/// Token buckets by key: each key may do `per_second` things in the long run, and `burst` of them at once.
///
/// Remembers at most `entries` keys. A key that is forgotten for newer ones starts with a full bucket again: who has
/// that many addresses is not stopped by any limit on one. Safe for several threads.
class RateLimit {
 public:
  /// A rate of 0 lets everything pass.
  RateLimit(double per_second, double burst, std::size_t entries);

  /// `now` are seconds of a clock that does not jump. Takes a token, or says that there is none.
  bool take(std::string_view key, double now);
  /// Whether take() would find one.
  bool has(std::string_view key, double now) const;
  std::size_t size() const;

 private:
  struct Bucket {
    std::string key;
    double tokens;
    double time;
  };

  double tokens_of(const Bucket& bucket, double now) const;

  double per_second_;
  double burst_;
  std::size_t entries_;
  mutable std::mutex mutex_;
  std::list<Bucket> by_use_;  ///< the latest one in front
  std::unordered_map<std::string_view, std::list<Bucket>::iterator> by_key_;
};

/// What stands for a client in limits on addresses: an IPv4 address, also one written as IPv6, or the /64 of an IPv6
/// address, all of which one client usually has. `address` as inet_ntop writes it.
std::string rate_key(const std::string& address);

/// Seconds since some moment, never going back.
double steady_seconds();

}  // namespace sks::issuer
