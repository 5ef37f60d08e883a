#pragma once

#include <map>
#include <vector>

#include "keygen2/user_dialog.h"
#include "sealed-storage/backup_file.h"
#include "sks-core/base/clock.h"
#include "sks-core/engine/secure_key_store.h"

/// Puts the keys of a backup into a key store. Spec: spec/backup.md chapter 5.
namespace sks {

/// The extension of a restored symmetric key that holds the certificate it had at first: SKS cannot give it back to it.
inline constexpr std::string_view kFormerCertificateType = "urn:sks:former-certificate";

/// The end-entity certificate that names a key for ever, also when it was restored before.
ByteView lasting_certificate(const sealed::BackupKey& key);

/// Which keys of a backup are in the key store already, by position. Fails as the store's enumerations.
Result<std::vector<bool>> find_present_keys(const sealed::Backup& backup, SecureKeyStore& store);

/// Whether one restore can bring all keys of a backup into an empty key store. Fails with option.
Result<void> check_restorable(const sealed::Backup& backup);

/// Restores the keys that are not `present`, all of them or none, in one provisioning session. `dialog` chooses one PIN
/// for each group of keys that shared one, before anything happens in the store.
///
/// Fails as check_backup, with option (too many keys for one session), user_abort (no PIN was chosen), or as the
/// methods of the key store; it is then as before. Fails with crypto also when the keys are there and the attestation
/// that closes the session is wrong, which only a key store does that lies.
Result<void> restore_keys(const sealed::Backup& backup, const std::vector<bool>& present, SecureKeyStore& store,
                          keygen2::UserDialog& dialog, const Clock& clock = system_clock());

}  // namespace sks
