#pragma once

#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "keygen2/issuer_session.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// The latest values of a process, by the digest of a session's cookie. Safe for several threads.
template <class Value>
class Recent {
 public:
  /// Keeps at most so many, the latest ones.
  explicit Recent(std::size_t most) : most_(most) {}

  /// Instead of any earlier value; those that have expired by `now` go.
  void keep(const std::string& cookie_digest, Value value, std::int64_t expires, std::int64_t now);
  /// The value, which is here no more.
  std::optional<Value> take(const std::string& cookie_digest);

 private:
  struct Entry {
    std::string cookie_digest;
    std::int64_t expires;
    Value value;
  };
  using Entries = std::list<Entry>;

  const std::size_t most_;
  std::mutex mutex_;
  Entries entries_;  ///< the oldest first
  std::map<std::string, typename Entries::iterator> by_cookie_;
};

/// A session as a process has last known it.
struct RecentSession {
  Session row;
  std::optional<keygen2::IssuerSession> state = {};  ///< what row.sealed_state would open to
};

/// Sessions as this process has last written them, which spares most steps a look into the repository. A copy may be
/// out of date when another process has taken a step since: what is decided by one counts only if the repository moves
/// the session from the copy's version, as commit_step() does.
///
/// Safe for several threads.
class RecentSessions {
 public:
  /// Keeps at most so many rows, whose secrets are sealed as in the repository, and of the latest ones the states too.
  RecentSessions(std::size_t most_rows, std::size_t most_states) : rows_(most_rows), states_(most_states) {}

  /// Instead of any earlier copy; a session that is over is not kept, and those that have expired by `now` go. The
  /// reply of the session is not needed.
  void keep(RecentSession session, std::int64_t now);
  /// The copy, which is here no more.
  std::optional<RecentSession> take(const std::string& cookie_digest);

 private:
  struct State {
    std::uint64_t version;  ///< of the row that it belongs to
    keygen2::IssuerSession state;
  };

  Recent<Session> rows_;
  Recent<State> states_;
};

}  // namespace sks::issuer
