#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sealed-storage/anchor.h"
#include "sealed-storage/master_key.h"
#include "sealed-storage/store_anchor.h"
#include "sks-core/engine/storage.h"

namespace sks {

/// The device identity as a store keeps it: sealed like every record.
struct StoredIdentity {
  std::vector<Bytes> certificate_path;  ///< DER, device certificate first
  SecureBytes private_key;              ///< PKCS#8
};

/// Whether a store must agree with its anchor.
enum class AnchorCheck : std::uint8_t {
  required,
  skipped,  ///< the anchor is lost, and its owner gives up what it protected
};

/// A key store on disk: a folder with a SQLite database of sealed records, a master key file (mode 0600) and a lock.
/// Format: spec/sealed-record.md.
///
/// Where a source of secrets is taken, it is asked when the store's protection needs a secret, and never else.
///
/// One process holds a store at a time; the kernel releases the lock when the process ends, however it ends.
class SqliteStore final : public Storage {
 public:
  /// Makes a new store in `folder` (created with mode 0700). Fails with option when there is a store already, storage
  /// when the folder cannot be written, as `secrets`, or as the kind of the anchor; leaves nothing half-made behind.
  static Result<void> create(const std::string& folder, const StoredIdentity& identity,
                             const sealed::Protection& protection = sealed::key_file_provider(),
                             SecretSource& secrets = no_secrets(), const sealed::AnchorChoice& anchor = {});

  /// Opens a store. Fails with not_available (no store there; in use by process N), option (not a store, a format
  /// version this program does not know), authorization (the secret is wrong), crypto (the master key does not fit, a
  /// sealed record was altered, the store or its anchor was put back to an earlier state), storage, as `secrets`, or as
  /// Anchor::read. `patience`: how long to wait for another process that uses the store.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& folder, SecretSource& secrets = no_secrets(),
                                                   std::chrono::milliseconds patience = {});

  /// Puts the master key of a store that is not in use under another protection, or a new secret. Nothing else in the
  /// store changes. Fails as open() and MasterKeyFile::replace; the store then opens as before.
  static Result<void> reprotect(const std::string& folder, const sealed::Protection& protection, SecretSource& secrets,
                                std::chrono::milliseconds patience = {});

  /// Gives a store that is not in use another anchor, or none. A crash leaves it with the one or the other. Fails as
  /// open(), or as the kind of the anchor.
  static Result<void> set_anchor(const std::string& folder, const sealed::AnchorChoice& anchor, SecretSource& secrets,
                                 AnchorCheck check = AnchorCheck::required, std::chrono::milliseconds patience = {});

  ~SqliteStore() override;

  Result<std::unique_ptr<Transaction>> begin() override;
  Result<std::unique_ptr<Transaction>> begin_shared() override;
  Result<void> make_durable() override;
  Result<bool> visit_marks(RecordKind kind,
                           const std::function<void(std::uint32_t handle, RecordMark mark)>& visit) override;
  Result<std::optional<RecordMark>> mark(RecordId id) override;
  bool make_room() override;
  Result<StoredIdentity> identity();

  /// For looking at a store whose anchor may be lost or disagree. Fails as open(), but for the anchor.
  static Result<std::unique_ptr<SqliteStore>> open_without_anchor(const std::string& folder, SecretSource& secrets);
  /// "none", or the kind of the anchor with its place.
  Result<std::string> anchor_name();
  /// Fails as open() does for the anchor.
  Result<void> check_anchor();
  /// What check_anchor() judges.
  Result<sealed::AnchorState> compare_with_anchor();
  /// Reads every record, and returns how many are good. `report` gets one error for each that was altered, is missing
  /// or does not belong there.
  Result<std::size_t> check_records(const std::function<void(const Error&)>& report);

 private:
  struct Impl;
  static Result<std::unique_ptr<SqliteStore>> open_with(const std::string& folder, SecretSource& secrets,
                                                        std::chrono::milliseconds patience, AnchorCheck check);
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks
