#pragma once

#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace sks::test {

inline constexpr uid_t kNobody = 65534;

/// Root may do whatever modes forbid: while one lives, root is kNobody.
class Unprivileged {
 public:
  Unprivileged() {
    if (user_ == 0) REQUIRE(::seteuid(kNobody) == 0);
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;
  ~Unprivileged() {
    if (user_ == 0) static_cast<void>(::seteuid(user_));
    ::prctl(PR_SET_DUMPABLE, 1);  // lost with the change, and needed by the leak check
  }

 private:
  uid_t user_ = ::geteuid();
};

}  // namespace sks::test
