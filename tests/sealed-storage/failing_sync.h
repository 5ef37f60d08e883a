#pragma once

#include <sys/types.h>

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

}  // namespace sks::test
