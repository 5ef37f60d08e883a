#include "conformance/verify.h"

#include <algorithm>
#include <map>

namespace sks::conformance {
namespace {

SessionResult verify_one(const std::string& folder, std::map<std::string, std::string>& sessions) {
  const Result<Recording> recording = read_recording(folder);
  if (!recording) return {folder, folder, recording.error().detail, {}};
  SessionResult result{folder, recording->name, "", check_recording(*recording)};
  // Spec: keygen2.md 1.5, I-2
  Findings unread;
  const Node id = secrets(*recording, unread)["clientSessionId"];
  const auto [known, added] = sessions.emplace(id.text(), folder);
  const auto ids = result.checks.begin() + (std::ranges::find(checks(), &check_ids, &Check::run) - checks().begin());
  if (!added) ids->findings.add(id.place(), "is also that of the session in " + known->second);
  return result;
}

}  // namespace

Outcome SessionResult::outcome() const {
  if (!unreadable.empty()) return Outcome::unreadable;
  const bool passed = std::ranges::all_of(checks, [](const CheckResult& row) { return row.findings.empty(); });
  return passed ? Outcome::passed : Outcome::failed;
}

std::size_t SessionResult::comparisons() const {
  std::size_t sum = 0;
  for (const CheckResult& row : checks) sum += row.findings.comparisons();
  return sum;
}

Outcome outcome_of(const std::vector<SessionResult>& results) {
  Outcome worst = Outcome::passed;
  for (const SessionResult& result : results) worst = std::max(worst, result.outcome());
  return worst;
}

std::vector<CheckResult> check_recording(const Recording& recording) {
  std::vector<CheckResult> results;
  const Session session(recording);
  for (const Check& check : checks()) {
    results.push_back({&check.topic, {}});
    check.run(session, results.back().findings);
  }
  return results;
}

std::vector<SessionResult> verify(const std::vector<std::string>& folders) {
  std::map<std::string, std::string> sessions;
  std::vector<SessionResult> results;
  for (const std::string& folder : folders) results.push_back(verify_one(folder, sessions));
  return results;
}

}  // namespace sks::conformance
