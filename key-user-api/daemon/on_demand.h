#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/wire/socket.h"

/// How sksd starts for a client that finds no socket, and under systemd. Spec: spec/sksd.md 1.
namespace sks::daemon {

/// Whether a server of our user accepts connections at this path.
bool is_served(const std::string& socket);

/// Makes the folder of a socket, with mode 0700. Fails with storage, or not_allowed when it belongs to somebody else or
/// others may write in it.
Result<void> make_socket_folder(const std::string& socket);

/// Tells the process that waits for the start how it went. Once; nothing is told to nobody.
class StartReport {
 public:
  StartReport() = default;
  explicit StartReport(wire::Descriptor starter) : starter_(std::move(starter)) {}

  void ready();
  void failed(std::string_view sentence);

 private:
  void tell(std::string_view text);
  wire::Descriptor starter_;
};

/// What detach() has come to, in one process or the other.
struct Detached {
  bool is_starter = false;
  int exit_code = 0;        ///< of the starter
  StartReport report = {};  ///< in the other one
};

/// Goes on in a new process without a terminal. The starter waits for the report of that one, writes a failure to `err`
/// as complain() does, and has nothing else to do. Before threads start. Fails with not_available.
Result<Detached> detach(std::ostream& err);

/// A Unix socket that clients connect to, and where it is.
struct BoundSocket {
  wire::Descriptor socket;
  std::string path;
};

/// The sockets that systemd has bound for us, if it has. Once.
std::vector<BoundSocket> take_systemd_sockets();

/// Tells systemd, where it wants to know: "READY=1", "STOPPING=1".
void notify_systemd(std::string_view state);

}  // namespace sks::daemon
