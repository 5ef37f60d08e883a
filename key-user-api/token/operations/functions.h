#pragma once

#include "key-user-api/token/key_access.h"

/// What can be done with a mechanism, and the codes in which PKCS#11 reports that it cannot. Spec: spec/sksd.md 7.
namespace sks::token {

/// The first five have the numbers of `kind` on the wire.
enum class Function : std::uint8_t { encrypt = 1, decrypt, sign, verify, digest, derive, wrap, unwrap };

struct FunctionRow {
  Function function;
  CK_FLAGS flag;
  Usage usage;
  CK_OBJECT_CLASS key_class;  ///< of the asymmetric keys that it takes
  CK_RV no_such_key;
  CK_RV wrong_key_type;
  CK_RV not_permitted;
  CK_RV wrong_length;  ///< of the data: of a wrong length, or too much of it
  CK_RV failed;        ///< the algorithm cannot be executed with this data
};

const FunctionRow& row_of(Function function);

/// What the application is told of a failure in the key store while it serves the function.
Refusal refusal_of(const Error& error, const FunctionRow& function);

/// The value, or that.
template <class T>
Outcome<T> outcome_of(Result<T> result, const FunctionRow& function) {
  if (!result) return refusal_of(result.error(), function);
  return std::move(result).value();
}

}  // namespace sks::token
