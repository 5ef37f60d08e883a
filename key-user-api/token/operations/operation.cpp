#include "key-user-api/token/operations/operation.h"

#include <algorithm>
#include <array>

namespace sks::token {
namespace {

class DigestOperation final : public Operation {
 public:
  explicit DigestOperation(const Hash& hash) : hash_(hash) {}

  Outcome<SecureBytes> update(Call&, ByteView part) override {
    hash_.add(part);
    return SecureBytes();
  }
  Outcome<SecureBytes> finish(Call&, ByteView last) override {
    hash_.add(last);
    return SecureBytes::copy_of(hash_.finish().view());
  }

 private:
  RunningHash hash_;
};

using Starter = Outcome<std::unique_ptr<Operation>> (*)(Start&&);

struct StartRow {
  Scheme scheme;
  CK_FLAGS functions;
  Starter start;
};

constexpr CK_FLAGS kSigns = CKF_SIGN | CKF_VERIFY;
constexpr CK_FLAGS kEncrypts = CKF_ENCRYPT | CKF_WRAP;
constexpr CK_FLAGS kDecrypts = CKF_DECRYPT | CKF_UNWRAP;

constexpr auto kStarts = std::to_array<StartRow>({
    {Scheme::digest, CKF_DIGEST, start_digest},
    {Scheme::rsa_pkcs1, kSigns, start_signature},
    {Scheme::rsa_pkcs1, kEncrypts, start_public_encryption},
    {Scheme::rsa_pkcs1, kDecrypts, start_private_decryption},
    {Scheme::rsa_pss, kSigns, start_signature},
    {Scheme::ecdsa, kSigns, start_signature},
    {Scheme::eddsa, kSigns, start_signature},
    {Scheme::hmac, kSigns, start_signature},
    {Scheme::rsa_oaep, kEncrypts, start_public_encryption},
    {Scheme::rsa_oaep, kDecrypts, start_private_decryption},
    {Scheme::aes, kEncrypts | kDecrypts, start_cipher},
});

Refusal invalid_mechanism() { return {CKR_MECHANISM_INVALID, "no such mechanism, or not for this function"}; }

}  // namespace

Outcome<void> Operation::finish_verify(Call&, ByteView, ByteView) {
  return Refusal{CKR_OPERATION_NOT_INITIALIZED, "the operation is no verification"};
}

Outcome<std::unique_ptr<Operation>> start_digest(Start&& start) {
  return std::unique_ptr<Operation>(std::make_unique<DigestOperation>(*find_hash(start.mechanism.hash)));
}

Outcome<const Mechanism*> mechanism_for(CK_MECHANISM_TYPE type, const FunctionRow& function) {
  const Mechanism* const mechanism = find_mechanism(type);
  if (mechanism == nullptr || (mechanism->functions & function.flag) == 0) return invalid_mechanism();
  return mechanism;
}

Outcome<std::unique_ptr<Operation>> start_operation(Call& call, const Wanted& wanted) {
  const FunctionRow& function = row_of(wanted.function);
  SKS_LET(const Mechanism* const mechanism, mechanism_for(wanted.mechanism, function));
  const auto row = std::ranges::find_if(kStarts, [&](const StartRow& each) {
    return each.scheme == mechanism->scheme && (each.functions & function.flag) != 0;
  });
  if (row == kStarts.end()) return invalid_mechanism();
  SKS_LET(Parameter parameter, read_parameter(*mechanism, wanted.parameter));
  Start start{*mechanism, std::move(parameter), std::nullopt};
  if (mechanism->keys != Keys::none) {
    SKS_LET(start.key, KeyUse::find(call, function, *mechanism, wanted.slot, wanted.object, wanted.ticket));
    SKS_TRY(start.key->spend_ticket(call));
  }
  return row->start(std::move(start));
}

Outcome<void> check_room(std::size_t size, std::size_t more, const FunctionRow& function) {
  if (more > kMaxData - size) return Refusal{function.wrong_length, "more data than one operation takes"};
  return {};
}

}  // namespace sks::token
