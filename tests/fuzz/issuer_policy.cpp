#include "provisioning-server/policy.h"
#include "provisioning-server/policy/subject_source.h"
#include "tests/fuzz/checks.h"

namespace {

using namespace sks;
using namespace sks::issuer;

/// A file of an operator is refused with its name, or used.
template <class T>
bool accepted(const Result<T>& result) {
  if (result) return true;
  fuzz::require(result.error().status == Status::option, "class of a refusal");
  fuzz::require(result.error().detail.starts_with("f:"), "a refusal names the file");
  return false;
}

void read_config(std::string_view content) {
  const auto config = parse_config(content, "f");
  if (!accepted(config)) return;
  for (const DeviceAuthorityRules& rules : config->device_authorities)
    fuzz::require(!rules.name.empty() &&
                      (rules.revocation != attestation::DevicePathRules::Revocation::required || !rules.lists.empty()),
                  "a device CA that needs lists has some");
}

/// What a profile makes of a ticket either stands in certificates, or is refused with a sentence.
void use(const Profile& profile) {
  const std::string data = R"({"user": "jo", "cn": "Jo, \"Doe\"+=", "email": "jo@example.org", "id": "17"})";
  class Users final : public SubjectDirectory {
   public:
    Result<std::optional<SubjectData>> find(const std::string&) override {
      return std::optional(SubjectData{{"sn", "Doe\\#"}});
    }
  } users;
  const auto facts = find_subject(profile, &users, "CN=Jo", data);
  if (!facts) return fuzz::require(facts.error().status == Status::option, "class of a refusal");
  fuzz::require(!keys_in_message_order(profile).empty() || !profile.lookups.empty(), "a profile does something");
  if (profile.certificate.subject.empty()) return;
  const auto name = crypto::parse_dn(facts->subject);
  fuzz::require(static_cast<bool>(name), "the subject is a name");
  const auto filled = fill_subject(profile.certificate, facts->data);
  fuzz::require(filled && filled->size() == name->size(), "no value of the data begins another attribute");
}

void read_profile(std::string_view content) {
  const ReadProfileFile read = [](const std::string& name) -> Result<Bytes> { return to_bytes(as_bytes(name)); };
  const auto profile = parse_profile(content, "p", "f", read);
  if (!accepted(profile)) return;
  fuzz::require(profile->key_extensions.size() == keys_in_message_order(*profile).size(), "every key has its list");
  const auto again = parse_profile(profile->text.content, "p", "f", read);
  fuzz::require(again && again->digest == profile->digest, "the kept text is the same profile");
  use(*profile);
}

void check_users(const Result<DirectoryUsers>& users) {
  if (!accepted(users)) return;
  for (const auto& [user, data] : *users)
    for (const auto& [name, value] : data)
      fuzz::require(is_data_name(name) && is_data_value(value), "what the directory says fits into a certificate");
}

void read_data(std::string_view json) {
  const auto data = parse_subject_data(json);
  if (!data) return fuzz::require(data.error().status == Status::option, "class of a refusal");
  const auto again = parse_subject_data(subject_data_text(*data));
  fuzz::require(!again || *again == *data, "data are read as they are written");
}

}  // namespace

/// What operators write: the first line says which file it is, the others are its content.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view content(reinterpret_cast<const char*>(data), size);
  const std::string_view kind = content.substr(0, content.find('\n'));
  content.remove_prefix(std::min(kind.size() + 1, content.size()));
  if (kind == "config") read_config(content);
  if (kind == "profile") read_profile(content);
  if (kind == "csv") check_users(parse_csv_directory(content, "f"));
  if (kind == "json") check_users(parse_json_directory(content, "f"));
  if (kind == "data") read_data(content);
  return 0;
}
