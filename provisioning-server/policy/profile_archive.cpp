#include "provisioning-server/policy/profile_archive.h"

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {

std::string profile_digest(const std::string& content, const std::map<std::string, Bytes>& files) {
  std::string all = content;
  for (const auto& [name, file] : files) all += to_hex(crypto::sha256(file)) + "  " + name + '\n';
  return to_hex(crypto::sha256(as_bytes(all)));
}

Result<void> ProfileArchive::keep(const ProfileText& profile, std::int64_t now) {
  return database_.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const std::int64_t added,
            transaction.run("INSERT INTO profiles (digest, name, content, first_used) VALUES ($1, $2, $3, $4)"
                            " ON CONFLICT DO NOTHING",
                            {profile.digest, profile.name, profile.content, now}));
    if (added == 0) return {};
    for (const auto& [name, content] : profile.files)
      SKS_TRY(transaction.run("INSERT INTO profile_files (profile, name, content) VALUES ($1, $2, $3)",
                              {profile.digest, name, content}));
    return {};
  });
}

Result<std::optional<ProfileText>> ProfileArchive::find(const std::string& digest) {
  std::optional<ProfileText> found;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    found.reset();
    SKS_LET(const SqlRows rows, transaction.query("SELECT name, content FROM profiles WHERE digest = $1", {digest}));
    if (rows.empty()) return {};
    found = ProfileText{rows[0].text(0), digest, rows[0].text(1), {}};
    SKS_LET(const SqlRows files,
            transaction.query("SELECT name, content FROM profile_files WHERE profile = $1", {digest}));
    for (const SqlRow& file : files) found->files.emplace(file.text(0), file.blob(1));
    return {};
  }));
  // Whoever can write to the database must not be able to change what is issued.
  if (found && profile_digest(found->content, found->files) != digest)
    return Error{Status::crypto, "the database holds a profile " + digest + " that was altered"};
  return found;
}

}  // namespace sks::issuer
