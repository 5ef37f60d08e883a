#include "key-user-api/pkcs11/sign.h"

#include <algorithm>
#include <array>

#include "sks-core/crypto/hash.h"

namespace sks::p11 {
namespace {

constexpr std::size_t kPkcs1Overhead = 11;   // 00 01, at least eight FF, 00
constexpr std::size_t kEcdsaNoneLimit = 64;  // sks-api.md 4.28
constexpr std::size_t kEd25519Signature = 64;
constexpr std::size_t kEd448Signature = 114;

/// The DER before the digest in a PKCS#1 block. Spec: sks-api.md 6.3.
struct DigestInfoPrefix {
  HashId hash;
  std::array<std::uint8_t, 19> der;
};
constexpr DigestInfoPrefix kDigestInfoPrefixes[] = {
    {HashId::sha256,
     {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
      0x20}},
    {HashId::sha384,
     {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04,
      0x30}},
    {HashId::sha512,
     {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04,
      0x40}},
};

struct RecognizedHash {
  HashId hash = HashId::none;
  ByteView digest;
};

RecognizedHash read_digest_info(ByteView data) {
  for (const DigestInfoPrefix& prefix : kDigestInfoPrefixes) {
    const std::size_t size = prefix.der.size();
    if (data.size() == size + crypto::digest_size(prefix.hash) && equal(data.first(size), prefix.der))
      return {prefix.hash, data.subspan(size)};
  }
  return {};
}

RecognizedHash read_digest(ByteView data) {
  for (const HashId hash : {HashId::sha256, HashId::sha384, HashId::sha512})
    if (data.size() == crypto::digest_size(hash)) return {hash, data};
  return {};
}

std::size_t content_limit(const crypto::PublicKey& key) {
  return key.kind() == KeyKind::rsa ? key.rsa_modulus_bytes() - kPkcs1Overhead : kEcdsaNoneLimit;
}

}  // namespace

Answer<SignOperation> SignOperation::start(const CK_MECHANISM& mechanism, const UserKey& key) {
  const Mechanism* const row = find_mechanism(mechanism.mechanism);
  if (row == nullptr) return Rv{CKR_MECHANISM_INVALID};
  if (mechanism.pParameter != nullptr || mechanism.ulParameterLen != 0) return Rv{CKR_MECHANISM_PARAM_INVALID};
  if (!fits(*row, key)) return Rv{CKR_KEY_TYPE_INCONSISTENT};
  if (!is_permitted(*row, key)) return Rv{CKR_KEY_FUNCTION_NOT_PERMITTED};
  SignOperation operation(key, *row);
  if (row->input == SignInput::to_hash) {
    SKS_LET(operation.hasher_, answer(Hasher::create(row->hash)));
  }
  return operation;
}

std::size_t SignOperation::signature_size() const {
  const crypto::PublicKey& key = key_->public_key;
  switch (key.kind()) {
    case KeyKind::rsa:
      return key.rsa_modulus_bytes();
    case KeyKind::ec:
      return 2 * std::size_t{curve_info(key.curve()).field_bytes};
    case KeyKind::ed25519:
      return kEd25519Signature;
    case KeyKind::ed448:
      return kEd448Signature;
    case KeyKind::x25519:
    case KeyKind::x448:
      break;  // no mechanism fits these keys
  }
  SKS_CHECK(false);
}

/// Uses the first permitted algorithm that suits: the one of the recognized hash for `digest`, or one that takes the
/// `content` as it is.
Answer<Bytes> SignOperation::sign_hash(UserApi& api, const SecureBytes& pin, HashId hash, ByteView content,
                                       ByteView digest) const {
  for (const std::string_view algorithm : mechanism_->algorithms) {
    if (!key_->permits(algorithm)) continue;
    const HashId made_for = find_algorithm(algorithm)->hash;
    if (made_for != HashId::none && made_for == hash)
      return answer(api.sign_hash(key_->handle, algorithm, digest, pin));
    if (made_for == HashId::none && content.size() <= content_limit(key_->public_key))
      return answer(api.sign_hash(key_->handle, algorithm, content, pin));
  }
  return Rv{hash == HashId::none ? CKR_DATA_LEN_RANGE : CKR_DATA_INVALID};
}

Answer<Bytes> SignOperation::sign(UserApi& api, const SecureBytes& pin, ByteView data) {
  switch (mechanism_->input) {
    case SignInput::digest: {
      if (data.empty()) return Rv{CKR_DATA_LEN_RANGE};  // the store would sign it, but no hash is empty
      const RecognizedHash recognized = read_digest(data);
      return sign_hash(api, pin, recognized.hash, data, recognized.digest);
    }
    case SignInput::digest_info: {
      const RecognizedHash recognized = read_digest_info(data);
      return sign_hash(api, pin, recognized.hash, data, recognized.digest);
    }
    case SignInput::to_hash:
      SKS_TRY(answer(hasher_->update(data)));
      return finish(api, pin);
    case SignInput::message: {
      SKS_LET(const std::size_t limit, input_limit(api));
      if (data.size() > limit) return Rv{CKR_DATA_LEN_RANGE};
      for (const std::string_view algorithm : mechanism_->algorithms)
        if (key_->permits(algorithm) && find_algorithm(algorithm)->kind == key_->public_key.kind())
          return answer(api.sign_message(key_->handle, algorithm, data, pin));
      return Rv{CKR_KEY_FUNCTION_NOT_PERMITTED};
    }
  }
  SKS_CHECK(false);
}

Answer<std::size_t> SignOperation::input_limit(UserApi& api) const {
  if (mechanism_->input == SignInput::message) return answer(api.data_limit());
  return content_limit(key_->public_key);
}

Answer<void> SignOperation::update(UserApi& api, ByteView part) {
  if (!hasher_) {
    // Programs turn to parts when the data is long; they are told what is wrong with it.
    SKS_LET(const std::size_t limit, input_limit(api));
    return Rv{part.size() > limit ? CKR_DATA_LEN_RANGE : CKR_FUNCTION_NOT_SUPPORTED};
  }
  has_parts_ = true;
  return answer(hasher_->update(part));
}

Answer<Bytes> SignOperation::finish(UserApi& api, const SecureBytes& pin) {
  if (!hasher_) return Rv{CKR_FUNCTION_NOT_SUPPORTED};
  SKS_LET(const Bytes digest, answer(hasher_->finish()));
  return sign_hash(api, pin, mechanism_->hash, digest, digest);
}

}  // namespace sks::p11
