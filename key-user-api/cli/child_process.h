#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::cli {

/// Starts a program by its path, without a shell, without input or output, in a session of its own, so that a signal
/// for us is none for it. Waits for its exit code as long as `patience`; nothing when it goes on for longer, which it
/// is then left to do. Fails with not_available when it cannot be started.
Result<std::optional<int>> run_quietly(const std::string& path, std::vector<std::string> arguments,
                                       std::chrono::milliseconds patience);

}  // namespace sks::cli
