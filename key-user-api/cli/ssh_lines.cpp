#include "key-user-api/cli/ssh_lines.h"

#include <limits>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/ssh_agent/identities.h"

namespace sks::cli {
namespace {

void write_line(const ssh::StoredIdentity& identity, std::ostream& out) {
  out << ssh::authorized_key(identity.key_blob, identity.comment) << "\n";
}

}  // namespace

Result<void> run_list_ssh(SecureKeyStore& store, std::ostream& out) {
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  SKS_LET(const std::vector<ssh::StoredIdentity> identities, ssh::stored_identities(store, kAll));
  for (const ssh::StoredIdentity& identity : identities) write_line(identity, out);
  return {};
}

Result<void> run_show_ssh(std::string_view key, SecureKeyStore& store, std::ostream& out) {
  SKS_LET(const ListedKey found, find_key(store, key));
  SKS_LET(const std::optional<ssh::StoredIdentity> identity, ssh::identity_of(store, found.handle));
  if (!identity)
    return Error{Status::option, "this key cannot sign for SSH: its kind, use, endorsement or state forbids"};
  write_line(*identity, out);
  return {};
}

}  // namespace sks::cli
