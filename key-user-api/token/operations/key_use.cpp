#include "key-user-api/token/operations/key_use.h"

#include <algorithm>
#include <array>

#include "sks-core/engine/ciphers.h"
#include "sks-core/engine/method_parameters.h"

namespace sks::token {
namespace {

constexpr auto kFunctionsWithKeys =
    std::to_array<Function>({Function::encrypt, Function::decrypt, Function::sign, Function::verify, Function::derive,
                             Function::wrap, Function::unwrap});

struct KeysRow {
  Keys keys;
  bool (*includes)(const KeyInUse& key, const Mechanism& mechanism);
};

template <CK_KEY_TYPE... types>
bool is_of(const KeyInUse& key, const Mechanism&) {
  return ((key.key_type == types) || ...);
}

constexpr CK_KEY_TYPE hmac_key_type(CK_MECHANISM_TYPE hash) {
  switch (hash) {
    case CKM_SHA_1:
      return CKK_SHA_1_HMAC;
    case CKM_SHA224:
      return CKK_SHA224_HMAC;
    case CKM_SHA256:
      return CKK_SHA256_HMAC;
    case CKM_SHA384:
      return CKK_SHA384_HMAC;
    case CKM_SHA512:
      return CKK_SHA512_HMAC;
    default:
      return CKK_GENERIC_SECRET;
  }
}

/// Symmetric keys of the key store have no type of their own: what they are for is what they are endorsed for.
bool is_mac_key(const KeyInUse& key, const Mechanism& mechanism) {
  return key.key_type == CKK_GENERIC_SECRET || key.key_type == hmac_key_type(mechanism.hash) ||
         (key.key_type == CKK_AES && key.stored);
}

constexpr auto kKeys = std::to_array<KeysRow>({
    {Keys::rsa, is_of<CKK_RSA>},
    {Keys::ec, is_of<CKK_EC>},
    {Keys::edwards, is_of<CKK_EC_EDWARDS>},
    {Keys::agreement, is_of<CKK_EC, CKK_EC_MONTGOMERY>},
    {Keys::aes, is_of<CKK_AES>},
    {Keys::secret, is_mac_key},
});

bool fits(const KeyInUse& key, const FunctionRow& function, const Mechanism& mechanism) {
  const bool symmetric = mechanism.keys == Keys::aes || mechanism.keys == Keys::secret;
  if (key.object_class != (symmetric ? CKO_SECRET_KEY : function.key_class)) return false;
  const auto row = std::ranges::find(kKeys, mechanism.keys, &KeysRow::keys);
  return row != kKeys.end() && row->includes(key, mechanism);
}

bool is_endorsed(const KeyInUse& key, std::string_view algorithm) {
  return key.endorsed_algorithms.empty() ||
         std::binary_search(key.endorsed_algorithms.begin(), key.endorsed_algorithms.end(), algorithm);
}

std::span<const SksAlgorithm> algorithms_for(const FunctionRow& function, const Mechanism& mechanism) {
  const bool decrypts = function.function == Function::decrypt || function.function == Function::unwrap;
  return decrypts && !mechanism.decryption_algorithms.empty() ? mechanism.decryption_algorithms : mechanism.algorithms;
}

/// An algorithm that hashes with one hash executes the mechanisms of that hash only.
bool takes_hash(const SksAlgorithm& algorithm, const Mechanism& mechanism) {
  return mechanism.hash == 0 || algorithm.hash == HashId::none || find_hash(mechanism.hash)->id == algorithm.hash;
}

bool permits_mechanism(const KeyInUse& key, const FunctionRow& function, const Mechanism& mechanism) {
  if (!key.allows(function.usage)) return false;
  if (!key.stored) return true;  // public keys, and keys of sessions
  return std::ranges::any_of(algorithms_for(function, mechanism), [&](const SksAlgorithm& each) {
    return takes_hash(each, mechanism) && is_endorsed(key, each.uri);
  });
}

/// Whether there is what the operations below take for granted.
bool is_complete(const KeyInUse& key) {
  if (key.object_class == CKO_SECRET_KEY) return key.stored || key.secret != nullptr;
  if (!key.public_key) return false;
  return key.object_class == CKO_PUBLIC_KEY || key.stored || key.private_key != nullptr;
}

/// The key store's own, with a session key. Spec: sks-api.md 4.28; sks-extensions.md, RSASSA-PSS.
Result<Bytes> sign_hash_here(const crypto::PrivateKey& key, const Algorithm& algorithm, ByteView parameters,
                             ByteView data) {
  if (algorithm.family != KeyFamily::rsa) return key.sign_ecdsa_digest(data);
  if (algorithm.parameters != Parameters::pss) return key.sign_rsa_digest(algorithm.hash, data);
  const std::optional<std::size_t> salt = engine::read_salt_length(algorithm.hash, parameters);
  if (!salt) return Error{Status::option, "the salt has no length"};
  return key.sign_pss_digest(algorithm.hash, *salt, data);
}

Result<SecureBytes> decrypt_here(const crypto::PrivateKey& key, const Algorithm& algorithm, ByteView parameters,
                                 ByteView data) {
  if (algorithm.parameters != Parameters::oaep) return key.decrypt_rsa(algorithm.hash, data);
  const std::optional<crypto::Oaep> oaep = engine::read_oaep(parameters);
  if (!oaep) return Error{Status::option, "the parameters of OAEP are malformed"};
  return key.decrypt_rsa(*oaep, data);
}

Result<SecureBytes> agree_here(const crypto::PrivateKey& key, ByteView peer_spki) {
  SKS_LET(const crypto::PublicKey peer, crypto::PublicKey::from_spki(peer_spki));
  return key.agree(peer);
}

bool is_aes_key_size(std::size_t size) { return size == 16 || size == 24 || size == 32; }

Result<SecureBytes> run_cipher_here(ByteView key, const engine::CipherCall& call) {
  if (!is_aes_key_size(key.size())) return Error{Status::option, "the key has no length of AES"};
  SKS_TRY(engine::check_cipher(call));
  return engine::run_cipher(call, key, {});
}

const Algorithm& known(std::string_view uri) {
  const Algorithm* const algorithm = find_algorithm(uri);
  SKS_CHECK(algorithm != nullptr);
  return *algorithm;
}

}  // namespace

std::size_t modulus_size(const crypto::PublicKey& key) {
  return static_cast<std::size_t>(EVP_PKEY_get_size(key.openssl()));
}

std::vector<CK_MECHANISM_TYPE> permitted_mechanisms(const KeyInUse& key) {
  std::vector<CK_MECHANISM_TYPE> types;
  for (const Mechanism& mechanism : mechanism_table()) {
    const bool is_permitted = std::ranges::any_of(kFunctionsWithKeys, [&](Function each) {
      const FunctionRow& function = row_of(each);
      return (mechanism.functions & function.flag) != 0 && fits(key, function, mechanism) &&
             permits_mechanism(key, function, mechanism);
    });
    if (is_permitted) types.push_back(mechanism.type);
  }
  return types;
}

Outcome<KeyUse> KeyUse::find(Call& call, const FunctionRow& function, const Mechanism& mechanism, std::uint32_t slot,
                             CK_OBJECT_HANDLE object, std::uint32_t ticket) {
  Outcome<std::shared_ptr<const KeyInUse>> found = call.keys.find_key(call.application, slot, object);
  if (!found) {
    const bool unknown = found.error().code == CKR_OBJECT_HANDLE_INVALID;
    return Refusal{unknown ? function.no_such_key : found.error().code, std::move(found).error().sentence};
  }
  KeyUse use(std::move(found).value(), function, ticket);
  if (!fits(use.key(), function, mechanism))
    return Refusal{function.wrong_key_type, "the mechanism works with no key of this kind"};
  SKS_CHECK(is_complete(use.key()));
  if (!permits_mechanism(use.key(), function, mechanism))
    return Refusal{function.not_permitted, "the key is not for this mechanism"};
  return use;
}

Outcome<void> KeyUse::spend_ticket(Call& call) {
  if (!key_->stored || !key_->always_authenticate) return {};
  SKS_LET(spent_, call.keys.authorize(call.application, *key_, ticket_));
  return {};
}

bool KeyUse::permits(std::string_view algorithm) const { return is_endorsed(*key_, algorithm); }

/// `stored` takes the handle and an authorization, `local` nothing.
template <class T, class Stored, class Local>
Outcome<T> KeyUse::run(Call& call, Stored stored, Local local) const {
  if (!key_->stored) return outcome_of(local(), *function_);
  if (spent_) return answer_of<T>(call, *spent_, stored(*key_->stored, *spent_));
  SKS_LET(const Authorization authorization, call.keys.authorize(call.application, *key_, ticket_));
  return answer_of<T>(call, authorization, stored(*key_->stored, authorization));
}

template <class T>
Outcome<T> KeyUse::answer_of(Call& call, const Authorization& authorization, Result<T> result) const {
  if (!result && result.error().status == Status::authorization)
    call.keys.authorization_failed(*key_, authorization.pin);
  return outcome_of(std::move(result), *function_);
}

Outcome<Bytes> KeyUse::sign_hash(Call& call, std::string_view algorithm, ByteView parameters, ByteView data) const {
  return run<Bytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.sign_hashed_data(key, algorithm, parameters, authorization, data);
      },
      [&] { return sign_hash_here(*key_->private_key, known(algorithm), parameters, data); });
}

