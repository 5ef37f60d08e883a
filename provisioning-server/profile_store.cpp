#include "provisioning-server/profile_store.h"

#include <algorithm>
#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

// Any valid URI does: the rules of a plan do not depend on it.
constexpr const char* kProbeUri = "https://issuer.example/keygen2";

}  // namespace

ProfileStore::ProfileStore(std::string folder, DeviceTrustMode device_trust, Bytes key_management_key,
                           std::vector<Bytes> server_certificates)
    : folder_(std::move(folder)),
      device_trust_(device_trust),
      key_management_key_(std::move(key_management_key)),
      server_certificates_(std::move(server_certificates)) {}

Result<std::vector<std::string>> ProfileStore::names() const {
  std::vector<std::string> names;
  std::error_code failure;
  std::filesystem::directory_iterator entry(folder_, failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    const std::filesystem::path& path = entry->path();
    if (path.extension() == ".toml" && is_profile_name(path.stem().string())) names.push_back(path.stem().string());
  }
  if (failure) return Error{Status::not_available, "cannot read " + folder_ + ": " + failure.message()};
  std::ranges::sort(names);
  return names;
}

Error ProfileStore::unknown(const std::string& name) const {
  const Result<std::vector<std::string>> known = names();
  if (!known) return known.error();
  std::string list;
  for (const std::string& other : *known) list += (list.empty() ? "; there are: " : ", ") + other;
  return {Status::not_available,
          "there is no profile \"" + name + '"' + (list.empty() ? "; there are none in " + folder_ : list)};
}

Result<std::shared_ptr<const Profile>> ProfileStore::load(const std::string& name, const std::string& file) const {
  SKS_LET(const std::string content, read_file(file));
  SKS_LET(Profile profile, parse_profile(content, name, file));
  // "In privacyEnabled mode there is no device trust": whoever demands trust would get keys from anywhere.
  if (profile.privacy_enabled && device_trust_ != DeviceTrustMode::open)
    return Error{Status::option, file +
                                     ": privacy_enabled = true needs device_trust = \"open\" in issuer.toml: an "
                                     "anonymous device proves nothing"};
  const auto session = keygen2::IssuerSession::start(
      make_plan(profile, kProbeUri, key_management_key_, draw_puk(profile, system_random())),
      {system_clock(), system_random(), server_certificates_});
  if (!session) return Error{Status::option, file + ": " + session.error().detail};
  return std::make_shared<const Profile>(std::move(profile));
}

Result<std::shared_ptr<const Profile>> ProfileStore::find(const std::string& name) {
  if (!is_profile_name(name))
    return Error{Status::option, "the name of a profile has 1 to 64 characters: letters, digits, '-' and '_'"};
  const std::string file = folder_ + "/" + name + ".toml";
  const std::string stamp = file_stamp(file);
  if (stamp.empty()) return unknown(name);
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[name];
  if (entry.profile != nullptr && entry.stamp == stamp) return entry.profile;
  Result<std::shared_ptr<const Profile>> loaded = load(name, file);
  if (!loaded && entry.profile == nullptr) return loaded;
  entry.stamp = stamp;
  if (loaded) {
    entry.profile = *loaded;
  } else {
    log_error("profile-not-used", {{"reason", loaded.error().detail}});
  }
  return entry.profile;
}

}  // namespace sks::issuer
