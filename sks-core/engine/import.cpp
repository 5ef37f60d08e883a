#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/core.h"
#include "sks-core/engine/imported_key.h"
#include "sks-core/engine/session_crypto.h"

/// Keys made by the issuer: sks-api.md 4.12 and 4.13.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxSymmetricKey = 128;
constexpr std::size_t kEncryptionOverhead = 32;  // IV and a block of padding

Error option(std::string_view why) { return {Status::option, std::string(why)}; }

Result<void> check_length(ByteView encrypted_key, std::size_t longest_key) {
  if (encrypted_key.size() > longest_key + kEncryptionOverhead) return option("encryptedKey is too long");
  return {};
}

Result<void> check_not_imported(const KeyEntry& key) {
  if ((key.key_backup & kImported) != 0) return option("a key was imported already: " + key.id);
  return {};
}

Result<void> check_certified(const KeyEntry& key) {
  if (!key.has_certificate()) return option("Certificate path missing: " + key.id);
  return {};
}

Result<void> check_import_mac(SessionCall& call, std::string_view method, const KeyEntry& key, ByteView encrypted_key,
                              ByteView mac) {
  ByteWriter data;
  data.array(key.certificate_path.front()).array(encrypted_key);
  return check_mac(call.session, method, data.view(), mac);
}

// The two methods differ in the order of their checks.
Result<void> import_symmetric_key(SessionCall& call, const KeyEntry& key, ByteView encrypted_key, ByteView mac) {
  SKS_TRY(check_length(encrypted_key, kMaxSymmetricKey));
  SKS_TRY(check_not_imported(key));
  SKS_TRY(check_certified(key));
  SKS_TRY(check_import_mac(call, "importSymmetricKey", key, encrypted_key, mac));
  SKS_LET(SecureBytes symmetric_key, next_decryption(call.session, encrypted_key));
  if (symmetric_key.empty() || symmetric_key.size() > kMaxSymmetricKey) return option("symmetric key length");
  SKS_LET(KeyEntry* const entry, call.change.edit<KeyEntry>(key.handle));
  entry->symmetric_key_length = static_cast<std::uint16_t>(symmetric_key.size());
  entry->key_backup |= kImported;
  call.change.set_key_material(key.handle, std::move(symmetric_key));
  return {};
}

Result<void> import_private_key(SessionCall& call, const KeyEntry& key, ByteView encrypted_key, ByteView mac) {
  SKS_TRY(check_length(encrypted_key, call.core.config.crypto_data_size));
  SKS_TRY(check_certified(key));
  SKS_TRY(check_import_mac(call, "importPrivateKey", key, encrypted_key, mac));
  SKS_TRY(check_not_imported(key));
  SKS_LET(const SecureBytes pkcs8, next_decryption(call.session, encrypted_key));
  SKS_LET(const crypto::PrivateKey private_key, read_imported_key(key, pkcs8.view()));
  SKS_LET(SecureBytes encoded, private_key.to_pkcs8());
  SKS_LET(KeyEntry* const entry, call.change.edit<KeyEntry>(key.handle));
  entry->kind = private_key.public_key().kind();
  entry->public_key = private_key.public_key().spki();
  entry->key_backup |= kImported;
  call.change.set_key_material(key.handle, std::move(encoded));
  return {};
}

using ImportMethod = Result<void> (*)(SessionCall&, const KeyEntry&, ByteView encrypted_key, ByteView mac);

Result<void> run_import(Core& core, ImportMethod method, KeyHandle handle, ByteView encrypted_key, ByteView mac) {
  SKS_TRY(check_decodable({encrypted_key, mac}, {}));
  return core.in_session_of(
      handle, [&](SessionCall& call, const KeyEntry& key) { return method(call, key, encrypted_key, mac); });
}

}  // namespace
}  // namespace engine

Result<void> Engine::import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return engine::run_import(impl_->core, engine::import_symmetric_key, key, encrypted_key, mac);
}

Result<void> Engine::import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return engine::run_import(impl_->core, engine::import_private_key, key, encrypted_key, mac);
}

}  // namespace sks
