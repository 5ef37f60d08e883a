#pragma once

#include <sys/types.h>

#include <string>

namespace sks::test {

/// The process that serves a Unix socket; 0: none.
pid_t server_behind(const std::string& socket);

/// Ends every process that serves a socket in `folder`, which need not exist.
void end_servers_in(const std::string& folder);

}  // namespace sks::test