Outcome<Bytes> KeyUse::sign_message(Call& call, std::string_view algorithm, ByteView message) const {
  return run<Bytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.sign_data(key, algorithm, {}, authorization, message);
      },
      [&] { return key_->private_key->sign_eddsa(message); });
}

Outcome<SecureBytes> KeyUse::decrypt(Call& call, std::string_view algorithm, ByteView parameters, ByteView data) const {
  return run<SecureBytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.asymmetric_key_decrypt(key, algorithm, parameters, authorization, data);
      },
      [&] { return decrypt_here(*key_->private_key, known(algorithm), parameters, data); });
}

Outcome<SecureBytes> KeyUse::agree(Call& call, std::string_view algorithm, ByteView peer_spki) const {
  return run<SecureBytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.key_agreement(key, algorithm, {}, authorization, peer_spki);
      },
      [&] { return agree_here(*key_->private_key, peer_spki); });
}

Outcome<SecureBytes> KeyUse::run_cipher(Call& call, std::string_view algorithm, CipherMode mode, ByteView parameters,
                                        ByteView data) const {
  return run<SecureBytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.symmetric_key_encrypt(key, algorithm, mode, parameters, authorization, data);
      },
      [&] {
        return run_cipher_here(key_->secret->view(), {known(algorithm), mode, parameters, data});
      });
}

Outcome<Bytes> KeyUse::mac(Call& call, std::string_view algorithm, ByteView data) const {
  return run<Bytes>(
      call,
      [&](KeyHandle key, const Authorization& authorization) {
        return call.store.perform_hmac(key, algorithm, {}, authorization, data);
      },
      [&]() -> Result<Bytes> {
        return Error{Status::internal, "not a key of the key store"};
      });
}

}  // namespace sks::token
