#include <algorithm>
#include <variant>

#include "key-user-api/token/operations/operation.h"
#include "key-user-api/token/operations/verification.h"

/// Signatures and MACs, made and verified.
namespace sks::token {
namespace {

constexpr std::size_t kMaxRawEcdsa = 64;  // what ecdsa.none takes

Refusal refuse(CK_RV code, std::string_view sentence) { return {code, std::string(sentence)}; }

bool starts_with(ByteView data, ByteView prefix) {
  return data.size() >= prefix.size() && equal(data.first(prefix.size()), prefix);
}

/// The digest that the application has hashed or wrapped, when `data` is one of this hash; else nothing.
ByteView digest_in(const Mechanism& mechanism, HashId id, ByteView data) {
  for (const CK_MECHANISM_TYPE type : {CKM_SHA256, CKM_SHA384, CKM_SHA512}) {
    const Hash& hash = *find_hash(type);
    if (hash.id != id) continue;
    const ByteView prefix = mechanism.scheme == Scheme::rsa_pkcs1 ? hash.digest_info : ByteView();
    if (data.size() == prefix.size() + hash.size && starts_with(data, prefix)) return data.subspan(prefix.size());
  }
  return {};
}

/// A signature or MAC while its data arrives.
class SignatureOperation final : public Operation {
 public:
  explicit SignatureOperation(Start&& start)
      : mechanism_(start.mechanism), parameter_(std::move(start.parameter)), key_(std::move(*start.key)) {}

  Outcome<SecureBytes> update(Call& call, ByteView part) override;
  Outcome<SecureBytes> finish(Call& call, ByteView last) override;
  Outcome<void> finish_verify(Call& call, ByteView last, ByteView signature) override;
  /// Also the secret, of which the object may be gone.
  std::size_t held() const override {
    const std::size_t secret = key_.key().secret == nullptr ? 0 : key_.key().secret->size();
    return parameter_.size() + collected_.size() + secret;
  }

 private:
  bool is_local_mac() const { return mechanism_.scheme == Scheme::hmac && !key_.key().stored; }
  const Hash& hash() const { return *find_hash(mechanism_.hash); }

  /// What is signed: the data, or its digest. A view into this or into `last`.
  Outcome<ByteView> content(ByteView last);
  Outcome<Bytes> mac(Call& call, ByteView last);
  Outcome<void> check_content(ByteView content) const;
  Outcome<Bytes> sign(Call& call, ByteView content) const;
  Outcome<Bytes> sign_any_hash(Call& call, ByteView content) const;
  Outcome<Bytes> sign_pss(Call& call, ByteView digest) const;
  Outcome<Bytes> sign_message(Call& call, ByteView message) const;

