#pragma once

#include <map>
#include <memory>
#include <set>

#include "conformance/key_model.h"
#include "conformance/replay_authority.h"
#include "conformance/verify.h"
#include "sks-core/engine/secure_key_store.h"

/// What the replay of one session leaves to the next. Private to the replay.
namespace sks::conformance {

/// What answers are sorted by, in the order of kReplayTopics.
enum class Subject : std::uint8_t {
  device,
  session,
  policies,
  keys,
  certificates,
  imports,
  extensions,
  management,
  close,
  enumeration,
  attributes,
  user,
  use,
  refusals,
  clean_up,
};
std::span<const Topic> replay_topics();

/// A result for each subject.
class ReplayResults {
 public:
  Findings& operator[](Subject subject) { return findings_[subject]; }
  std::vector<CheckResult> take();

 private:
  std::map<Subject, Findings> findings_;
};

/// Live handles, by those of the recordings.
struct Handles {
  std::map<std::uint32_t, std::uint32_t> sessions;
  std::map<std::uint32_t, std::uint32_t> keys;
};

struct ReplayDevice {
  SecureKeyStore& store;
  ReplayAuthority authority;
  KeyModel model;
  Handles handles;
  std::set<std::uint32_t> foreign_keys;  ///< were there before
  /// Key management keys: by the recorded SPKI the one that takes its place.
  std::map<Bytes, std::shared_ptr<const crypto::PrivateKey>> management_keys;
  // Everything that the device gave out and that must not come again, not even after an abort. Spec: sks-api.md 1.3.
  std::set<std::uint32_t> session_handles;
  std::set<std::uint32_t> key_handles;
  std::set<Bytes> public_keys;        ///< also ephemeral ones
  std::set<std::string> session_ids;  ///< and these
  std::set<std::string> probed;       ///< methods that have got a wrong MAC
  std::string lost;                   ///< why there is no device any more; empty: there is
};

/// Starts with what the device holds. Fails with what the device's methods fail with.
Result<ReplayDevice> start_replay(SecureKeyStore& store);

/// Whether the enumerations tell exactly what the model holds.
void check_enumerations(ReplayDevice& device, const std::string& when, Findings& findings);

/// Deletes the keys that were not there before. Gives a note about each that remains.
std::vector<std::string> clean_up(ReplayDevice& device, Findings& findings);

}  // namespace sks::conformance
