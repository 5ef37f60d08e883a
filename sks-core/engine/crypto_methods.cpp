#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/ciphers.h"
#include "sks-core/engine/core.h"
#include "sks-core/engine/method_parameters.h"
#include "sks-core/engine/suspension.h"

/// What users do with keys: sks-api.md 4.27 to 4.32; sks-extensions.md, Algorithms.
///
/// A method has two halves. prepare() runs under the engine's lock: look-ups, authorization, every check that needs no
/// key material. The operation itself is a pure function of a Task, and runs beside the operations of other threads.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxHashOfAnySize = 64;

struct Request {
  KeyHandle key;
  std::string_view algorithm;
  ByteView parameters;
  const Authorization& authorization;
  ByteView data;
  CipherMode mode = CipherMode::encrypt;
};

/// A request that has passed every check of prepare().
struct Task {
  const Algorithm& algorithm;
  SharedKeyMaterial material;
  CipherMode mode;
  ByteView parameters;
  Bytes fresh_iv;  ///< ciphers that make one
  ByteView data;

  // The check of chapter 6.4c has told symmetric keys from others.
  const crypto::PrivateKey& private_key() const { return std::get<crypto::PrivateKey>(*material); }
  ByteView symmetric_key() const { return std::get<SecureBytes>(*material).view(); }
};

/// What the first half of a method does in a way of its own.
struct Rules {
  std::string_view name;
  bool limits_data;  ///< step 3 of chapter 4.27
  bool (*belongs)(const Algorithm&);
  Result<void> (*check)(const Algorithm&, const Request&);  ///< the method's own steps before its operation
};

template <class Output>
struct Method {
  Rules rules;
  Result<Output> (*run)(const Task&);
};

template <Category category>
bool is_of(const Algorithm& algorithm) {
  return algorithm.category == category;
}

bool signs_messages(const Algorithm& algorithm) {
  return algorithm.also_signature || (is_signature(algorithm) && algorithm.hash != HashId::none);
}

Result<void> check_only_parameters(const Algorithm& algorithm, const Request& request) {
  return check_parameters(algorithm, request.parameters);
}

Result<void> check_hash(const Algorithm& algorithm, const Request& request) {
  if (algorithm.hash != HashId::none && request.data.size() != crypto::digest_size(algorithm.hash))
    return Error{Status::option, "the hash has the wrong length"};
  return check_parameters(algorithm, request.parameters);
}

CipherCall cipher_call(const Algorithm& algorithm, const Request& request) {
  return {algorithm, request.mode, request.parameters, request.data};
}

Result<void> check_encryption(const Algorithm& algorithm, const Request& request) {
  return check_cipher(cipher_call(algorithm, request));
}

Result<Bytes> sign_pss(const Task& task, ByteView digest) {
  const HashId hash = task.algorithm.hash;
  return task.private_key().sign_pss_digest(hash, *read_salt_length(hash, task.parameters), digest);
}

Result<Bytes> sign_message(const Task& task) {
  const crypto::PrivateKey& key = task.private_key();
  if (task.algorithm.also_signature) {
    // A row that also generates keys signs with exactly such keys.
    if (key.public_key().kind() != task.algorithm.kind) return Error{Status::crypto, "the key is of another type"};
    return key.sign_eddsa(task.data);
  }
  if (task.algorithm.parameters == Parameters::pss)
    return sign_pss(task, crypto::digest(task.algorithm.hash, task.data));
  return task.algorithm.family == KeyFamily::rsa ? key.sign_rsa(task.algorithm.hash, task.data)
                                                 : key.sign_ecdsa(task.algorithm.hash, task.data);
}

Result<Bytes> sign_hash(const Task& task) {
  if (task.algorithm.parameters == Parameters::pss) return sign_pss(task, task.data);
  if (task.algorithm.family == KeyFamily::rsa)
    return task.private_key().sign_rsa_digest(task.algorithm.hash, task.data);
  if (task.data.size() > kMaxHashOfAnySize) return Error{Status::crypto, "the hash is too long"};
  return task.private_key().sign_ecdsa_digest(task.data);
}

Result<SecureBytes> decrypt(const Task& task) {
  if (task.algorithm.parameters == Parameters::oaep)
    return task.private_key().decrypt_rsa(*read_oaep(task.parameters), task.data);
  return task.private_key().decrypt_rsa(task.algorithm.hash, task.data);
}

