#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace sks::issuer {

/// Counts open connections, in all and for each address. Safe for several threads.
class ConnectionLimits : public std::enable_shared_from_this<ConnectionLimits> {
 public:
  /// One connection that counts until it is destroyed.
  class Permit {
   public:
    Permit(std::shared_ptr<ConnectionLimits> limits, std::string address);
    ~Permit();
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;

   private:
    std::shared_ptr<ConnectionLimits> limits_;
    std::string address_;
  };

  /// `per_address` 0: no limit. `on_end` runs whenever a connection has ended, in its thread, until be_quiet().
  ConnectionLimits(std::size_t in_all, std::size_t per_address, std::function<void()> on_end);

  bool is_reached() const;
  bool is_unused() const;
  std::size_t open() const;
  /// None: the address has as many connections as it may.
  std::unique_ptr<Permit> take(const std::string& address);
  void be_quiet();

 private:
  void give_back(const std::string& address);

  std::size_t in_all_;
  std::size_t per_address_;
  std::function<void()> on_end_;
  mutable std::mutex mutex_;
  std::size_t open_ = 0;
  std::map<std::string, std::size_t> by_address_;
};

}  // namespace sks::issuer
