#pragma once

#include "sks-core/engine/device_identity.h"
#include "tests/sks-core/replay/recording.h"
#include "tests/support/fakes.h"

namespace sks::test {

/// The device that the recordings were made with. Its attestation key is not on record, so this is another one.
class RecordedIdentity final : public DeviceIdentity {
 public:
  explicit RecordedIdentity(std::vector<Bytes> path);
  const std::vector<Bytes>& certificate_path() const override { return path_; }
  Result<Bytes> sign(ByteView data) const override { return key_.sign(data); }
  const crypto::PublicKey& public_key() const { return key_.public_key(); }

 private:
  crypto::PrivateKey key_;
  std::vector<Bytes> path_;
};

/// What has been compared, over all sessions.
struct ReplayTotals {
  int sessions = 0;
  int calls = 0;
  int errors = 0;  ///< calls that had to fail
  int values = 0;  ///< results that are determined: byte for byte what was recorded
  int macs = 0;    ///< MACs that the store accepted as they were recorded
  int signatures = 0;
};

/// A store with its random inputs.
struct ScriptedStore {
  SecureKeyStore& store;
  ScriptedRandom& random;
  ScriptedKeySource& keys;
  const RecordedIdentity& identity;
};

/// Makes the calls of one session, with the arguments that were recorded, and compares status and results.
///
/// The store takes the recorded key for the session although its ephemeral private key is not on record: a shared
/// secret belongs to both ends, so the store gets the server's private key and the call the client's public key. With
/// the session key, the recorded MACs, attestations, encryptions and authorizations hold as they are.
void replay(const Recording& recording, const ScriptedStore& device, ReplayTotals& totals);

}  // namespace sks::test
