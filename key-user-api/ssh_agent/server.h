#pragma once

#include <memory>
#include <string>
#include <variant>

#include "key-user-api/ssh_agent/agent.h"
#include "key-user-api/ssh_agent/store_keys.h"
#include "sks-core/wire/listener.h"

namespace sks::ssh {

struct ServerPorts {
  SecureKeyStore& store;
  UserApi::PinGroupOf pin_group_of;
  token::TrustedDialog& dialog;
  const Clock& clock;
  const Random& random;
  std::function<void(const AgentUse&)> record = {};  ///< as AgentPorts::record
  /// Called by the thread of a connection with its socket; what it returns lives as long as the connection. May be
  /// empty.
  std::function<std::shared_ptr<void>(int socket)> working_for = {};
};

struct ServerOptions {
  Confirm confirm = Confirm::never;
  std::chrono::seconds pin_lifetime{600};  ///< of PINs whose issuer lets them be remembered; 0: none is
  /// For one more, the connection is closed that has waited for a request for longest; if none does, the new one.
  std::size_t max_connections = 64;
  std::size_t max_connections_of_peer = 32;           ///< of one process, likewise: one of its own is closed
  std::chrono::milliseconds message_timeout{10'000};  ///< from the first byte of a message to its last, either way
};

/// The SSH agent of a key store on a Unix socket: one thread for each connection, processes of our own user only.
///
/// A connection ends with the first malformed message; a client gets whole answers or none.
class SshAgentServer {
 public:
  /// Serves at `path`, which gets mode 0600; its folder must be there. The ports must outlive the server. Fails with
  /// not_available, as wire::Listener::open.
  static Result<std::unique_ptr<SshAgentServer>> open(const std::string& path, ServerPorts ports,
                                                      ServerOptions options = {});
  /// Serves at a socket that was bound for us, accepts connections and does not block; its file stays.
  static Result<std::unique_ptr<SshAgentServer>> open(wire::Descriptor bound, ServerPorts ports,
                                                      ServerOptions options = {});
  ~SshAgentServer();

  /// Serves until stop(). Call it once. Whatever has arrived by then is answered. Returns when every connection has
  /// ended; one whose user is being asked ends with the answer.
  void run();

  /// From any thread, and from a signal handler.
  void stop() noexcept;

  /// Whether anybody has ever connected. From then on some shell's environment names the socket, and a server that
  /// ended would not be missed until ssh fails.
  bool used() const noexcept;

 private:
  struct Impl;
  using Door = std::variant<wire::Listener, wire::Descriptor>;
  static Result<std::unique_ptr<SshAgentServer>> open_at(Door door, ServerPorts ports, ServerOptions options);
  explicit SshAgentServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Where the agent of a sksd is: beside its socket, which ends in ".sock" as a rule, with the end ".ssh" instead.
std::string agent_socket_of(const std::string& sksd_socket);

}  // namespace sks::ssh
