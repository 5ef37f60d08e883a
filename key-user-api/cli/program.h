#pragma once

#include <ostream>

#include "key-user-api/cli/secret_arguments.h"

namespace sks::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

/// The whole of sks but for the process around it. What goes wrong becomes one line on `err` and an exit code.
int run_program(SecretArguments arguments, std::ostream& out, std::ostream& err);

}  // namespace sks::cli
