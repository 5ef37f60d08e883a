#pragma once

#include <cstdint>

#include "provisioning-server/database/database.h"
#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {

struct Step;
enum class StepOutcome : std::uint8_t;

/// [limits] of a profile; 0: no limit. Credentials count while they are pending, issued or suspended and their
/// certificate has not expired.
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
/// keep to. Only in Database::write(): what is
/// counted must not change before the step is committed. Fails with storage.
Result<StepOutcome> check_limits(SqlTransaction& transaction, const Step& step);

}  // namespace sks::issuer
