#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "provisioning-server/policy.h"

namespace sks::issuer {

/// The profiles of a folder, read on first use and again whenever their file changes.
///
/// A file that an edit has broken does not stop the service: the last good version stays in use, and the log says so.
class ProfileStore {
 public:
  /// `key_management_key` as for make_plan, `server_certificates` as for IssuerContext: a profile is accepted only when
  /// a session can be started with it, and when `device_trust` has a meaning for its sessions.
  ProfileStore(std::string folder, DeviceTrustMode device_trust, Bytes key_management_key,
               std::vector<Bytes> server_certificates);

  /// Fails with not_available (no profile of that name; the sentence lists those that exist) or option (broken file, or
  /// a name that no profile can have).
  Result<std::shared_ptr<const Profile>> find(const std::string& name);

  /// In alphabetical order. Fails with not_available when the folder cannot be read.
  Result<std::vector<std::string>> names() const;

 private:
  Error unknown(const std::string& name) const;
  struct Entry {
    std::string stamp;
    std::shared_ptr<const Profile> profile;
  };
  Result<std::shared_ptr<const Profile>> load(const std::string& name, const std::string& file) const;

  std::string folder_;
  DeviceTrustMode device_trust_;
  Bytes key_management_key_;
  std::vector<Bytes> server_certificates_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace sks::issuer
