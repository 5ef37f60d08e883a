#include "key-user-api/daemon/served_store.h"

#include <filesystem>

#include "key-user-api/local_store.h"
#include "sealed-storage/sqlite_store.h"
#include "sks-core/engine/memory_storage.h"

namespace sks::daemon {
namespace {

using attestation::SoftwareIdentity;

constexpr std::string_view kMemoryDevice = "OpenSKS in memory";

Error with_folder(Error error, const std::string& folder) {
  if (error.detail.find(folder) == std::string::npos) error.detail = folder + ": " + error.detail;
  return error;
}

}  // namespace

Result<std::unique_ptr<ServedStore>> ServedStore::assemble(std::unique_ptr<Storage> storage, SoftwareIdentity identity,
                                                           Mode mode) {
  std::unique_ptr<ServedStore> made(new ServedStore(std::move(storage), std::move(identity)));
  EngineConfig config;
  config.prepay_pin_attempts = true;
  if (mode == Mode::conformance) {
    config.biometric_support = true;
    config.device_pin = &made->conformance_pin_;
  }
  SKS_LET(made->engine_, Engine::open({*made->storage_, made->identity_}, config));
  return made;
}

Result<std::unique_ptr<ServedStore>> ServedStore::open(const std::string& folder, Mode mode, SecretSource& secrets,
                                                       std::chrono::milliseconds patience) {
  std::error_code ignored;
  if (std::filesystem::status(folder, ignored).type() == std::filesystem::file_type::not_found)
    return Error{Status::not_available, "no key store in " + folder + "; make one with 'sks init'"};
  auto storage = SqliteStore::open(folder, secrets, patience);
  if (!storage) return with_folder(std::move(storage).error(), folder);
  auto stored = (*storage)->identity();
  if (!stored) return with_folder(std::move(stored).error(), folder);
  auto identity = SoftwareIdentity::from_parts(std::move(stored->certificate_path), stored->private_key.view());
  if (!identity) return with_folder(std::move(identity).error(), folder);
  const auto anchor = (*storage)->anchor_name();
  if (!anchor) return with_folder(anchor.error(), folder);
  auto made = assemble(std::move(*storage), std::move(*identity), mode);
  if (!made) return with_folder(std::move(made).error(), folder);
  (*made)->uses_tpm_ = anchor->starts_with("tpm2");
  return made;
}

Result<std::unique_ptr<ServedStore>> ServedStore::in_memory(attestation::AttestationKeyType key, Mode mode) {
  SKS_LET(SoftwareIdentity identity, SoftwareIdentity::create(kMemoryDevice, key, system_clock()));
  return assemble(std::make_unique<MemoryStorage>(), std::move(identity), mode);
}

}  // namespace sks::daemon
