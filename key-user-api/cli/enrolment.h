#pragma once

#include <optional>
#include <ostream>

#include "key-user-api/cli/browser.h"
#include "key-user-api/cli/http_message.h"
#include "key-user-api/cli/invocation.h"
#include "keygen2/user_dialog.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::cli {

/// Aborts the open sessions that a run which was cut off has left behind: those that are older than their life time,
/// and those of the local issuer, whose end of them was in that process. Spec: keygen2.md 8.8, backup.md 5.
///
/// For a store that no other process uses.
Result<void> abort_stale_sessions(SecureKeyStore& store, std::int64_t now);

/// What a run works with.
struct EnrolmentPorts {
  HttpTransport& transport;
  SecureKeyStore& store;
  keygen2::UserDialog& dialog;
  const Clock& clock;
  std::ostream& progress;
  Browser* browser;  ///< for the issuer's pages; null: they are only named
};

/// That a run may only go on with what is waiting, and with what.
struct Resumption {
  std::optional<ProvisioningHandle> session;  ///< none: the one that the issuer names
};

/// Runs KeyGen2 from the first GET to the termination, telling each step in one line. Fails with user_abort when the
/// user cancels, else with the status of the key store or external; unless the detail says that the keys are in the key
/// store, nothing of the run remains in it.
///
/// Succeeds as well when the issuer takes its time: then the session stays open, and the last line says until when it
/// can be resumed. An issuer that goes on with such a session may do so in any run. Under a `resumption` it must: fails
/// with no_session when none of its sessions waits (before it is asked), and with external when it begins another.
/// Spec: keygen2.md 8.8.
Result<void> enrol(const Invocation& invocation, const EnrolmentPorts& ports,
                   const std::optional<Resumption>& resumption = std::nullopt);

/// "2026-01-31 12:00:00Z": until when an open session can be resumed.
std::string end_of_session(const SessionInfo& session);

}  // namespace sks::cli
