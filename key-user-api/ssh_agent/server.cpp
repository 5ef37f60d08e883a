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
using std::chrono::steady_clock;

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

enum class Phase : std::uint8_t {
  idle,       ///< waits for a request; only then it can be dismissed
  working,    ///< from the first byte of a request until its answer is known
  dismissed,  ///< reads nothing more, and ends as soon as its client has taken the last answer
  ended       ///< the thread can be joined
};

struct Connection {
  wire::Descriptor socket;
  token::Program program;
  std::thread thread;
  std::atomic<Phase> phase = Phase::idle;
  std::atomic<steady_clock::time_point> idle_since = steady_clock::now();

  bool counts() const { return phase == Phase::idle || phase == Phase::working; }
  void rest() {
    idle_since = steady_clock::now();
    phase = Phase::idle;
  }
  bool move_from_idle(Phase to) {
    Phase expected = Phase::idle;
    return phase.compare_exchange_strong(expected, to);
  }
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
  bool make_room_for(const token::Program& program);
  bool dismiss_idlest(std::optional<std::uint32_t> pid);
  void start(wire::Descriptor socket, token::Program program);
  void serve(Connection& connection);
  void converse(Connection& connection);
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
  token::Program program = program_behind(socket.number());
  if (make_room_for(program)) start(std::move(socket), std::move(program));
}

bool SshAgentServer::Impl::make_room_for(const token::Program& program) {
  std::size_t all = 0, of_peer = 0;
  for (const Connection& connection : connections) {
    if (!connection.counts()) continue;
    ++all;
    if (connection.program.pid == program.pid) ++of_peer;
  }
  // Those that are dismissed have their threads for as long as their clients take no answer.
  if (connections.size() >= 2 * options.max_connections) return false;
  if (of_peer >= options.max_connections_of_peer) return dismiss_idlest(program.pid);
  return all < options.max_connections || dismiss_idlest(std::nullopt);
}

/// The connection that has been idle for longest, of one process or of all. False: none is idle.
bool SshAgentServer::Impl::dismiss_idlest(std::optional<std::uint32_t> pid) {
  for (;;) {
    Connection* idlest = nullptr;
    for (Connection& connection : connections) {
      if (connection.phase != Phase::idle || (pid && connection.program.pid != *pid)) continue;
      if (idlest == nullptr || connection.idle_since.load() < idlest->idle_since.load()) idlest = &connection;
    }
    if (idlest == nullptr) return false;
    if (!idlest->move_from_idle(Phase::dismissed)) continue;  // a request has come
    ::shutdown(idlest->socket.number(), SHUT_RD);
    return true;
  }
}

void SshAgentServer::Impl::start(wire::Descriptor socket, token::Program program) {
  std::list<Connection> made;
  try {
    Connection& connection = made.emplace_back();
    connection.socket = std::move(socket);
    connection.program = std::move(program);
    connection.thread = std::thread([this, &connection] { serve(connection); });
  } catch (const std::exception&) {
    return;  // out of memory or threads: closed, as one connection too many
  }
  connections.splice(connections.end(), made);
}

void SshAgentServer::Impl::serve(Connection& connection) {
  try {
    converse(connection);
  } catch (const std::exception&) {
    // Out of memory: the client gets no answer.
  }
  ::shutdown(connection.socket.number(), SHUT_RDWR);  // the descriptor itself goes when the thread is joined
  connection.phase = Phase::ended;
}

void SshAgentServer::Impl::converse(Connection& connection) {
  const int socket = connection.socket.number();
  const std::shared_ptr<void> scope = ports.working_for ? ports.working_for(socket) : nullptr;
  AgentConnection client(agent, connection.program);
  pollfd watched{socket, POLLIN, 0};
  for (bool open = true; open;) {
    if (::poll(&watched, 1, -1) < 0 && errno == EINTR) continue;  // a client may be silent as long as it likes
    if (!connection.move_from_idle(Phase::working)) return;
    wire::FrameReader reader(kMaxMessage);
    const auto message = wire::receive_frame(socket, wire::patience_for(options.message_timeout), reader);
    if (!message && !reader.is_forbidden()) return;
    const Reply reply = client.answer(message ? message->view() : ByteView());
    connection.rest();
    open = wire::send_frame(socket, reply.message, wire::patience_for(options.message_timeout)) && !reply.close;
  }
}

void SshAgentServer::Impl::join_ended() {
  std::erase_if(connections, [](Connection& connection) {
    if (connection.phase != Phase::ended) return false;
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
