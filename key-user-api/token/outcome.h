#pragma once

#include <p11-kit/pkcs11.h>

#include <string>

#include "sks-core/base/result.h"

namespace sks::token {

/// Why a request fails, in the terms of PKCS#11. Spec: spec/sksd.md 3.
struct Refusal {
  CK_RV code;
  std::string sentence;  ///< for people, without secrets
};

template <class T>
using Outcome = Result<T, Refusal>;

}  // namespace sks::token
