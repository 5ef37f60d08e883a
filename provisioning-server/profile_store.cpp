#include "provisioning-server/profile_store.h"

#include <algorithm>
#include <filesystem>

#include "provisioning-server/internal/files.h"
#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

// Any valid URI does: the rules of a plan do not depend on it.
constexpr const char* kProbeUri = "https://issuer.example/keygen2";
/// Old versions that sessions under way go on with: few at one time.
constexpr std::size_t kVersionsInMemory = 64;
/// What sentences call the folder: people who administer the issuer read them, and need not know where it is.
constexpr const char* kFolderInSentences = "profiles";

std::string shown(const std::string& name) { return std::string(kFolderInSentences) + '/' + name + ".toml"; }

}  // namespace

ProfileStore::ProfileStore(std::string folder, DeviceTrustMode device_trust, Bytes key_management_key,
                           std::vector<Bytes> server_certificates, ProfileArchive* archive)
    : folder_(std::move(folder)),
      device_trust_(device_trust),
      key_management_key_(std::move(key_management_key)),
      server_certificates_(std::move(server_certificates)),
      archive_(archive) {}

Result<std::vector<std::string>> ProfileStore::names() const {
  std::vector<std::string> names;
  std::error_code failure;
  std::filesystem::directory_iterator entry(folder_, failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    const std::filesystem::path& path = entry->path();
    if (path.extension() == ".toml" && is_profile_name(path.stem().string())) names.push_back(path.stem().string());
  }
  if (failure)
    return Error{Status::not_available,
                 std::string("cannot read the folder of the ") + kFolderInSentences + ": " + failure.message()};
  std::ranges::sort(names);
  return names;
}

Error ProfileStore::unknown(const std::string& name) const {
  const Result<std::vector<std::string>> known = names();
  if (!known) return known.error();
  std::string list;
  for (const std::string& other : *known) list += (list.empty() ? "; there are: " : ", ") + other;
  return {Status::not_available, "there is no profile \"" + name + '"' +
                                     (list.empty() ? std::string("; there are none in ") + kFolderInSentences : list)};
}

Result<std::string> ProfileStore::read(const std::string& name) const {
  Result<std::string> content = read_file(folder_ + '/' + name);
  if (content) return content;
  Error error = content.error();
  if (const std::size_t at = error.detail.find(folder_); at != std::string::npos)
    error.detail.replace(at, folder_.size(), kFolderInSentences);
  return error;
}

Result<Bytes> ProfileStore::read_beside(const std::string& name) const {
  SKS_LET(const std::string content, read(name));
  return to_bytes(as_bytes(content));
}

/// "In privacyEnabled mode there is no device trust": whoever demands trust would get keys from anywhere.
Result<void> ProfileStore::check_trust(const Profile& profile, const std::string& file) const {
  if (!profile.privacy_enabled || device_trust_ == DeviceTrustMode::open) return {};
  return Error{Status::option, file +
                                   ": privacy_enabled = true needs device_trust = \"open\" in issuer.toml: an "
                                   "anonymous device proves nothing"};
}

Result<ProfileStore::Found> ProfileStore::parse(const std::string& name, const std::string& content,
                                                const std::string& file, const ReadProfileFile& read) const {
  SKS_LET(Profile profile, parse_profile(content, name, file, read));
  SKS_TRY(check_trust(profile, file));
  const auto session = keygen2::IssuerSession::start(
      make_plan(profile, kProbeUri, key_management_key_, draw_puk(profile, system_random())),
      {system_clock(), system_random(), server_certificates_});
  if (!session) return Error{Status::option, file + ": " + session.error().detail};
  return std::make_shared<const Profile>(std::move(profile));
}

Result<ProfileStore::Found> ProfileStore::load(const std::string& name) const {
  SKS_LET(const std::string content, read(name + ".toml"));
  return check(name, content);
}

Result<ProfileStore::Found> ProfileStore::check(const std::string& name, const std::string& content) const {
  return parse(name, content, shown(name), [this](const std::string& beside) { return read_beside(beside); });
}

std::string ProfileStore::stamp_of(const std::string& file, const Profile* profile) const {
  std::string stamp = file_stamp(file);
  if (stamp.empty() || profile == nullptr) return stamp;
  for (const auto& beside : profile->text.files) stamp += ' ' + file_stamp(folder_ + '/' + beside.first);
  return stamp;
}

Result<ProfileStore::Found> ProfileStore::find(const std::string& name) {
  if (!is_profile_name(name))
    return Error{Status::option, "the name of a profile has 1 to 64 characters: letters, digits, '-' and '_'"};
  const std::string file = file_of(name);
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[name];
  std::string stamp = stamp_of(file, entry.profile.get());
  if (stamp.empty()) return unknown(name);
  if (entry.profile != nullptr && entry.stamp == stamp) return entry.profile;
  Result<Found> loaded = load(name);
  if (!loaded && entry.profile == nullptr) return loaded;
  if (loaded) {
    entry.profile = *loaded;
    stamp = stamp_of(file, entry.profile.get());
  } else {
    log_error("profile-not-used", {{"reason", loaded.error().detail}});
  }
  entry.stamp = std::move(stamp);
  return entry.profile;
}

ProfileStore::Found ProfileStore::find_at_hand(const std::string& name) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return nullptr;
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.profile == nullptr) return nullptr;
  const Found& profile = entry->second.profile;
  return stamp_of(file_of(name), profile.get()) == entry->second.stamp ? profile : nullptr;
}

Result<ProfileStore::Found> ProfileStore::find_in_archive(const std::string& digest) const {
  if (archive_ == nullptr) return Error{Status::not_available, "there is no record of profiles here"};
  SKS_LET(const std::optional<ProfileText> text, archive_->find(digest));
  if (!text) return Error{Status::not_available, "the profile of the session is not on record"};
  const ReadProfileFile read = [&text](const std::string& name) -> Result<Bytes> {
    const auto file = text->files.find(name);
    if (file == text->files.end()) return Error{Status::not_available, name + " is not on record"};
    return file->second;
  };
  return parse(text->name, text->content, text->name + ".toml as of the start of the session", read);
}

Result<ProfileStore::Found> ProfileStore::find_version(const std::string& name, const std::string& digest) {
  if (const Result<Found> current = find(name); current && (*current)->digest == digest) return *current;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = versions_.find(digest); known != versions_.end()) return known->second;
  }
  SKS_LET(Found found, find_in_archive(digest));
  const std::lock_guard lock(mutex_);
  if (versions_.size() >= kVersionsInMemory) versions_.clear();
  versions_[digest] = found;
  return found;
}

Result<void> ProfileStore::keep(const Profile& profile, std::int64_t now) {
  if (archive_ == nullptr) return Error{Status::internal, "there is no record of profiles here"};
  {
    const std::lock_guard lock(mutex_);
    if (kept_.contains(profile.digest)) return {};
  }
  SKS_TRY(archive_->keep(profile.text, now));
  const std::lock_guard lock(mutex_);
  kept_.insert(profile.digest);
  return {};
}

}  // namespace sks::issuer
