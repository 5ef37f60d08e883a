#include "provisioning-server/directory/directory.h"
#include "provisioning-server/directory/list_query.h"
#include "provisioning-server/internal/repository_rows.h"

namespace sks::issuer {
namespace {

constexpr const char* kColumns = "credentials.fingerprint, uri, credentials.not_after, credentials.status";

Result<SignatureProfileRow> profile_row(const SqlRow& row) {
  SignatureProfileRow made;
  made.credential = row.text(0);
  Result<SignatureProfile> profile = SignatureProfile::parse(row.text(1));
  if (!profile) return Error{Status::storage, "the database holds a signature profile that is none"};
  made.profile = std::move(profile).value();
  made.not_after = row.integer(2);
  SKS_LET(made.status, parse_status(row.text(3)));
  return made;
}

}  // namespace

Result<Page<SignatureProfileRow>> Directory::signature_profiles(const SignatureProfileFilter& filter,
                                                                const PageRequest& page, std::int64_t now) const {
  SKS_TRY(check_texts({&filter.subject}));
  // Along the index of subjects; most of a user's credentials with such a profile are the newest of few.
  const ListPath path{"credentials JOIN signature_profiles ON signature_profiles.credential = credentials.fingerprint",
                      "credentials.subject = $1",
                      {filter.subject},
                      {{"credentials.fingerprint", ListKey::Type::text}},
                      ListPath::Direction::up};
  return read_page<SignatureProfileRow>(
      database_, path, kColumns, page, profile_row, [&](const SignatureProfileRow& row, const SqlRow&) {
        return !filter.in_force || (row.status == Credential::Status::issued && row.not_after >= now);
      });
}

}  // namespace sks::issuer
