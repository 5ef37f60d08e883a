#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// A profile as it was read, with everything that it refers to.
struct ProfileText {
  std::string name;
  std::string digest;  ///< over all the rest: see profile_digest()
  std::string content;
  std::map<std::string, Bytes> files;  ///< by the names that the content uses
};

/// SHA-256 in hexadecimal of the content; where there are files, of the content and, for each of them in the order of
/// their names, the line that sha256sum prints.
std::string profile_digest(const std::string& content, const std::map<std::string, Bytes>& files);

/// Every version of a profile that a session was started with: the session goes on with it, in any process, when the
/// files have changed or are gone. Safe for several threads.
class ProfileArchive {
 public:
  explicit ProfileArchive(Database& database) : database_(database) {}

  /// A version that is there already stays as it is. Fails with storage.
  Result<void> keep(const ProfileText& profile, std::int64_t now);
  /// Fails with storage, or with crypto when what the database holds does not have this digest.
  Result<std::optional<ProfileText>> find(const std::string& digest);

 private:
  Database& database_;
};

}  // namespace sks::issuer
