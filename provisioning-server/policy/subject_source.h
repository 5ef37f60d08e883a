#pragma once

#include <string>

#include "provisioning-server/policy.h"
#include "provisioning-server/policy/subject_directory.h"

namespace sks::issuer {

/// What the certificates of a session say about their subject.
struct SubjectFacts {
  std::string subject;  ///< as parse_dn() reads it
  SubjectData data;     ///< for everything else that a profile makes of it
};

/// What a ticket and the directory (null: there is none) come to under a profile. A profile without a template for the
/// subject takes the ticket's. Where the profile asks the directory, the ticket's data names the "user", and may add
/// what the directory does not know.
///
/// Fails with option (the ticket does not fit the profile; something that the profile needs is not known; no such user)
/// or as SubjectDirectory::find().
Result<SubjectFacts> find_subject(const Profile& profile, SubjectDirectory* directory,
                                  const std::string& ticket_subject, const std::string& ticket_data);

}  // namespace sks::issuer
