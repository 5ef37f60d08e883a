#include "provisioning-server/policy/limits.h"

#include <array>

#include "provisioning-server/repository.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kMostCredentials = 10000;

/// Of the profile of the step's session; those that this session deletes or replaces make room.
std::string counted_by(const char* column) {
  return std::string(
             "SELECT count(*) FROM credentials WHERE profile = $1 AND status IN ('pending', 'issued', 'suspended')"
             " AND not_after > $2 AND fingerprint NOT IN"
             " (SELECT fingerprint FROM operations WHERE session = $3 AND operation IN ('remove', 'update')) AND ") +
         column + " = $4";
}

struct CredentialLimit {
  std::int64_t ProfileLimits::*most;
  std::string Session::*value;
  std::string statement;
  StepOutcome finding;
};

const std::array<CredentialLimit, 2>& credential_limits() {
  static const std::array<CredentialLimit, 2> kRows{{
      {&ProfileLimits::credentials_per_device, &Session::device_fingerprint, counted_by("device_fingerprint"),
       StepOutcome::device_credentials},
      {&ProfileLimits::credentials_per_subject, &Session::subject, counted_by("subject"),
       StepOutcome::subject_credentials},
  }};
  return kRows;
}

}  // namespace

ProfileLimits read_limits(TomlTable& root) {
  TomlTable table = root.table("limits");
  ProfileLimits limits;
  limits.credentials_per_device = table.integer_or("credentials_per_device", 1, kMostCredentials, 0);
  limits.credentials_per_subject = table.integer_or("credentials_per_subject", 1, kMostCredentials, 0);
  limits.sessions_per_device_and_hour = table.integer_or("sessions_per_device_and_hour", 1, kMostCredentials, 0);
  return limits;
}

Result<StepOutcome> check_limits(SqlTransaction& transaction, const Step& step) {
  const Session& session = step.after;
  for (const CredentialLimit& row : credential_limits()) {
    const std::int64_t most = step.limits.*row.most;
    // Anonymous devices cannot be told apart.
    if (most == 0 || step.pending.empty() || (session.*row.value).empty()) continue;
    SKS_LET(const SqlRows rows,
            transaction.query(row.statement, {session.profile, step.audit.time, session.id, session.*row.value}));
    if (rows.at(0).integer(0) > most) return row.finding;
  }
  // The device has told its name in this step.
  if (step.limits.sessions_per_device_and_hour == 0 || step.device_path.empty()) return StepOutcome::committed;
  SKS_LET(const SqlRows rows,
          transaction.query("SELECT count(*) FROM sessions WHERE device_fingerprint = $1 AND created > $2"
                            " AND profile = $3",
                            {session.device_fingerprint, step.audit.time - kHour, session.profile}));
  return rows.at(0).integer(0) > step.limits.sessions_per_device_and_hour ? StepOutcome::device_sessions
                                                                          : StepOutcome::committed;
}

}  // namespace sks::issuer
