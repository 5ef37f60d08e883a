#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "provisioning-server/database/database.h"
#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

struct Session;
struct Step;
enum class StepOutcome : std::uint8_t;

/// [limits] of a profile; 0: no limit. Credentials count while they are pending, issued, suspended or abandoned and
/// their certificate has not expired; one that was abandoned not beside the one whose place it was to take.
struct ProfileLimits {
  std::int64_t credentials_per_device = 0;   ///< of this profile on one device
  std::int64_t credentials_per_subject = 0;  ///< of this profile
  std::int64_t sessions_per_device_and_hour = 0;
  bool any() const {
    return credentials_per_device != 0 || credentials_per_subject != 0 || sessions_per_device_and_hour != 0;
  }
};
ProfileLimits read_limits(TomlTable& root);

/// committed when a step that has been written in this transaction keeps to its limits, else the first that it does not
/// keep to. Only in Database::write(): what is counted must not change before the step is committed. Fails with
/// storage.
Result<StepOutcome> check_limits(SqlTransaction& transaction, const Step& step);

/// A limit that a session would exceed, as check_limits() calls it, and the sentence for the audit log.
struct LimitExcess {
  StepOutcome limit;
  std::string sentence;
};
/// The limit on credentials that a session with `coming` new ones exceeds by those alone that are issued, suspended
/// or abandoned already; none as long as there may be room, for which check_limits() has the last word. A session that
/// names no device is not measured by that. Fails with storage.
Result<std::optional<LimitExcess>> find_excess(SqlTransaction& transaction, const ProfileLimits& limits,
                                               const Session& session, std::int64_t coming, std::int64_t now);

}  // namespace sks::issuer
