#pragma once

#include <functional>
#include <string_view>

/// The limit: the same work by bare calls of OpenSSL's EVP interface with a key in memory and a context for
/// each operation, as a module has to do it.
namespace sks::bench {

using BareOperation = std::function<void()>;

/// Whether there is such a limit for an operation of operations.h.
bool has_bare_operation(std::string_view operation);
/// One for the calling thread, with a new key. Only for those that there are.
BareOperation bare_operation(std::string_view operation);

}  // namespace sks::bench
