#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "sealed-storage/files.h"

namespace sks::sealed {

/// The exclusive hold of one process on a store folder. The kernel drops it when the process ends, however it ends.
///
/// A child that the holder forks off gets no part of it: the lock ends with the holder, and held() is false in the
/// child.
class FolderLock {
 public:
  /// Fails with not_available when another holder lives ("store in use by process N"), storage when the lock file
  /// cannot be written. Two holds within one process exclude each other too. `patience`: how long to wait for another
  /// holder to end.
  static Result<FolderLock> acquire(const std::string& path, std::chrono::milliseconds patience = {});

  /// The process that holds the folder now: "process N", or "another process" when it has not said yet which it is.
  /// None when nobody does.
  static std::optional<std::string> holder(const std::string& path);

  bool held() const { return static_cast<bool>(*file_); }

 private:
  struct Release {
    void operator()(FileDescriptor* file) const;
  };

  explicit FolderLock(FileDescriptor file);

  std::unique_ptr<FileDescriptor, Release> file_;
};

}  // namespace sks::sealed
