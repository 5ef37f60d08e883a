#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>

#include "key-user-api/token/service.h"

namespace sks::daemon {

/// The process at the other end of a connection, as the kernel tells.
struct Peer {
  uid_t uid = 0;
  token::Program program;
};

/// None when the kernel does not tell.
std::optional<Peer> peer_of(int socket);

/// The client that the calling thread works for, while it does: a question to the user ends when the client leaves.
/// -1: none.
int current_client();

class WorkingFor {
 public:
  explicit WorkingFor(int socket);
  ~WorkingFor();
  WorkingFor(const WorkingFor&) = delete;
  WorkingFor& operator=(const WorkingFor&) = delete;
};

}  // namespace sks::daemon
