#pragma once

#include "conformance/node.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::conformance {

/// Makes the call with the arguments `in`, and gives its result as a recording holds it. An argument that does not read
/// adds a finding, and an unknown method too; the call is not made then, and the result is nothing.
std::optional<Json> make_call(SecureKeyStore& store, std::string_view method, const Node& in);

/// The error of a result, or nothing.
std::optional<Status> error_of(const Json& out);

}  // namespace sks::conformance
