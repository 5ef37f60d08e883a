#include "key-user-api/local_store.h"

#include "attestation/device_identity.h"
#include "key-user-api/passphrase_source.h"
#include "sealed-storage/sqlite_store.h"

namespace sks {

// The engine is destroyed first: it refers to the other two.
struct LocalStore::Parts {
  std::unique_ptr<SqliteStore> storage;
  attestation::SoftwareIdentity identity;
  std::unique_ptr<Engine> engine;
};

LocalStore::LocalStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LocalStore::LocalStore(LocalStore&&) noexcept = default;
LocalStore& LocalStore::operator=(LocalStore&&) noexcept = default;
LocalStore::~LocalStore() = default;

Result<void> LocalStore::create(const std::string& folder, std::string_view device_name,
                                const sealed::Protection& protection, SecretSource& secrets,
                                const sealed::AnchorChoice& anchor) {
  using attestation::AttestationKeyType;
  using attestation::SoftwareIdentity;
  SKS_LET(const SoftwareIdentity identity,
          SoftwareIdentity::create(device_name, AttestationKeyType::p256, system_clock()));
  SKS_LET(SecureBytes private_key, identity.private_key_pkcs8());
  return SqliteStore::create(folder, {identity.certificate_path(), std::move(private_key)}, protection, secrets,
                             anchor);
}

Result<LocalStore> LocalStore::open(const std::string& folder) {
  UnattendedSecrets secrets;
  return open(folder, secrets);
}

Result<LocalStore> LocalStore::open(const std::string& folder, SecretSource& secrets,
                                    std::chrono::milliseconds patience) {
  SKS_LET(std::unique_ptr<SqliteStore> storage, SqliteStore::open(folder, secrets, patience));
  SKS_LET(StoredIdentity stored, storage->identity());
  SKS_LET(attestation::SoftwareIdentity identity,
          attestation::SoftwareIdentity::from_parts(std::move(stored.certificate_path), stored.private_key.view()));
  auto parts = std::make_unique<Parts>(Parts{std::move(storage), std::move(identity), nullptr});
  SKS_LET(parts->engine, Engine::open({*parts->storage, parts->identity}));
  return LocalStore(std::move(parts));
}

Result<void> LocalStore::reprotect(const std::string& folder, const sealed::Protection& protection,
                                   SecretSource& secrets) {
  return SqliteStore::reprotect(folder, protection, secrets, kLockPatience);
}

Result<void> LocalStore::set_anchor(const std::string& folder, const sealed::AnchorChoice& anchor,
                                    SecretSource& secrets, AnchorCheck check) {
  return SqliteStore::set_anchor(folder, anchor, secrets, check, kLockPatience);
}

Engine& LocalStore::engine() { return *parts_->engine; }

}  // namespace sks
