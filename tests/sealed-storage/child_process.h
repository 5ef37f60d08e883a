#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

/// Processes that tests start, and kill.
namespace sks::test {

/// A forked process that runs `body` with a function to report one text; it then waits to be killed, or ends.
class Child {
 public:
  using Report = std::function<void(const std::string&)>;

  explicit Child(const std::function<void(const Report&)>& body);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }

  /// The next line that the child reports, empty when it ended without one. Works after kill() too.
  std::string report() const;

  void kill();

 private:
  pid_t pid_ = 0;
  int read_end_ = -1;
};

/// Mounts 1 MiB, so that only this process sees it and the mount ends with it. False where that is not allowed.
bool mount_small_disk(const std::string& folder);

/// Takes what a small file system has left.
void write_until_full(const std::string& path);

}  // namespace sks::test
