#include "provisioning-server/policy/limits.h"

#include <array>

#include "provisioning-server/repository.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kMostCredentials = 10000;

/// What a device may hold although the last message of its session has not come: only the client knows why, so leaving
/// it out must not make room for one more certificate. What was to take the place of another key shares that place: it
/// counts itself only once the other one takes none, having been revoked or expired, or being of another profile.
constexpr const char* kMayBeHeld =
    "status = 'abandoned' AND NOT EXISTS (SELECT 1 FROM credentials AS earlier WHERE earlier.fingerprint ="
    " credentials.replaces AND earlier.status <> 'revoked' AND earlier.not_after > $2 AND"
    " earlier.profile = credentials.profile)";

/// Those with one of these statuses, and those that a device may hold all the same.
std::string counted(const std::string& statuses) {
  return "SELECT count(*) FROM credentials WHERE profile = $1 AND (status IN (" + statuses + ") OR (" + kMayBeHeld +
         ")) AND not_after > $2 AND ";
}

/// Of the profile of the step's session; those that this session deletes or replaces make room, and those whose places
/// they were to take: the device has the later ones, so it has the earlier ones no more.
std::string counted_by(const std::string& column) {
  return counted("'pending', 'issued', 'suspended'") +
         "fingerprint NOT IN (WITH RECURSIVE going (fingerprint) AS (SELECT fingerprint FROM operations"
         " WHERE session = $3 AND operation IN ('remove', 'update') UNION SELECT later.replaces FROM going"
         " JOIN credentials AS later ON later.fingerprint = going.fingerprint WHERE later.replaces <> '')"
         " SELECT fingerprint FROM going) AND " +
         column + " = $4";
}

/// Of the profile of the session: without those whose session may yet fail.
std::string settled_by(const std::string& column) { return counted("'issued', 'suspended'") + column + " = $3"; }

struct CredentialLimit {
  std::int64_t ProfileLimits::*most;
  std::string Session::*value;
  const char* holder;
  std::string counted;
  std::string settled;
  StepOutcome finding;
};

const std::array<CredentialLimit, 2>& credential_limits() {
  static const std::array<CredentialLimit, 2> kRows{{
      {&ProfileLimits::credentials_per_device, &Session::device_fingerprint, "device", counted_by("device_fingerprint"),
       settled_by("device_fingerprint"), StepOutcome::device_credentials},
      {&ProfileLimits::credentials_per_subject, &Session::subject, "subject", counted_by("subject"),
       settled_by("subject"), StepOutcome::subject_credentials},
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
            transaction.query(row.counted, {session.profile, step.audit.time, session.id, session.*row.value}));
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

Result<std::optional<LimitExcess>> find_excess(SqlTransaction& transaction, const ProfileLimits& limits,
                                               const Session& session, std::int64_t coming, std::int64_t now) {
  for (const CredentialLimit& row : credential_limits()) {
    const std::int64_t most = limits.*row.most;
    const std::string& value = session.*row.value;
    if (most == 0 || coming == 0 || value.empty()) continue;
    SKS_LET(const SqlRows rows, transaction.query(row.settled, {session.profile, now, value}));
    const std::int64_t there = rows.at(0).integer(0);
    if (there + coming <= most) continue;
    return std::optional(LimitExcess{
        row.finding, std::string("the ") + row.holder + " has " + std::to_string(there) + " credentials of profile " +
                         session.profile + ", the session would add " + std::to_string(coming) + ", and the profile " +
                         "allows " + std::to_string(most) + " for each " + row.holder});
  }
  return std::optional<LimitExcess>();
}

}  // namespace sks::issuer
