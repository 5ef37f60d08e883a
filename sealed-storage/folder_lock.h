#pragma once

#include <string>

#include "sealed-storage/files.h"

namespace sks::sealed {

/// The exclusive hold of one process on a store folder. The kernel drops it when the process ends, however it ends.
class FolderLock {
 public:
  /// Fails with not_available when another holder lives ("store in use by process N"), storage when the lock file
  /// cannot be written. Two holds within one process exclude each other too.
  static Result<FolderLock> acquire(const std::string& path);

 private:
  explicit FolderLock(FileDescriptor file) : file_(std::move(file)) {}

  FileDescriptor file_;
};

}  // namespace sks::sealed
