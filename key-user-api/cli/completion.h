#pragma once

#include <ostream>

namespace sks::cli {

/// Writes a script for bash that completes every command and option of this program.
void write_bash_completion(std::ostream& out);

}  // namespace sks::cli