Result<SecureBytes> agree(const Task& task) {
  SKS_LET(const crypto::PublicKey peer, crypto::PublicKey::from_spki(task.data));
  const bool is_montgomery = peer.kind() == KeyKind::x25519 || peer.kind() == KeyKind::x448;
  if (!is_montgomery) SKS_TRY(check_supported_curve(peer, "publicKey"));
  return task.private_key().agree(peer);
}

Result<Bytes> hmac(const Task& task) { return crypto::hmac(task.algorithm.hash, task.symmetric_key(), task.data); }

Result<SecureBytes> encrypt_or_decrypt(const Task& task) {
  return run_cipher({task.algorithm, task.mode, task.parameters, task.data}, task.symmetric_key(), task.fresh_iv);
}

constexpr bool kLimitsData = true;
constexpr bool kTakesAnyLength = false;

constexpr Method<Bytes> kSignData{{"signData", kLimitsData, signs_messages, check_only_parameters}, sign_message};
constexpr Method<Bytes> kSignHashedData{{"signHashedData", kLimitsData, is_of<Category::signature>, check_hash},
                                        sign_hash};
constexpr Method<SecureBytes> kAsymmetricKeyDecrypt{
    {"asymmetricKeyDecrypt", kTakesAnyLength, is_of<Category::decryption>, check_only_parameters}, decrypt};
constexpr Method<SecureBytes> kKeyAgreement{
    {"keyAgreement", kTakesAnyLength, is_of<Category::agreement>, check_only_parameters}, agree};
constexpr Method<Bytes> kPerformHmac{{"performHmac", kLimitsData, is_of<Category::hmac>, check_only_parameters}, hmac};
constexpr Method<SecureBytes> kSymmetricKeyEncrypt{
    {"symmetricKeyEncrypt", kLimitsData, is_of<Category::cipher>, check_encryption}, encrypt_or_decrypt};

/// Chapter 4.27, steps 1 to 4 with the check for suspended keys after the first, and what the method's own table puts
/// before its operation.
Result<Task> prepare(Core& core, const Rules& rules, const Request& request) {
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const KeyEntry> key, core.std_key(request.key));
  SKS_TRY(check_active(*key));
  SKS_TRY(authorize(core.authorization(), *key, request.authorization));
  if (rules.limits_data && request.data.size() > core.config.crypto_data_size)
    return Error{Status::option, "data is longer than cryptoDataSize"};
  SKS_LET(const Algorithm* const algorithm, check_usable(*key, request.algorithm, rules.name, rules.belongs));
  SKS_TRY(rules.check(*algorithm, request));
  SKS_LET(SharedKeyMaterial material, core.key_material(*key));
  Bytes fresh_iv = needs_iv(cipher_call(*algorithm, request)) ? core.ports.random.bytes(crypto::kAesBlock) : Bytes();
  return Task{*algorithm, std::move(material), request.mode, request.parameters, std::move(fresh_iv), request.data};
}

template <class Output>
Result<Output> execute(Core& core, const Method<Output>& method, const Request& request) {
  SKS_LET(const Task task, prepare(core, method.rules, request));
  return method.run(task);
}

}  // namespace
}  // namespace engine

Result<Bytes> Engine::sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                       const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view(), data}, {algorithm}));
  return engine::execute(impl_->core, engine::kSignHashedData, {key, algorithm, parameters, authorization, data});
}

Result<SecureBytes> Engine::asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                   const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view(), data}, {algorithm}));
  return engine::execute(impl_->core, engine::kAsymmetricKeyDecrypt, {key, algorithm, parameters, authorization, data});
}

Result<SecureBytes> Engine::key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                          const Authorization& authorization, ByteView public_key) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view(), public_key}, {algorithm}));
  return engine::execute(impl_->core, engine::kKeyAgreement, {key, algorithm, parameters, authorization, public_key});
}

Result<Bytes> Engine::perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                   const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view()}, {algorithm}));
  return engine::execute(impl_->core, engine::kPerformHmac, {key, algorithm, parameters, authorization, data});
}

Result<SecureBytes> Engine::symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                                  ByteView parameters, const Authorization& authorization,
                                                  ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view()}, {algorithm}));
  return engine::execute(impl_->core, engine::kSymmetricKeyEncrypt,
                         {key, algorithm, parameters, authorization, data, mode});
}

Result<Bytes> Engine::sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                const Authorization& authorization, ByteView data) {
  SKS_TRY(engine::check_decodable({parameters, authorization.pin.view()}, {algorithm}));
  return engine::execute(impl_->core, engine::kSignData, {key, algorithm, parameters, authorization, data});
}

}  // namespace sks
