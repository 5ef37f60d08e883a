#include "key-user-api/daemon/application_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <list>
#include <thread>

#include "key-user-api/daemon/frame_stream.h"
#include "sks-core/wire/attentive_receiver.h"
#include "sks-core/wire/frame.h"

namespace sks::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// An application that is busy with keys calls again within it.
constexpr std::chrono::microseconds kAttention{100};
/// How long to leave clients waiting when the process is out of descriptors.
constexpr milliseconds kShortagePause{100};

/// Memory that connections share. They ask before they take more than what each of them has anyway.
class Budget {
 public:
  explicit Budget(std::size_t bytes) : left_(bytes) {}

  /// Waits for `bytes`; false when there are none in time.
  bool take(std::size_t bytes, const wire::Patience& patience) {
    std::unique_lock lock(mutex_);
    if (!given_back_.wait_until(lock, patience.until, [&] { return left_ >= bytes; })) return false;
    left_ -= bytes;
    return true;
  }
  void give_back(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    left_ += bytes;
    given_back_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::size_t left_;
};

/// What one request has taken of the budget.
class Share {
 public:
  explicit Share(Budget& budget) : budget_(budget) {}
  ~Share() { reset(); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  bool take(std::size_t bytes, const wire::Patience& patience) {
    if (taken_ > 0) return true;
    if (!budget_.take(bytes, patience)) return false;
    taken_ = bytes;
    return true;
  }
  void reset() {
    if (taken_ > 0) budget_.give_back(std::exchange(taken_, 0));
  }

 private:
  Budget& budget_;
  std::size_t taken_ = 0;
};

struct Connection {
  explicit Connection(wire::Descriptor given) : socket(std::move(given)) {}

  wire::Descriptor socket;  ///< closed under the server's mutex, and by its own thread
  std::shared_ptr<const Peer> peer;
  bool has_ended = false;  ///< under the server's mutex
  std::thread thread;
};

}  // namespace

struct ApplicationServer::Impl {
  Impl(Door given_door, wire::Descriptor waking, Router& answers, ApplicationServerOptions given)
      : door(std::move(given_door)),
        wake(std::move(waking)),
        router(answers),
        options(given),
        budget(given.large_frames) {}

  int door_number() const;
  void run();
  void accept_one();
  bool may_connect(const Peer& peer);
  void start(wire::Descriptor socket, std::shared_ptr<const Peer> peer);
  void join_ended();
  std::size_t count_connected();
  int patience_for_poll();
  void ring() const noexcept;
  void stop_reading();

  void serve(Connection& connection);
  void serve_requests(Connection& connection);
  bool answer(Caller& caller, ByteView request);
  bool receive(int socket, FrameStream& stream, std::optional<wire::Patience>& patience, Share& share,
               wire::AttentiveReceiver& receiver);

  std::optional<Door> door;
  wire::Descriptor wake;
  Router& router;
  const ApplicationServerOptions options;
  Budget budget;
  std::atomic<bool> stopping = false;

