#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

/// The process behind a module, where it has one.
namespace sks::pkcs11_client {

/// Who listens on the Unix socket now, or on one in the folder, or nobody. Of several processes that share it, the one
/// with the lowest number.
std::optional<pid_t> listener_of(const std::string& socket_or_folder);

/// Whether the process is there and is not a zombie.
bool is_running(pid_t pid);

/// Resident memory in bytes: Rss of smaps_rollup, or VmRSS where the process lets nobody look; 0 when it is gone.
std::size_t resident_memory(pid_t pid);

}  // namespace sks::pkcs11_client
