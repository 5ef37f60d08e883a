#include "tests/support/pkcs11/life_cycle.h"

#include <cstring>
#include <random>

#include "tests/support/pkcs11/keys.h"

namespace sks::pkcs11_client {
namespace {

constexpr std::size_t kOwnPart = 8;

}  // namespace

LifeCycle::LifeCycle(Session session) : session_(std::move(session)), id_(kOwnPart + sizeof number_) {
  std::random_device random;
  for (std::size_t i = 0; i < kOwnPart; ++i) id_[i] = static_cast<std::uint8_t>(random());
}

Answer<void> LifeCycle::run() {
  ++number_;
  std::memcpy(id_.data() + kOwnPart, &number_, sizeof number_);
  SKS_LET(const KeyPair pair, generate_p256(session_, Lifetime::token, id_, "life-cycle"));
  const Answer<void> used = use(pair.public_key, pair.private_key);
  const Answer<void> destroyed = session_.destroy(pair.private_key);
  // In a key store where a pair is one thing it is gone by now.
  (void)static_cast<bool>(session_.destroy(pair.public_key));
  if (!used) return used;
  SKS_TRY(destroyed);
  Attributes wanted;
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> left, session_.find(wanted.add(CKA_ID, id_)));
  if (!left.empty()) return Refused{"a destroyed key is found"};
  return {};
}

Answer<void> LifeCycle::use(CK_OBJECT_HANDLE public_key, CK_OBJECT_HANDLE private_key) {
  Attributes wanted;
  SKS_LET(const CK_OBJECT_HANDLE found, session_.find_one(wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).add(CKA_ID, id_)));
  if (found != private_key) return Refused{"the search finds another key"};
  SKS_LET(const ossl::Pkey judge, p256_public_key(session_, public_key));
  const Bytes hash = test_hash(number_);
  Bytes signature;
  SKS_TRY(session_.sign(found, CKM_ECDSA, hash, signature));
  if (!is_p256_signature(judge.get(), hash, signature)) return Refused{"a wrong signature"};
  return {};
}

}  // namespace sks::pkcs11_client
