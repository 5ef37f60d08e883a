#pragma once

#include <map>

#include "tests/sks-core/replay/replay.h"

namespace sks::test {

/// What took place on the recorded store between the recorded sessions: sessions that are not on record themselves.
/// They are made again as far as the recorded calls show them, so that handles and enumerations come out as they did.
class Gaps {
 public:
  explicit Gaps(const std::vector<Recording>& recordings);
  /// Makes the sessions before the recorded one with this handle.
  void fill_up_to(ProvisioningHandle next, const ScriptedStore& device);

 private:
  struct Session;
  static const std::vector<Session>& sessions();
  void make(const Session& session, const ScriptedStore& device) const;
  void make_key(class TestIssuer& issuer, KeyHandle key, PinPolicyHandle policy, const ScriptedStore& device) const;

  // What recorded calls returned about sessions and keys, by handle.
  std::map<ProvisioningHandle, Json> sessions_seen_;
  std::map<KeyHandle, Json> attributes_seen_;
  std::size_t next_ = 0;
};

}  // namespace sks::test
