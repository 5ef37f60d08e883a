#include "provisioning-server/policy/subject_source.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kUser = "user";

Result<void> add_directory(const Profile& profile, SubjectDirectory* directory, SubjectData& data) {
  if (directory == nullptr)
    return Error{Status::option, "profile " + profile.name + " asks a directory, and the issuer has none"};
  const auto user = data.find(kUser);
  if (user == data.end())
    return Error{Status::option, "the data must name the \"user\" in the directory for profile " + profile.name};
  SKS_LET(const std::optional<SubjectData> known, directory->find(user->second));
  if (!known) return Error{Status::option, "the directory knows no user \"" + user->second + '"'};
  for (const auto& [name, value] : *known) {
    const auto [entry, is_new] = data.emplace(name, value);
    if (!is_new && entry->second != value)
      return Error{Status::option, "the data says something else than the directory about \"" + name + '"'};
  }
  return {};
}

/// Everything that certify() will need later: it must not fail when the user has made keys.
Result<void> try_out(const Profile& profile, const SubjectFacts& facts) {
  const std::vector<const keygen2::KeySpec*> keys = keys_in_message_order(profile);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    SKS_TRY(make_certificate_request(profile.certificate, facts.subject, facts.data, keys[i]->app_usage));
    SKS_TRY(make_key_extensions(profile.key_extensions.at(i), facts.data));
  }
  return {};
}

}  // namespace

Result<SubjectFacts> find_subject(const Profile& profile, SubjectDirectory* directory,
                                  const std::string& ticket_subject, const std::string& ticket_data) {
  SubjectFacts facts{ticket_subject, {}};
  SKS_LET(facts.data, parse_subject_data(ticket_data));
  if (profile.certificate.from_directory) SKS_TRY(add_directory(profile, directory, facts.data));
  if (!profile.certificate.subject.empty()) {
    const auto name = fill_subject(profile.certificate, facts.data);
    if (!name) return Error{name.error().status, "the subject: " + name.error().detail};
    facts.subject = dn_text(*name);
  }
  SKS_TRY(try_out(profile, facts));
  return facts;
}

}  // namespace sks::issuer
