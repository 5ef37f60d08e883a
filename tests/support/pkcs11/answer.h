#pragma once

#include <p11-kit/pkcs11.h>

#include <string>

#include "sks-core/base/result.h"

/// Any PKCS#11 module as an application uses it: what the benchmarks and the stress program have in common. Nothing
/// here knows whose module it is.
namespace sks::pkcs11_client {

/// A function that did not answer CKR_OK, or (code CKR_OK) an answer that is wrong by itself.
struct Refused {
  std::string call;
  CK_RV code = CKR_OK;

  /// Such as "C_Sign: CKR_USER_NOT_LOGGED_IN".
  std::string text() const;
};

template <class T>
using Answer = Result<T, Refused>;

/// The name of a return value as the standard spells it, or its number in hexadecimal.
std::string name_of(CK_RV code);

inline Answer<void> check(const char* call, CK_RV code) {
  if (code != CKR_OK) return Refused{call, code};
  return {};
}

}  // namespace sks::pkcs11_client
