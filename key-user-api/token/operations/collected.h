#pragma once

#include "sks-core/base/bytes.h"

namespace sks::token {

/// Data of one call, and what an operation collects.
inline constexpr std::size_t kMaxData = 1'000'000;

/// Data that comes in parts, in memory that is cleansed.
class Collected {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  ByteView view() const { return memory_.view().first(size_); }
  void add(ByteView part);
  /// Forgets the first `count` bytes.
  void drop(std::size_t count);

 private:
  SecureBytes memory_;
  std::size_t size_ = 0;
};

}  // namespace sks::token
