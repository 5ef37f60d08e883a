#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/core.h"

/// What users do with keys of closed sessions: sks-api.md 4.22, 4.27, 4.28 and verifyPin of sks-extensions.md.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxHashOfAnySize = 64;

bool defines_message_hash(const Algorithm& algorithm) {
  return algorithm.also_signature || (is_signature(algorithm) && algorithm.hash != HashId::none);
}

bool signs_ready_hashes(const Algorithm& algorithm) { return algorithm.category == Category::signature; }

// What differs between signData and signHashedData.
struct SignMethod {
  std::string_view name;
  bool (*belongs)(const Algorithm&);
  Result<void> (*check_data)(const Algorithm&, ByteView data);
  Result<Bytes> (*sign)(const crypto::PrivateKey&, const Algorithm&, ByteView data);
};

Result<void> accept_any(const Algorithm&, ByteView) { return {}; }

Result<void> check_hash_length(const Algorithm& algorithm, ByteView data) {
  if (algorithm.hash != HashId::none && data.size() != crypto::digest_size(algorithm.hash))
    return Error{Status::option, "the hash has the wrong length"};
  return {};
}

Result<Bytes> sign_message(const crypto::PrivateKey& key, const Algorithm& algorithm, ByteView message) {
  if (algorithm.also_signature) {
    // A row that also generates keys signs with exactly such keys.
    if (key.public_key().kind() != algorithm.kind) return Error{Status::crypto, "the key is of another type"};
    return key.sign_eddsa(message);
  }
  return algorithm.family == KeyFamily::rsa ? key.sign_rsa(algorithm.hash, message)
                                            : key.sign_ecdsa(algorithm.hash, message);
}

Result<Bytes> sign_hash(const crypto::PrivateKey& key, const Algorithm& algorithm, ByteView hash) {
  if (algorithm.family == KeyFamily::rsa) return key.sign_rsa_digest(algorithm.hash, hash);
  if (hash.size() > kMaxHashOfAnySize) return Error{Status::crypto, "the hash is too long"};
  return key.sign_ecdsa_digest(hash);
}

constexpr SignMethod kSignData{"signData", defines_message_hash, accept_any, sign_message};
constexpr SignMethod kSignHashedData{"signHashedData", signs_ready_hashes, check_hash_length, sign_hash};

struct SignRequest {
  KeyHandle key;
  std::string_view algorithm;
  ByteView parameters;
  const Authorization& authorization;
  ByteView data;
};

Result<Bytes> sign(Core& core, const SignMethod& method, const SignRequest& request) {
  SKS_LET(const std::shared_ptr<const KeyEntry> key, core.std_key(request.key));
  SKS_TRY(authorize(core.authorization(), *key, request.authorization));
  if (request.data.size() > core.config.crypto_data_size)
    return Error{Status::option, "data is longer than cryptoDataSize"};
  SKS_LET(const Algorithm* const algorithm, check_usable(*key, request.algorithm, method.name, method.belongs));
  SKS_TRY(method.check_data(*algorithm, request.data));
  if (!request.parameters.empty()) return Error{Status::option, std::string(method.name) + " takes no parameters"};
  SKS_LET(const std::shared_ptr<const crypto::PrivateKey> private_key, core.private_key(request.key));
  return method.sign(*private_key, *algorithm, request.data);
}

Result<void> check_protection(const Core& core, const KeyEntry& key, Protection protection, ByteView authorization) {
  switch (protection) {
    case Protection::none:
      if (!authorization.empty())
        return Error{Status::option, "Key " + std::to_string(key.handle.value) + " takes no authorization"};
      return {};
    case Protection::pin:
      return verify_pin(core.authorization(), key, authorization);
    case Protection::puk:
      return verify_puk(core.authorization(), key, authorization);
    case Protection::forbidden:
      return Error{Status::not_allowed, "Key " + std::to_string(key.handle.value) + " must not be deleted"};
  }
  SKS_CHECK(false);
}

// Removes a key and whatever only it kept alive. Spec: sks-api.md 1.4.
void erase_key(Change& change, const StoreState& state, const KeyEntry& key) {
  const Index& index = state.index();
  change.erase<KeyEntry>(key.handle);
  if (change.surviving<KeyEntry>(index.keys_of_session.of(key.session)) == 0) change.erase<Session>(key.session);
  if (!key.pin_policy) return;
  if (change.surviving<KeyEntry>(index.keys_of_group.of(key.pin_group)) == 0) change.erase<PinGroup>(key.pin_group);
  if (change.surviving<KeyEntry>(index.keys_of_policy.of(key.pin_policy)) != 0) return;
  const PukPolicyHandle puk = state.find<PinPolicy>(key.pin_policy)->puk_policy;
  change.erase<PinPolicy>(key.pin_policy);
  if (puk && change.surviving<PinPolicy>(index.pin_policies_of_puk.of(puk)) == 0) change.erase<PukPolicy>(puk);
}

}  // namespace
}  // namespace engine

Result<void> Engine::delete_key(KeyHandle handle, const SecureBytes& authorization) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({authorization.view()}, {}));
  const std::lock_guard lock(core.mutex);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_protection(core, *key, key->delete_protection, authorization.view()));
  engine::Change change(*core.state);
  engine::erase_key(change, *core.state, *key);
  SKS_TRY(change.commit());
  core.key_cache.erase(handle);
  return {};
}

Result<Bytes> Engine::sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                       const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view(), data}, {algorithm}));
  const std::lock_guard lock(impl_->core.mutex);
  return engine::sign(impl_->core, engine::kSignHashedData, {key, algorithm, parameters, authorization, data});
}

Result<Bytes> Engine::sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view()}, {algorithm}));
  const std::lock_guard lock(impl_->core.mutex);
  return engine::sign(impl_->core, engine::kSignData, {key, algorithm, parameters, authorization, data});
}

Result<void> Engine::verify_pin(KeyHandle handle, const SecureBytes& pin) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({pin.view()}, {}));
  const std::lock_guard lock(core.mutex);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  if (!key->pin_policy)
    return Error{Status::not_allowed, "Key " + std::to_string(handle.value) + " has no PIN of its own"};
  return engine::verify_pin(core.authorization(), *key, pin.view());
}

}  // namespace sks
