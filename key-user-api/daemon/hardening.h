#pragma once

#include <optional>
#include <string>

#include "sks-core/base/result.h"

/// What keeps others out of the memory of sksd, and sksd out of what it has no business with.
namespace sks::daemon {

/// No core files; no other process of the user may look into this one; files are made for the user alone; no program
/// that this process could start gains privileges. Not inherited by programs that were started before.
void keep_memory_private();

/// Keeps all memory of this process, now and later, from being written to swap. Where the system does not let us, the
/// sentence that says so.
std::optional<std::string> lock_memory();

/// What a store needs besides files.
struct FilterNeeds {
  bool tpm = false;  ///< commits count in a TPM: its libraries are loaded and its device is opened each time
};

/// Whether this build can be filtered: the tools that look for mistakes in memory trace the process themselves.
bool can_filter_system_calls();

/// From now on the system carries out no calls but those of a list, in all threads: no programs, no processes, no
/// sockets but those that are there, no code that is not there. Fails with not_available.
Result<void> filter_system_calls(const FilterNeeds& needs);

}  // namespace sks::daemon
