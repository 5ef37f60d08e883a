#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sks-core/base/result.h"

namespace sks::keygen2 {

/// Error classes of keygen2.md chapter 1.6. They are local: nothing of them goes over the wire.
enum class ErrorClass : std::uint8_t { http, json, state, session, value, crypto, time, policy, sks, user };

/// "HTTP", "JSON", "STATE", ... as the specification spells them.
std::string_view to_string(ErrorClass error_class);

struct Failure {
  ErrorClass error_class;
  std::string detail;                ///< one sentence; never secret data
  Status status = Status::internal;  ///< of the key store; only for ErrorClass::sks
};

template <class T>
using Outcome = sks::Result<T, Failure>;

/// A lower layer's error as a failure of the given class.
Failure failure(ErrorClass error_class, const Error& error);

}  // namespace sks::keygen2
