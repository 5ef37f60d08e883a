#include "provisioning-server/recent_sessions.h"

#include <utility>

namespace sks::issuer {

template <class Value>
void Recent<Value>::keep(const std::string& cookie_digest, Value value, std::int64_t expires, std::int64_t now) {
  Entries added;  // made, and what has to go is destroyed, while nobody waits
  added.push_back({cookie_digest, expires, std::move(value)});
  Entries removed;
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = by_cookie_.try_emplace(cookie_digest, added.begin());
  if (!is_new) removed.splice(removed.end(), entries_, std::exchange(known->second, added.begin()));
  entries_.splice(entries_.end(), added);
  while (entries_.size() > most_ || (!entries_.empty() && entries_.front().expires <= now)) {
    by_cookie_.erase(entries_.front().cookie_digest);
    removed.splice(removed.end(), entries_, entries_.begin());
  }
}

template <class Value>
std::optional<Value> Recent<Value>::take(const std::string& cookie_digest) {
  Entries taken;
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_cookie_.find(cookie_digest);
    if (known == by_cookie_.end()) return std::nullopt;
    taken.splice(taken.end(), entries_, known->second);
    by_cookie_.erase(known);
  }
  return std::move(taken.front().value);
}

void RecentSessions::keep(RecentSession session, std::int64_t now) {
  Session& row = session.row;
  if (is_over(row.phase)) return;
  const std::string cookie_digest = row.cookie_digest;
  const std::int64_t expires = row.expires;
  if (session.state) states_.keep(cookie_digest, {row.version, std::move(*session.state)}, expires, now);
  rows_.keep(cookie_digest, std::move(row), expires, now);
}

std::optional<RecentSession> RecentSessions::take(const std::string& cookie_digest) {
  std::optional<State> state = states_.take(cookie_digest);
  std::optional<Session> row = rows_.take(cookie_digest);
  if (!row) return std::nullopt;
  RecentSession session{std::move(*row)};
  if (state && state->version == session.row.version) session.state = std::move(state->state);
  return session;
}

}  // namespace sks::issuer