  std::mutex mutex;  // of what follows
  std::list<Connection> connections;
  std::size_t connected = 0;
  steady_clock::time_point idle_since = steady_clock::now();
};

int ApplicationServer::Impl::door_number() const {
  return std::visit([](const auto& opened) { return opened.number(); }, *door);
}

void ApplicationServer::Impl::ring() const noexcept {
  const std::uint64_t one = 1;
  // It can only be full of earlier calls.
  [[maybe_unused]] const ssize_t written = ::write(wake.number(), &one, sizeof(one));
}

/// Reads what has arrived, or waits for something. False: the connection is of no more use.
bool ApplicationServer::Impl::receive(int socket, FrameStream& stream, std::optional<wire::Patience>& patience,
                                      Share& share, wire::AttentiveReceiver& receiver) {
  if (stream.is_within_frame()) {
    if (!patience) patience = wire::patience_for(options.frame_timeout);
    // The answer may be as large.
    if (const std::size_t size = stream.announced();
        size > FrameStream::kSmallFrame && !share.take(2 * size, *patience))
      return false;
    if (!wire::wait_for(socket, POLLIN, *patience)) return false;
  }
  const std::span<std::uint8_t> room = stream.room();
  for (;;) {
    const ssize_t received = receiver.receive(socket, room);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return false;
    stream.received(static_cast<std::size_t>(received));
    return true;
  }
}

/// Tells of the use after the answer, which does not wait for that.
bool ApplicationServer::Impl::answer(Caller& caller, ByteView request) {
  const Router::Answer answer = router.answer(caller, request);
  const bool sent = !answer.body.empty() &&
                    wire::send_frame(caller.socket, answer.body.view(), wire::patience_for(options.answer_timeout));
  if (answer.use.record.is_use) router.uses().add(answer.use);
  return sent;
}

void ApplicationServer::Impl::serve_requests(Connection& connection) {
  Caller caller{connection.peer, connection.socket.number()};
  FrameStream stream;
  std::optional<wire::Patience> patience;
  Share share(budget);
  wire::AttentiveReceiver receiver(kAttention);
  for (;;) {
    const Result<std::optional<ByteView>> request = stream.next();
    if (!request) return;
    if (*request) {
      if (!answer(caller, **request)) return;
      stream.done();
      if (!stream.is_large()) share.reset();
      patience.reset();
    } else if (!receive(caller.socket, stream, patience, share, receiver)) {
      return;
    }
  }
}

void ApplicationServer::Impl::serve(Connection& connection) {
  try {
    serve_requests(connection);
  } catch (const std::exception&) {
    // Out of memory: what this connection has becomes that of others.
  }
  const std::lock_guard lock(mutex);
  connection.socket.close();
  connection.has_ended = true;
  if (--connected > 0) return;
  idle_since = steady_clock::now();
  ring();
}

bool ApplicationServer::Impl::may_connect(const Peer& peer) {
  const std::lock_guard lock(mutex);
  const auto of_peer = std::ranges::count_if(connections, [&](const Connection& connection) {
    return !connection.has_ended && connection.peer->program.pid == peer.program.pid;
  });
  return connected < options.max_connections && static_cast<std::size_t>(of_peer) < options.max_connections_of_peer;
}

void ApplicationServer::Impl::accept_one() {
  wire::Descriptor socket(::accept4(door_number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      std::this_thread::sleep_for(kShortagePause);
    return;
  }
  join_ended();
  std::optional<Peer> peer = peer_of(socket.number());
  if (!peer) return;
  const bool is_ours = peer->uid == ::geteuid();
  auto shared = std::make_shared<const Peer>(std::move(*peer));
  if (is_ours && may_connect(*shared)) return start(std::move(socket), std::move(shared));
  Use refused{std::chrono::system_clock::now(), std::move(shared), 0, {}, {}};
  refused.record.method = is_ours ? "tooManyConnections" : "foreignUser";
  refused.record.result = static_cast<std::uint64_t>(Status::not_allowed);
  refused.record.is_use = true;
  router.uses().add(refused);
}

void ApplicationServer::Impl::start(wire::Descriptor socket, std::shared_ptr<const Peer> peer) {
  std::list<Connection> made;
  made.emplace_back(std::move(socket)).peer = std::move(peer);
  Connection& connection = made.front();
  const std::lock_guard lock(mutex);
  connection.thread = std::thread([this, &connection] { serve(connection); });
  connections.splice(connections.end(), made);
  ++connected;
}

void ApplicationServer::Impl::join_ended() {
  std::list<Connection> ended;
  {
    const std::lock_guard lock(mutex);
    for (auto place = connections.begin(); place != connections.end();) {
      const auto next = std::next(place);
      if (place->has_ended) ended.splice(ended.end(), connections, place);
      place = next;
    }
  }
  for (Connection& connection : ended) connection.thread.join();
}

/// Milliseconds until the server has been idle for long enough; -1: until something happens.
int ApplicationServer::Impl::patience_for_poll() {
  if (options.idle_limit.count() == 0 || (options.is_needed && options.is_needed())) return -1;
  const std::lock_guard lock(mutex);
  if (connected > 0) return -1;
  return wire::milliseconds_left({idle_since + options.idle_limit});
}

void ApplicationServer::Impl::run() {
  std::array<pollfd, 2> watched{pollfd{wake.number(), POLLIN, 0}, pollfd{door_number(), POLLIN, 0}};
  while (!stopping) {
    const int patience = patience_for_poll();
    const int ready = ::poll(watched.data(), watched.size(), patience);
    if (ready == 0 && patience_for_poll() == 0) break;
    if (ready <= 0) continue;
    std::uint64_t rings = 0;
    if (watched[0].revents != 0) {
      [[maybe_unused]] const ssize_t taken = ::read(wake.number(), &rings, sizeof(rings));
      join_ended();
    }
    if (watched[1].revents == 0 || stopping) continue;
    try {
      accept_one();
    } catch (const std::exception&) {
      // Out of memory or threads: closed, as one connection too many.
    }
  }
  door.reset();
  stop_reading();
}

/// What has arrived is still read, and then the end; clients cannot send any more.
void ApplicationServer::Impl::stop_reading() {
  {
    const std::lock_guard lock(mutex);
    for (const Connection& connection : connections)
      if (!connection.has_ended) ::shutdown(connection.socket.number(), SHUT_RD);
  }
  // No other thread adds connections.
  for (Connection& connection : connections) connection.thread.join();
  connections.clear();
}

ApplicationServer::ApplicationServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApplicationServer::~ApplicationServer() = default;

Result<std::unique_ptr<ApplicationServer>> ApplicationServer::open(Door door, Router& router,
                                                                   ApplicationServerOptions options) {
  wire::Descriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return wire::system_error(Status::not_available, "Cannot make an event", errno);
  return std::unique_ptr<ApplicationServer>(
      new ApplicationServer(std::make_unique<Impl>(std::move(door), std::move(wake), router, options)));
}

void ApplicationServer::run() { impl_->run(); }

void ApplicationServer::stop() noexcept {
  const int kept = errno;
  impl_->stopping = true;
  impl_->ring();
  errno = kept;
}

Result<void> ApplicationServer::stop_unless_used() {
  const std::lock_guard lock(impl_->mutex);
  std::string users;
  for (const Connection& connection : impl_->connections) {
    if (connection.has_ended || connection.socket.number() == current_client()) continue;
    const token::Program& program = connection.peer->program;
    const std::string name = program.executable + " (process " + std::to_string(program.pid) + ")";
    if (users.find(name) == std::string::npos) users += (users.empty() ? "" : ", ") + name;
  }
  if (impl_->options.is_needed && impl_->options.is_needed())
    users += (users.empty() ? "" : ", ") + std::string("the programs that know of its SSH agent");
  if (!users.empty()) return Error{Status::not_allowed, "sksd serves the key store to " + users};
  stop();
  return {};
}

}  // namespace sks::daemon
