#pragma once

#include <optional>
#include <vector>

#include "sks-core/base/bytes.h"

extern "C" {
#include "flash_log.h"
}

namespace sks::test {

/// A flash chip in memory whose power fails when a test says so. Holds the log to what flash can do.
class RamFlash {
 public:
  explicit RamFlash(std::size_t blocks, std::size_t block_size = 512);
  RamFlash(const RamFlash&) = delete;
  RamFlash& operator=(const RamFlash&) = delete;

  /// What a driver gets, and where it finds the rest.
  struct Chip {
    struct flash flash;  // stands first
    RamFlash* owner;
  };
  Chip chip{};
  Bytes cells;

  /// Power fails when so many more bytes have been programmed; an erasure counts as kEraseCost bytes.
  void fail_after(std::size_t bytes) { left_ = bytes; }
  void restore_power() { left_.reset(); }
  bool has_failed() const { return left_ == std::size_t{0}; }
  std::size_t work_done() const { return work_done_; }
  std::size_t erasures() const { return erasures_; }

  static constexpr std::size_t kEraseCost = 16;

 private:
  /// One byte's worth of work. False: power is off.
  bool spend();
  int program(std::size_t offset, ByteView data);
  int erase(std::size_t block);

  std::optional<std::size_t> left_;
  std::size_t work_done_ = 0;
  std::size_t erasures_ = 0;
};

/// Whether `secret` is anywhere in the cells.
bool is_in(const RamFlash& flash, ByteView secret);

}  // namespace sks::test
