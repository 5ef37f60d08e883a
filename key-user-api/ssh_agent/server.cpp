#include "key-user-api/ssh_agent/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <list>
#include <thread>

namespace sks::ssh {
namespace {

using std::chrono::milliseconds;

/// How long to leave clients waiting when the process is out of descriptors.
constexpr milliseconds kShortagePause{100};

/// The process at the other end. What it is called is for people: another program may take its number.
token::Program program_behind(int socket) {
  token::Program program;
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return program;
  program.pid = static_cast<std::uint32_t>(peer.pid);
  std::array<char, 4096> name{};
  const std::string link = "/proc/" + std::to_string(peer.pid) + "/exe";
  const ssize_t length = ::readlink(link.c_str(), name.data(), name.size());
  if (length > 0) program.executable.assign(name.data(), static_cast<std::size_t>(length));
  return program;
}

struct Connection {
  wire::Descriptor socket;
  std::thread thread;
  std::atomic<bool> ended = false;
};

}  // namespace

struct SshAgentServer::Impl {
  Impl(ServerPorts given, ServerOptions chosen, Door listening, wire::Descriptor reader, wire::Descriptor writer)
      : ports(std::move(given)),
        options(chosen),
        door(std::move(listening)),
        stop_reader(std::move(reader)),
        stop_writer(std::move(writer)),
        keys({ports.store, ports.pin_group_of, ports.dialog, ports.clock}, options.pin_lifetime),
        agent({keys, ports.dialog, ports.random, [this](milliseconds time) { pause(time); }, ports.record},
              {options.confirm}) {}

  int door_number() const;
  bool wait_for_client();
  void accept_client();
  void start(wire::Descriptor socket);
  void serve(Connection& connection);
  void converse(int socket);
  void join_ended();
  void end_all();
  void pause(milliseconds time);

  ServerPorts ports;
  ServerOptions options;
  std::optional<Door> door;
  wire::Descriptor stop_reader;  ///< becomes readable for good
  wire::Descriptor stop_writer;
  StoreKeys keys;
  Agent agent;
  std::atomic<bool> used = false;
  std::list<Connection> connections;  ///< of the thread of run()
};

/// Ends early when the server stops.
void SshAgentServer::Impl::pause(milliseconds time) {
  static_cast<void>(wire::wait_for(stop_reader.number(), POLLIN, wire::patience_for(time)));
}

int SshAgentServer::Impl::door_number() const {
  return std::visit([](const auto& opened) { return opened.number(); }, *door);
}

bool SshAgentServer::Impl::wait_for_client() {
  std::array<pollfd, 2> watched{pollfd{stop_reader.number(), POLLIN, 0}, pollfd{door_number(), POLLIN, 0}};
  while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
  }
  return watched[0].revents == 0;
}

void SshAgentServer::Impl::accept_client() {
  wire::Descriptor socket(::accept4(door_number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) pause(kShortagePause);
  if (!socket || !wire::is_of_our_user(socket.number())) return;
  used = true;
  join_ended();
  if (connections.size() >= options.max_connections) return;
  start(std::move(socket));
}

void SshAgentServer::Impl::start(wire::Descriptor socket) {
  std::list<Connection> made;
  try {
    Connection& connection = made.emplace_back();
    connection.socket = std::move(socket);
    connection.thread = std::thread([this, &connection] { serve(connection); });
  } catch (const std::exception&) {
    return;  // out of memory or threads: closed, as one connection too many
  }
  connections.splice(connections.end(), made);
}

void SshAgentServer::Impl::serve(Connection& connection) {
  const int socket = connection.socket.number();
  try {
    converse(socket);
  } catch (const std::exception&) {
    // Out of memory: the client gets no answer.
  }
  ::shutdown(socket, SHUT_RDWR);  // the descriptor itself goes when the thread is joined
  connection.ended = true;
}

void SshAgentServer::Impl::converse(int socket) {
  const std::shared_ptr<void> scope = ports.working_for ? ports.working_for(socket) : nullptr;
  AgentConnection connection(agent, program_behind(socket));
  pollfd watched{socket, POLLIN, 0};
  for (bool open = true; open;) {
    if (::poll(&watched, 1, -1) < 0 && errno == EINTR) continue;  // a client may be silent as long as it likes
    const auto message = wire::receive_frame(socket, wire::patience_for(options.message_timeout));
    if (!message) return;
    const Reply reply = connection.answer(message->view());
    open = wire::send_frame(socket, reply.message, wire::patience_for(options.message_timeout)) && !reply.close;
  }
}

void SshAgentServer::Impl::join_ended() {
  std::erase_if(connections, [](Connection& connection) {
    if (!connection.ended) return false;
    connection.thread.join();
    return true;
  });
}

/// What has arrived is still read and answered; clients cannot send any more.
void SshAgentServer::Impl::end_all() {
  door.reset();
  for (Connection& connection : connections) ::shutdown(connection.socket.number(), SHUT_RD);
  for (Connection& connection : connections) connection.thread.join();
  connections.clear();
}

SshAgentServer::SshAgentServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SshAgentServer::~SshAgentServer() = default;

Result<std::unique_ptr<SshAgentServer>> SshAgentServer::open(const std::string& path, ServerPorts ports,
                                                             ServerOptions options) {
  SKS_LET(wire::Listener listener, wire::Listener::open(wire::UnixAddress{path}));
  return open_at(std::move(listener), std::move(ports), options);
}

Result<std::unique_ptr<SshAgentServer>> SshAgentServer::open(wire::Descriptor bound, ServerPorts ports,
                                                             ServerOptions options) {
  return open_at(std::move(bound), std::move(ports), options);
}

Result<std::unique_ptr<SshAgentServer>> SshAgentServer::open_at(Door door, ServerPorts ports, ServerOptions options) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return wire::system_error(Status::not_available, "Cannot make a pipe", errno);
  auto impl = std::make_unique<Impl>(std::move(ports), options, std::move(door), wire::Descriptor(ends[0]),
                                     wire::Descriptor(ends[1]));
  return std::unique_ptr<SshAgentServer>(new SshAgentServer(std::move(impl)));
}

void SshAgentServer::run() {
  while (impl_->wait_for_client()) impl_->accept_client();
  impl_->end_all();
}

void SshAgentServer::stop() noexcept {
  const int kept = errno;
  const std::uint8_t byte = 0;
  // The pipe can only be full of earlier calls.
  [[maybe_unused]] const ssize_t written = ::write(impl_->stop_writer.number(), &byte, 1);
  errno = kept;
}

bool SshAgentServer::used() const noexcept { return impl_->used; }

std::string agent_socket_of(const std::string& sksd_socket) {
  constexpr std::string_view kEnd = ".sock";
  std::string path = sksd_socket;
  if (path.ends_with(kEnd)) path.resize(path.size() - kEnd.size());
  return path + ".ssh";
}

}  // namespace sks::ssh
