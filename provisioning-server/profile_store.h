#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "provisioning-server/policy.h"
#include "provisioning-server/policy/profile_archive.h"

namespace sks::issuer {

/// The profiles of a folder, read on first use and again whenever their files change.
///
/// A file that an edit has broken does not stop the service: the last good version stays in use, and the log says so.
class ProfileStore {
 public:
  /// `key_management_key` as for make_plan, `server_certificates` as for IssuerContext: a profile is accepted only when
  /// a session can be started with it, and when `device_trust` has a meaning for its sessions. `archive` null: for
  /// checks only.
  ProfileStore(std::string folder, DeviceTrustMode device_trust, Bytes key_management_key,
               std::vector<Bytes> server_certificates, ProfileArchive* archive = nullptr);

  /// Fails with not_available (no profile of that name; the sentence lists those that exist) or option (broken file, or
  /// a name that no profile can have).
  Result<std::shared_ptr<const Profile>> find(const std::string& name);

  /// The same without reading a file, and without waiting for somebody who does; none when that is not possible.
  std::shared_ptr<const Profile> find_at_hand(const std::string& name);

  /// The version of that digest, wherever its files are: what a session goes on with. Fails with option (what is on
  /// record makes no sense to this program, or not with its device trust), not_available (not on record), crypto
  /// (altered) or storage.
  Result<std::shared_ptr<const Profile>> find_version(const std::string& name, const std::string& digest);

  /// Puts a version on record, for find_version() in any process. Fails with storage.
  Result<void> keep(const Profile& profile, std::int64_t now);

  /// The content of a file that might become the profile of that name. Fails with option.
  Result<std::shared_ptr<const Profile>> check(const std::string& name, const std::string& content) const;

  /// In alphabetical order. Fails with not_available when the folder cannot be read.
  Result<std::vector<std::string>> names() const;

 private:
  using Found = std::shared_ptr<const Profile>;
  struct Entry {
    std::string stamp;
    Found profile;
  };

  Error unknown(const std::string& name) const;
  std::string file_of(const std::string& name) const { return folder_ + '/' + name + ".toml"; }
  /// Changes whenever one of the files changes that the profile was made of.
  std::string stamp_of(const std::string& file, const Profile* profile) const;
  /// A file below the folder. Fails as read_file(), without saying where the folder is.
  Result<std::string> read(const std::string& name) const;
  Result<Bytes> read_beside(const std::string& name) const;
  Result<void> check_trust(const Profile& profile, const std::string& file) const;
  Result<Found> load(const std::string& name) const;
  Result<Found> parse(const std::string& name, const std::string& content, const std::string& file,
                      const ReadProfileFile& read) const;
  Result<Found> find_in_archive(const std::string& digest) const;

  std::string folder_;
  DeviceTrustMode device_trust_;
  Bytes key_management_key_;
  std::vector<Bytes> server_certificates_;
  ProfileArchive* archive_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Found> versions_;  ///< by digest; out of the archive
  std::set<std::string> kept_;             ///< digests that are on record for certain
};

}  // namespace sks::issuer
