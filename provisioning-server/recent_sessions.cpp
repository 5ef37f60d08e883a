#include "provisioning-server/recent_sessions.h"

namespace sks::issuer {

void RecentSessions::keep(Session session, std::int64_t now) {
  if (is_over(session.phase)) return;
  std::list<Session> added;  // made, and what has to go is destroyed, while nobody waits
  added.push_back(std::move(session));
  std::list<Session> removed;
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = by_cookie_.try_emplace(added.front().cookie_digest, added.begin());
  if (!is_new) removed.splice(removed.end(), sessions_, std::exchange(known->second, added.begin()));
  sessions_.splice(sessions_.end(), added);
  while (sessions_.size() > most_ || (!sessions_.empty() && sessions_.front().expires <= now)) {
    by_cookie_.erase(sessions_.front().cookie_digest);
    removed.splice(removed.end(), sessions_, sessions_.begin());
  }
}

std::optional<Session> RecentSessions::take(const std::string& cookie_digest) {
  std::list<Session> taken;
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_cookie_.find(cookie_digest);
    if (known == by_cookie_.end()) return std::nullopt;
    taken.splice(taken.end(), sessions_, known->second);
    by_cookie_.erase(known);
  }
  return std::move(taken.front());
}

}  // namespace sks::issuer
