#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sks-core/wire/socket.h"

namespace sks::test {

/// The process that serves a Unix socket; 0: none.
pid_t server_behind(const std::string& socket);

/// Ends every process that serves a socket in `folder`, which need not exist.
void end_servers_in(const std::string& folder);

/// A socket as systemd binds it.
wire::Descriptor bound_socket(const std::string& path);

/// For the process that becomes sksd: hands over sockets as systemd does.
void hand_over(const std::vector<int>& sockets);

}  // namespace sks::test
