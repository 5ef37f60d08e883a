#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "provisioning-server/repository.h"

namespace sks::issuer {

/// Rows of sessions as this process has last written them, which spares most steps a look into the repository. A copy
/// may be out of date when another process has taken a step since: what is decided by one counts only if the repository
/// moves the session from the copy's version, as commit_step() does. Secrets in it are sealed as in the repository.
///
/// Safe for several threads.
class RecentSessions {
 public:
  /// Keeps at most so many, the latest ones.
  explicit RecentSessions(std::size_t most) : most_(most) {}

  /// Instead of any earlier copy; one that is over is not kept, and those that have expired by `now` go. The reply of
  /// the session is not needed.
  void keep(Session session, std::int64_t now);
  /// The copy, which is here no more.
  std::optional<Session> take(const std::string& cookie_digest);

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::list<Session> sessions_;                                    ///< the oldest first
  std::map<std::string, std::list<Session>::iterator> by_cookie_;  ///< keys are digests
};

}  // namespace sks::issuer
