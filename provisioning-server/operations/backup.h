#pragma once

#include <string>

#include "sks-core/base/random.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/scrypt.h"

namespace sks::issuer {

/// What a backup or a restored folder needs besides; each a sentence, empty if nothing.
struct BackupNote {
  std::string sentence;
};

/// 128 MiB, and about half a second of 2020.
inline constexpr crypto::ScryptCosts kBackupCosts{17, 8, 1};

/// Writes everything in the folder of an issuer into one file, encrypted under a passphrase: configuration, profiles,
/// certificates, keys, and the SQLite database as it is at one moment, while servers may be running. Waits for a
/// process that renews certificates. Spec: issuer-backup.md
///
/// Fails with option (the file exists, the passphrase is empty, the folder holds no issuer) or storage.
Result<BackupNote> write_backup(const std::string& folder, const std::string& file, const SecureBytes& passphrase,
                                const Random& random, crypto::ScryptCosts costs = kBackupCosts);

/// Makes the folder of an issuer out of a backup. Until everything has been read and checked it has another name, so a
/// failure leaves nothing behind. Fails with option (the folder exists, the file is no backup), crypto (damaged or cut
/// off), authorization (wrong passphrase, or altered from the start) or storage.
Result<BackupNote> restore_backup(const std::string& file, const std::string& folder, const SecureBytes& passphrase);

}  // namespace sks::issuer
