#include "key-user-api/token/operations/functions.h"

#include <algorithm>
#include <array>

namespace sks::token {
namespace {

constexpr CK_RV kDataLength = CKR_DATA_LEN_RANGE, kEncryptedLength = CKR_ENCRYPTED_DATA_LEN_RANGE;
constexpr CK_RV kNoKey = CKR_KEY_HANDLE_INVALID, kKeyType = CKR_KEY_TYPE_INCONSISTENT;
constexpr CK_RV kNotPermitted = CKR_KEY_FUNCTION_NOT_PERMITTED, kParameter = CKR_MECHANISM_PARAM_INVALID;
constexpr CK_OBJECT_CLASS kPrivate = CKO_PRIVATE_KEY, kPublic = CKO_PUBLIC_KEY;

// Everything that can be wrong with encrypted data is one code: which of it is wrong would help those who ask a key to
// decrypt what others encrypted for it.
constexpr auto kFunctions = std::to_array<FunctionRow>({
    {Function::encrypt, CKF_ENCRYPT, Usage::encrypt, kPublic, kNoKey, kKeyType, kNotPermitted, kDataLength,
     CKR_FUNCTION_FAILED},
    {Function::decrypt, CKF_DECRYPT, Usage::decrypt, kPrivate, kNoKey, kKeyType, kNotPermitted, kEncryptedLength,
     CKR_ENCRYPTED_DATA_INVALID},
    {Function::sign, CKF_SIGN, Usage::sign, kPrivate, kNoKey, kKeyType, kNotPermitted, kDataLength,
     CKR_FUNCTION_FAILED},
    {Function::verify, CKF_VERIFY, Usage::verify, kPublic, kNoKey, kKeyType, kNotPermitted, kDataLength,
     CKR_FUNCTION_FAILED},
    {Function::digest, CKF_DIGEST, Usage{}, kPublic, kNoKey, kKeyType, kNotPermitted, kDataLength, CKR_FUNCTION_FAILED},
    {Function::derive, CKF_DERIVE, Usage::derive, kPrivate, kNoKey, kKeyType, kNotPermitted, kParameter, kParameter},
    {Function::wrap, CKF_WRAP, Usage::wrap, kPublic, CKR_WRAPPING_KEY_HANDLE_INVALID,
     CKR_WRAPPING_KEY_TYPE_INCONSISTENT, kNotPermitted, CKR_KEY_SIZE_RANGE, CKR_FUNCTION_FAILED},
    {Function::unwrap, CKF_UNWRAP, Usage::unwrap, kPrivate, CKR_UNWRAPPING_KEY_HANDLE_INVALID,
     CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, kNotPermitted, CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID},
});

CK_RV code_of(Status status, const FunctionRow& function) {
  switch (status) {
    case Status::authorization:  // the PIN of the login was changed or locked meanwhile
      return CKR_USER_NOT_LOGGED_IN;
    case Status::not_allowed:  // suspended
      return CKR_FUNCTION_REJECTED;
    case Status::no_key:
      return function.no_such_key;
    case Status::algorithm:
      return function.not_permitted;
    case Status::option:
      return function.wrong_length;
    case Status::crypto:
      return function.failed;
    case Status::user_abort:
      return CKR_FUNCTION_CANCELED;
    case Status::storage:
    case Status::external:
    case Status::not_available:
      return CKR_DEVICE_ERROR;
    case Status::mac:
    case Status::no_session:
    case Status::internal:
      return CKR_GENERAL_ERROR;
  }
  SKS_CHECK(false);
}

}  // namespace

const FunctionRow& row_of(Function function) {
  const auto found = std::ranges::find(kFunctions, function, &FunctionRow::function);
  SKS_CHECK(found != kFunctions.end());
  return *found;
}

Refusal refusal_of(const Error& error, const FunctionRow& function) {
  return {code_of(error.status, function), error.detail};
}

}  // namespace sks::token
