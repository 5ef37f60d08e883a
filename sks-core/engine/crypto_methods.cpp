#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/core.h"

/// What users do with keys: sks-api.md 4.27 to 4.32.
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

}  // namespace
}  // namespace engine

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

Result<SecureBytes> Engine::asymmetric_key_decrypt(KeyHandle, std::string_view, ByteView, const Authorization&,
                                                   ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<SecureBytes> Engine::key_agreement(KeyHandle, std::string_view, ByteView, const Authorization&, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<Bytes> Engine::perform_hmac(KeyHandle, std::string_view, ByteView, const Authorization&, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<SecureBytes> Engine::symmetric_key_encrypt(KeyHandle, std::string_view, CipherMode, ByteView,
                                                  const Authorization&, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
