#include "key-user-api/cli/clock_check.h"

#include <algorithm>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"

namespace sks::cli {
namespace {

/// The latest time at which the key store is known to have been in use.
Result<std::int64_t> latest_use(SecureKeyStore& store) {
  SKS_LET(const DeviceInfo device, store.get_device_info());
  std::int64_t latest = 0;
  if (const auto certificate = crypto::Certificate::from_der(device.certificate_path.front()))
    latest = certificate->not_before();
  for (const SessionState state : {SessionState::open, SessionState::closed}) {
    SKS_LET(const std::vector<SessionInfo> sessions, list_sessions(store, state));
    for (const SessionInfo& session : sessions) latest = std::max(latest, std::int64_t{session.client_time});
  }
  return latest;
}

}  // namespace

Result<void> check_clock(SecureKeyStore& store, std::int64_t now) {
  SKS_LET(const std::int64_t latest, latest_use(store));
  if (latest <= now + kClockTolerance) return {};
  return Error{Status::not_allowed, "the clock of this machine says " + format_time(now) +
                                        ", and this key store was in use at " + format_time(latest)};
}

}  // namespace sks::cli
