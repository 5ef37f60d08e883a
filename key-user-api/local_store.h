#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "sealed-storage/sqlite_store.h"
#include "sks-core/engine/engine.h"

namespace sks {

/// Commands hold a store for moments: one that comes in between waits for its turn.
inline constexpr std::chrono::seconds kLockPatience{2};

/// A key store folder of this machine, opened and wired to an engine in this process.
class LocalStore {
 public:
  /// Makes a new store with a device identity of its own. Fails as SqliteStore::create.
  static Result<void> create(const std::string& folder, std::string_view device_name,
                             const sealed::Protection& protection = sealed::key_file_provider(),
                             SecretSource& secrets = no_secrets(), const sealed::AnchorChoice& anchor = {});

  /// Waits `patience` for another process that uses the store. Without a source of secrets there are those that
  /// wait for unattended programs. Fails as SqliteStore::open and Engine::open.
  static Result<LocalStore> open(const std::string& folder);
  static Result<LocalStore> open(const std::string& folder, SecretSource& secrets,
                                 std::chrono::milliseconds patience = kLockPatience);

  /// Puts the store's master key under another protection, or a new secret. Waits and fails as SqliteStore::reprotect.
  static Result<void> reprotect(const std::string& folder, const sealed::Protection& protection, SecretSource& secrets);
  /// Gives the store another anchor, or none. Waits and fails as SqliteStore::set_anchor.
  static Result<void> set_anchor(const std::string& folder, const sealed::AnchorChoice& anchor, SecretSource& secrets,
                                 AnchorCheck check);

  LocalStore(LocalStore&&) noexcept;
  LocalStore& operator=(LocalStore&&) noexcept;
  ~LocalStore();

  Engine& engine();

 private:
  struct Parts;
  explicit LocalStore(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sks
