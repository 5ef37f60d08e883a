#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sealed-storage/master_key.h"
#include "sks-core/engine/storage.h"

namespace sks {

/// The device identity as a store keeps it: sealed like every record.
struct StoredIdentity {
  std::vector<Bytes> certificate_path;  ///< DER, device certificate first
  SecureBytes private_key;              ///< PKCS#8
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
  /// when the folder cannot be written, or as `secrets`; leaves nothing half-made behind.
  static Result<void> create(const std::string& folder, const StoredIdentity& identity,
                             const sealed::MasterKeyProvider& protection = sealed::key_file_provider(),
                             SecretSource& secrets = no_secrets());

  /// Opens a store. Fails with not_available (no store there; in use by process N), option (not a store, a format
  /// version this program does not know), authorization (the secret is wrong), crypto (the master key does not fit, a
  /// sealed record was altered), storage, or as `secrets`. `patience`: how long to wait for another process that uses
  /// the store.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& folder, SecretSource& secrets = no_secrets(),
                                                   std::chrono::milliseconds patience = {});

  /// Puts the master key of a store that is not in use under another protection, or a new secret. Nothing else in the
  /// store changes. Fails as open() and MasterKeyFile::replace; the store then opens as before.
  static Result<void> reprotect(const std::string& folder, const sealed::MasterKeyProvider& protection,
                                SecretSource& secrets, std::chrono::milliseconds patience = {});

  ~SqliteStore() override;

  Result<std::unique_ptr<Transaction>> begin() override;
  Result<std::unique_ptr<Transaction>> begin_shared() override;
  Result<void> make_durable() override;
  bool make_room() override;
  Result<StoredIdentity> identity();

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks
