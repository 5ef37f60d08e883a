#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/dialog/terminal.h"
#include "key-user-api/user_api.h"
#include "sealed-storage/backup_file.h"

/// What goes into a backup, in four steps of which only the last changes the key store. Spec: spec/backup.md
/// chapter 4.
namespace sks::cli {

/// A key of the store, and why it stays behind if it does.
struct BackupCandidate {
  ListedKey key;
  std::optional<PinGroupHandle> pin_group;
  std::optional<sealed::LeftBehind> left_behind;
};

enum class ProtectedKeys : std::uint8_t { take, skip };

/// All keys of closed sessions. `skip` leaves those behind whose export takes a PIN or PUK. Fails as the enumerations.
Result<std::vector<BackupCandidate>> find_candidates(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                                                     ProtectedKeys protected_keys);

/// The PINs and PUKs that exports take.
class ExportPasswords {
 public:
  /// Takes them out of `pins` and `puks` in the order of the keys, one for each PIN group, else asks at the terminal.
  /// None is tried for a second group, even if its owner may have the same there: a wrong guess would cost the group
  /// one of its tries, and a key store does not tell which groups have one PUK. Every PIN is checked, so that a wrong
  /// one is noticed while nothing has left. Fails with option (too few, too many, not in their format), user_abort
  /// (nobody to ask) or authorization, with what is left of the tries.
  static Result<ExportPasswords> collect(const std::vector<BackupCandidate>& candidates, std::vector<SecureBytes> pins,
                                         std::vector<SecureBytes> puks, SecureKeyStore& store,
                                         dialog::Terminal* terminal);

  /// What exportKey takes for this key.
  const SecureBytes& of(const BackupCandidate& candidate) const;

 private:
  using Slot = std::pair<PinGroupHandle, std::uint8_t>;  // and the export protection
  std::map<Slot, SecureBytes> passwords_;
  SecureBytes none_;
};

/// A backup before its keys have left: with zeros in their places, not fewer than each key has bytes. What is wrong
/// with it is found while nothing has happened.
struct BackupPlan {
  sealed::Backup backup;
  std::vector<const BackupCandidate*> sources;  ///< of backup.keys, in their order
};

/// Keys that take a PUK come first: PUKs cannot be checked beforehand. `candidates` must outlive the plan. Fails as the
/// enumerations, and with crypto when a certificate does not decode.
Result<BackupPlan> plan_backup(const std::vector<BackupCandidate>& candidates, SecureKeyStore& store, std::int64_t now);

/// Exports the keys of a plan, each of which is marked as exported for ever. Fails as exportKey, with a wrong PUK
/// before any key that needs none has left.
Result<sealed::Backup> export_keys(BackupPlan plan, const ExportPasswords& passwords, SecureKeyStore& store);

}  // namespace sks::cli
