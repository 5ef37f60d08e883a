#pragma once

#include "key-user-api/token/operations/operation.h"

/// The methods that make keys out of keys, and take keys out. Spec: spec/sksd.md 7.
namespace sks::token {

Outcome<void> derive_key(Call& call);
Outcome<void> wrap_key(Call& call);
Outcome<void> unwrap_key(Call& call);

/// The object and the mechanism of a request, in its order: object, mechanism, ticket. Also told to the log.
Wanted read_wanted(Call& call, Function function);

}  // namespace sks::token
