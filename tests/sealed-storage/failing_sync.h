#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace sks::test {

/// While one lives, every sync of one folder or file fails with an I/O error, as on a medium that is going; all else
/// works. One at a time.
class FailingSync {
 public:
  explicit FailingSync(const std::string& path);
  FailingSync(const FailingSync&) = delete;
  FailingSync& operator=(const FailingSync&) = delete;
  ~FailingSync();
};

/// While one lives, something happens after each sync of one file, and before the program goes on. One at a time.
class AfterSync {
 public:
  AfterSync(const std::string& path, std::function<void()> then);
  AfterSync(const AfterSync&) = delete;
  AfterSync& operator=(const AfterSync&) = delete;
  ~AfterSync();
};

}  // namespace sks::test
