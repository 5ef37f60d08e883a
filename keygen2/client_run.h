#pragma once

#include "keygen2/client_session.h"
#include "keygen2/messages.h"

/// The state of a ClientSession and its steps, one file each. Private to ClientSession.
namespace sks::keygen2 {

/// Where the run stands. Spec: keygen2.md 1.4.
enum class ClientPhase : std::uint8_t {
  start,        ///< C1
  invoked,      ///< C2
  initialized,  ///< C3
  discovered,   ///< C4
  created,      ///< C5
  deferred,     ///< C5d: only a termination may follow
  finished,     ///< C6: only a termination may follow
  ended,        ///< C7, C8, C9
};

struct ClientRun {
  SecureKeyStore& store;
  UserDialog& dialog;
  const Clock& clock;
  ClientContext context;

  ClientPhase phase = ClientPhase::start;
  DeviceInfo device{};      ///< from the first request on
  std::uint8_t action = 0;  ///< position in kActions
  bool privacy_enabled = false;
  bool announced_key_suspension = false;
  SessionIds ids{};
  ProvisioningHandle session{};  ///< none while no session is open in the key store
  /// Ids of the keys of this run, and their application usage.
  std::map<std::string, std::uint8_t> created{};
  std::size_t key_count = 0;
  bool committed = false;
  RunSummary summary{};

  Outcome<void> check_ids(const SessionIds& received) const {
    if (received == ids) return {};
    return Failure{ErrorClass::session, "the message belongs to another session"};
  }

  /// Spec: keygen2.md 8.9.
  void abort() noexcept;
};

// One for each row of the client's state machine, keygen2.md 1.4. They set the phase that follows, and leave it to the
// caller to abort when they fail.
Outcome<std::string> on_invocation(ClientRun& run, const InvocationRequest& request);
Outcome<std::string> on_initialization(ClientRun& run, const ProvisioningInitializationRequest& request);
Outcome<std::string> on_discovery(ClientRun& run, const CredentialDiscoveryRequest& request);
Outcome<std::string> on_key_creation(ClientRun& run, const KeyCreationRequest& request);
Outcome<std::string> on_finalization(ClientRun& run, const ProvisioningFinalizationRequest& request);
/// Finalization as the first message.
Outcome<std::string> on_resumption(ClientRun& run, const ProvisioningFinalizationRequest& request);

/// The error of a key store call becomes the failure of the run.
template <class T>
Outcome<T> from_store(Result<T> result) {
  if (!result) return failure(ErrorClass::sks, result.error());
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(result).value();
}

}  // namespace sks::keygen2
