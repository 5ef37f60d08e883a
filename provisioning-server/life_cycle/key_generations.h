#pragma once

#include <string>
#include <vector>

#include "provisioning-server/audit/audit_log.h"
#include "provisioning-server/authority/file_seal.h"
#include "provisioning-server/database/database.h"
#include "provisioning-server/issuer_paths.h"
#include "provisioning-server/key_manager.h"

/// The key management keys as files: keys/kmk.key is generation 1, keys/kmk-2.key generation 2, and so on. They are
/// never deleted: the older ones speak for the keys of devices that have not been back since, and authorize their
/// successors.
namespace sks::issuer {

std::string key_generation_file(const IssuerPaths& paths, std::int64_t generation);
/// Those that are there, without a gap.
std::vector<std::string> key_generation_files(const IssuerPaths& paths);

/// Fails as read_key_file() for the first generation and as KeyManager::from_keys(), with the file in the sentence.
Result<KeyManager> read_key_generations(const IssuerPaths& paths, const FileSeal& seal);

/// Makes the generation behind the newest, sealed, and returns its number. At whatever instant this ends, the file is
/// there as a whole or not at all. Fails with storage, with not_allowed when another process has made it meanwhile, or
/// with crypto.
Result<std::int64_t> make_next_generation(const IssuerPaths& paths, const FileSeal& seal);

/// Whether note_key_generations() would take the keys; changes nothing. Fails as it does.
Result<void> check_key_generations(Database& database, const KeyManager& keys);

/// Compares the keys with those that the database has seen, and puts new generations on record there, each with its
/// audit entry by `actor`. Fails with option when the folder lacks a generation, or has another key for one; with
/// storage.
Result<void> note_key_generations(Database& database, AuditLog& audit, const KeyManager& keys, const std::string& actor,
                                  std::int64_t now);

}  // namespace sks::issuer
