#include "conformance/replay.h"

#include "conformance/replay_session.h"

namespace sks::conformance {
namespace {

SessionResult replay_one(const std::string& folder, ReplayDevice& device) {
  const Result<Recording> recording = read_recording(folder);
  if (!recording) return {folder, folder, recording.error().detail, {}};
  if (!device.lost.empty()) return {folder, recording->name, "the device does not answer: " + device.lost, {}};
  const Session session(*recording);
  ReplayResults results;
  SessionReplay replay(*recording, session, device, results);
  replay.run();
  SessionResult result{folder, recording->name, replay.obstacle(), {}};
  if (!result.unreadable.empty()) return result;
  result.checks = results.take();
  for (const std::string& method : replay.unplayed())
    result.notes.push_back("calls left out, for a replay does not play their method: " + method);
  if (replay.left_out() != 0)
    result.notes.push_back("calls left out, for no recording made what they are about: " +
                           std::to_string(replay.left_out()));
  return result;
}

}  // namespace

std::vector<SessionResult> replay(const std::vector<std::string>& folders, SecureKeyStore& store) {
  std::vector<SessionResult> results;
  Result<ReplayDevice> device = start_replay(store);
  for (const std::string& folder : folders)
    results.push_back(device ? replay_one(folder, *device)
                             : SessionResult{folder, folder, "the device fails: " + device.error().detail, {}});
  if (!device || !device->lost.empty() || results.empty()) return results;
  Findings cleaning;
  SessionResult& last = results.back();
  for (std::string& note : clean_up(*device, cleaning)) last.notes.push_back(std::move(note));
  for (CheckResult& row : last.checks)
    if (row.topic == &replay_topics().back()) row.findings = std::move(cleaning);
  return results;
}

}  // namespace sks::conformance