  const Mechanism& mechanism_;
  Parameter parameter_;
  KeyUse key_;
  std::optional<RunningHash> running_hash_;
  std::optional<RunningMac> running_mac_;
  Collected collected_;
  Digest digest_;
};

Outcome<SecureBytes> SignatureOperation::update(Call&, ByteView part) {
  if (is_local_mac()) {
    if (!running_mac_) running_mac_.emplace(hash(), key_.key().secret->view());
    running_mac_->add(part);
  } else if (mechanism_.parts == Parts::hashed) {
    if (!running_hash_) running_hash_.emplace(hash());
    running_hash_->add(part);
  } else {
    SKS_TRY(check_room(collected_.size(), part.size(), key_.function()));
    collected_.add(part);
  }
  return SecureBytes();
}

Outcome<ByteView> SignatureOperation::content(ByteView last) {
  if (mechanism_.parts == Parts::hashed) {
    if (running_hash_) running_hash_->add(last);
    digest_ = running_hash_ ? running_hash_->finish() : digest_of(hash(), last);
    return digest_.view();
  }
  SKS_TRY(check_room(collected_.size(), last.size(), key_.function()));
  if (collected_.empty()) return last;
  collected_.add(last);
  return collected_.view();
}

Outcome<Bytes> SignatureOperation::mac(Call& call, ByteView last) {
  Bytes made;
  if (is_local_mac()) {
    if (!running_mac_) running_mac_.emplace(hash(), key_.key().secret->view());
    running_mac_->add(last);
    made = to_bytes(running_mac_->finish().view());
  } else {
    SKS_LET(const ByteView data, content(last));
    SKS_LET(made, key_.mac(call, mechanism_.algorithms.front().uri, data));
  }
  if (mechanism_.parameter == Shape::mac_length) made.resize(parameter_.number);
  return made;
}

/// What holds for signing and verifying alike. PSS: whether the hash and the salt fit is settled before.
Outcome<void> SignatureOperation::check_content(ByteView content) const {
  const CK_RV wrong_length = key_.function().wrong_length;
  if (mechanism_.scheme == Scheme::rsa_pss && content.size() != parameter_.hash->size)
    return refuse(wrong_length, "the data is not as long as the hash");
  if (mechanism_.scheme == Scheme::ecdsa && content.empty()) return refuse(wrong_length, "there is nothing to sign");
  if (mechanism_.scheme == Scheme::rsa_pkcs1) {
    const std::size_t prefix = mechanism_.hash == 0 ? 0 : hash().digest_info.size();
    if (prefix + content.size() + kPkcs1Overhead > modulus_size(key_.public_key()))
      return refuse(wrong_length, "the data is too long for the key");
  }
  return {};
}

Outcome<Bytes> SignatureOperation::sign(Call& call, ByteView content) const {
  SKS_TRY(check_content(content));
  if (mechanism_.scheme == Scheme::rsa_pss) return sign_pss(call, content);
  if (mechanism_.scheme == Scheme::eddsa) return sign_message(call, content);
  return sign_any_hash(call, content);
}

/// RSA with PKCS#1 v1.5, and ECDSA: the first permitted algorithm that takes what there is.
Outcome<Bytes> SignatureOperation::sign_any_hash(Call& call, ByteView content) const {
  const bool wraps_digest = mechanism_.scheme == Scheme::rsa_pkcs1 && mechanism_.hash != 0;
  const Bytes block = wraps_digest ? concat({hash().digest_info, content}) : Bytes();
  const ByteView raw = wraps_digest ? ByteView(block) : content;
  for (const SksAlgorithm& algorithm : mechanism_.algorithms) {
    if (!key_.permits(algorithm.uri)) continue;
    if (algorithm.hash == HashId::none) {
      // More than the order of the curve is cut off anyway.
      const std::size_t limit = mechanism_.scheme == Scheme::ecdsa ? ecdsa_input_size(key_.public_key()) : raw.size();
      const ByteView used = raw.first(std::min(raw.size(), limit));
      if (used.size() > kMaxRawEcdsa && mechanism_.scheme == Scheme::ecdsa)
        return refuse(key_.function().wrong_length, "the hash is too long");
      return key_.sign_hash(call, algorithm.uri, {}, used);
    }
    if (mechanism_.hash != 0 && hash().id != algorithm.hash) continue;
    const ByteView digest = digest_in(mechanism_, algorithm.hash, raw);
    if (!digest.empty()) return key_.sign_hash(call, algorithm.uri, {}, digest);
  }
  if (mechanism_.hash != 0) return refuse(key_.function().not_permitted, "the key is not for this hash");
  return refuse(CKR_DATA_INVALID, "the data is no hash for which the key is endorsed");
}

Outcome<Bytes> SignatureOperation::sign_pss(Call& call, ByteView digest) const {
  const auto algorithm = std::ranges::find(mechanism_.algorithms, parameter_.hash->id, &SksAlgorithm::hash);
  SKS_CHECK(algorithm != mechanism_.algorithms.end());
  return key_.sign_hash(call, algorithm->uri, parameter_.sks, digest);
}

Outcome<Bytes> SignatureOperation::sign_message(Call& call, ByteView message) const {
  const auto algorithm = std::ranges::find_if(mechanism_.algorithms, [&](const SksAlgorithm& each) {
    return find_algorithm(each.uri)->kind == key_.public_key().kind();
  });
  SKS_CHECK(algorithm != mechanism_.algorithms.end());
  return key_.sign_message(call, algorithm->uri, message);
}

Outcome<SecureBytes> SignatureOperation::finish(Call& call, ByteView last) {
  if (key_.function().function == Function::verify)
    return refuse(CKR_OPERATION_NOT_INITIALIZED, "the operation is a verification");
  if (mechanism_.scheme == Scheme::hmac) {
    SKS_LET(const Bytes made, mac(call, last));
    return SecureBytes::copy_of(made);
  }
  SKS_LET(const ByteView data, content(last));
  SKS_LET(const Bytes signature, sign(call, data));
  return SecureBytes::copy_of(signature);
}

Outcome<void> SignatureOperation::finish_verify(Call& call, ByteView last, ByteView signature) {
  if (key_.function().function != Function::verify) return Operation::finish_verify(call, last, signature);
  if (mechanism_.scheme == Scheme::hmac) {
    SKS_LET(const Bytes made, mac(call, last));
    if (signature.size() != made.size()) return refuse(CKR_SIGNATURE_LEN_RANGE, "the MAC has a wrong length");
    if (!equal_constant_time(made, signature)) return refuse(CKR_SIGNATURE_INVALID, "the MAC is wrong");
    return {};
  }
  SKS_LET(const ByteView data, content(last));
  SKS_TRY(check_content(data));
  return verify_signature({mechanism_, parameter_, key_.public_key(), data, signature});
}

/// Whether a stored key may sign with the hash of the parameter, which is no matter of the mechanism alone, and whether
/// the salt fits.
Outcome<void> check_pss(const Start& start) {
  const KeyUse& key = *start.key;
  const auto algorithm = std::ranges::find(start.mechanism.algorithms, start.parameter.hash->id, &SksAlgorithm::hash);
  if (algorithm == start.mechanism.algorithms.end() || !key.permits(algorithm->uri))
    return refuse(key.function().not_permitted, "the key is not for this hash");
  const auto bits = static_cast<std::size_t>(EVP_PKEY_get_bits(key.public_key().openssl()));
  const std::size_t encoded = (bits - 1 + 7) / 8;
  if (start.parameter.hash->size + start.parameter.number + 2 > encoded)
    return refuse(CKR_MECHANISM_PARAM_INVALID, "the key has no room for a salt of this length");
  return {};
}

/// Ed25519 and Ed448 are one mechanism and two algorithms; of SHA-2 there are three.
Outcome<void> check_permitted(const Start& start) {
  const KeyUse& key = *start.key;
  const Mechanism& mechanism = start.mechanism;
  const bool permitted = std::ranges::any_of(mechanism.algorithms, [&](const SksAlgorithm& each) {
    if (!key.permits(each.uri)) return false;
    if (mechanism.scheme == Scheme::eddsa) return find_algorithm(each.uri)->kind == key.public_key().kind();
    return mechanism.hash == 0 || each.hash == HashId::none || each.hash == find_hash(mechanism.hash)->id;
  });
  if (!permitted) return refuse(key.function().not_permitted, "the key is not for this algorithm");
  return {};
}

}  // namespace

Outcome<std::unique_ptr<Operation>> start_signature(Start&& start) {
  if (start.mechanism.scheme == Scheme::rsa_pss) SKS_TRY(check_pss(start));
  if (start.key->key().stored) SKS_TRY(check_permitted(start));
  return std::unique_ptr<Operation>(std::make_unique<SignatureOperation>(std::move(start)));
}

}  // namespace sks::token
