#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::cli {

/// Where along $PATH a program is; nothing when it is not there. Folders that are not absolute are passed over.
std::optional<std::string> find_in_path(const std::string& name);

/// Starts a program by its path, without a shell, without input or output, in a session of its own, so that a signal
/// for us is none for it. Waits for its exit code as long as `patience`; nothing when it goes on for longer, which it
/// is then left to do. Fails with not_available when it cannot be started.
Result<std::optional<int>> run_quietly(const std::string& path, std::vector<std::string> arguments,
                                       std::chrono::milliseconds patience);

}  // namespace sks::cli
