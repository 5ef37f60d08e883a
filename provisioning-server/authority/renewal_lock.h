#pragma once

#include <optional>
#include <string>
#include <utility>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// Held by the process that renews certificates, or that reads them all with their keys. The kernel lets go of it when
/// the process ends, however it does.
class RenewalLock {
 public:
  enum class Wait : bool { no, yes };
  /// None: another process has it. Fails with storage.
  static Result<std::optional<RenewalLock>> take(const std::string& file, Wait wait);

  RenewalLock(RenewalLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RenewalLock& operator=(RenewalLock&&) = delete;
  ~RenewalLock();

 private:
  explicit RenewalLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace sks::issuer
