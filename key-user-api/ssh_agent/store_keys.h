#pragma once

#include <chrono>

#include "key-user-api/ssh_agent/agent_keys.h"
#include "key-user-api/ssh_agent/identities.h"
#include "key-user-api/ssh_agent/pin_memory.h"

namespace sks::ssh {

struct StorePorts {
  SecureKeyStore& store;
  UserApi::PinGroupOf pin_group_of;
  token::TrustedDialog& dialog;
  const Clock& clock;
};

/// The keys of a key store.
///
/// A PIN is asked for with the dialog, for every signature. Where its issuer permits that (enablePinCaching) it is
/// remembered for `pin_lifetime`, for programs of this machine only: one at another host makes the dialog ask each
/// time.
class StoreKeys final : public AgentKeys {
 public:
  StoreKeys(StorePorts ports, std::chrono::seconds pin_lifetime);

  Result<std::vector<Identity>> identities() override;
  Result<Identity> find(ByteView key_blob) override;
  Result<Bytes> sign(const Requester& requester, ByteView key_blob, const Scheme& scheme, ByteView data) override;
  void forget_pins() override { memory_.forget_all(); }

 private:
  struct Task;

  Result<StoredIdentity> look_up(ByteView key_blob);
  Result<Bytes> execute(const Task& task, const SecureBytes& pin);
  Result<Bytes> execute_with_pin(const Task& task);
  Result<std::optional<Bytes>> try_remembered(const Task& task);
  Result<Bytes> ask_and_execute(const Task& task);

  StorePorts ports_;
  PinMemory memory_;
  std::mutex question_;  ///< held while the user is asked: one question at a time
  std::mutex trying_;    ///< held while a remembered PIN is used; may be taken with question_ held
  std::mutex handles_mutex_;
  std::map<Bytes, KeyHandle> handles_;  ///< as they were when they were last looked at
};

}  // namespace sks::ssh
