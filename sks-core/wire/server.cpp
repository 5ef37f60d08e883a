#include "sks-core/wire/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <exception>
#include <list>

#include "sks-core/wire/connection.h"
#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/listener.h"

/// The threads of a server:
/// - That of run() accepts connections and reads requests. It alone knows in which order they arrive.
/// - One calls the store for the requests that work on sessions, in that order, and does not wait for the disk.
/// - One waits for the disk and passes on the answers to those requests, so that several share a sync.
/// - One for each connection calls the store for its other requests, and sends the answers of both kinds.
namespace sks::wire {
namespace {

using std::chrono::milliseconds;

/// How long to leave clients waiting when the process is out of descriptors.
constexpr milliseconds kShortagePause{100};

constexpr Watch::Name kStopSign = 0;
constexpr Watch::Name kFirstListener = 1;  // then the other listeners, then the connections

/// Becomes readable for good.
struct StopSign {
  Descriptor reader;
  Descriptor writer;
};

Result<StopSign> make_stop_sign() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return system_error(Status::not_available, "Cannot make a pipe", errno);
  return StopSign{Descriptor(ends[0]), Descriptor(ends[1])};
}

struct SessionCall {
  Connection* connection;
  SecureBytes request;
};

struct SessionAnswer {
  Connection* connection;
  PendingAnswer answer;
};

/// What one thread leaves to another one, in the order in which it came.
template <class T>
class Queue {
 public:
  /// Leaves `item` as it is when there is no memory for it.
  void put(T&& item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_one();
  }
  /// No more will come.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  /// None when there will be no more.
  std::optional<T> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace

struct Server::Impl {
  Impl(SecureKeyStore& served, ServerOptions given, StopSign sign, Watch watched)
      : store(served), options(given), stop_sign(std::move(sign)), watch(std::move(watched)) {}

  Result<void> listen_at(const Address& address);
  void accept_from(std::size_t number);
  void start(Descriptor socket);
  void read_from(Connection& connection);
  void pass_on(Connection& connection, SecureBytes request);
  void handle(Watch::Name name);
  std::optional<Patience> next_deadline() const;
  void look_at_deadlines();
  void join_ended();
  void read_until_stopped();

  void serve(Connection& connection);
  void serve_sessions();
  void answer_sessions();

  SecureKeyStore& store;
  ServerOptions options;
  StopSign stop_sign;
  Watch watch;
  std::vector<Address> addresses;  ///< of the listeners, which go when the server stops
  std::vector<Listener> listeners;
  std::optional<Patience> shortage;  ///< until when nothing is accepted
  std::list<Connection> connections;
  Watch::Name next_name = kFirstListener;
  Queue<SessionCall> session_calls;
  Queue<SessionAnswer> session_answers;
};

Result<void> Server::Impl::listen_at(const Address& address) {
  SKS_LET(Listener listener, Listener::open(address));
  SKS_TRY(watch.add(listener.number(), next_name++));
  addresses.push_back(listener.address());
  listeners.push_back(std::move(listener));
  return {};
}

void Server::Impl::accept_from(std::size_t number) {
  const Listener& listener = listeners[number];
  Descriptor socket(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
    shortage = patience_for(kShortagePause);
    return;
  }
  watch.again(listener.number(), kFirstListener + number);
  if (!socket) return;
  if (std::holds_alternative<UnixAddress>(listener.address()) && !is_of_our_user(socket.number())) return;
  join_ended();
  if (connections.size() >= options.max_connections) return;
  send_without_delay(socket.number());
  start(std::move(socket));
}

void Server::Impl::start(Descriptor socket) {
  const int number = socket.number();
  std::list<Connection> made;
  try {
    Connection& connection = made.emplace_back(watch, next_name++, std::move(socket));
    connection.thread = std::thread([this, &connection] { serve(connection); });
  } catch (const std::exception&) {
    return;  // out of memory or threads: closed, as one connection too many
  }
  connections.splice(connections.end(), made);
  if (!watch.add(number, connections.back().name())) connections.back().close();
}

void Server::Impl::read_from(Connection& connection) {
  Result<std::optional<SecureBytes>> request = connection.read(options.frame_timeout);
  if (!request) return connection.stop_watching();
  if (*request) pass_on(connection, std::move(**request));
}

void Server::Impl::pass_on(Connection& connection, SecureBytes request) {
  if (!works_on_session(request.view())) return connection.put_request(std::move(request));
  try {
    session_calls.put(SessionCall{&connection, std::move(request)});
  } catch (const std::bad_alloc&) {
    connection.put_answer({});
  }
}

void Server::Impl::handle(Watch::Name name) {
  if (name - kFirstListener < listeners.size()) return accept_from(name - kFirstListener);
  const auto connection = std::ranges::find(connections, name, &Connection::name);
  if (connection != connections.end()) read_from(*connection);
}

std::optional<Patience> Server::Impl::next_deadline() const {
  std::optional<Patience> next = shortage;
  for (const Connection& connection : connections) {
    const std::optional<Patience>& patience = connection.patience();
    if (patience && (!next || patience->until < next->until)) next = patience;
  }
  return next;
}

void Server::Impl::look_at_deadlines() {
  const auto now = std::chrono::steady_clock::now();
  for (Connection& connection : connections)
    if (connection.patience() && connection.patience()->until <= now) connection.stop_watching();
  if (!shortage || shortage->until > now) return;
  shortage.reset();
  for (std::size_t i = 0; i < listeners.size(); ++i) watch.again(listeners[i].number(), kFirstListener + i);
}

void Server::Impl::join_ended() {
  std::erase_if(connections, [](Connection& connection) {
    if (!connection.has_ended()) return false;
    connection.thread.join();
    return true;
  });
}

void Server::Impl::read_until_stopped() {
  for (;;) {
    const std::optional<Watch::Name> readable = watch.wait(next_deadline());
    if (readable == kStopSign) return;
    if (readable) handle(*readable);
    look_at_deadlines();
  }
}

void Server::Impl::serve(Connection& connection) {
  while (const std::optional<Connection::Work> work = connection.next_work()) {
    if (work->is_answer)
      connection.send(work->body.view(), options.answer_timeout);
    else
      connection.put_answer(dispatch(store, work->body.view()));
  }
  connection.end();
}

void Server::Impl::serve_sessions() {
  while (const std::optional<SessionCall> call = session_calls.take()) {
    SessionAnswer answer{call->connection, begin_dispatch(store, call->request.view())};
    try {
      session_answers.put(std::move(answer));
    } catch (const std::bad_alloc&) {
      answer.connection->put_answer(finish(std::move(answer.answer)));
    }
  }
  session_answers.close();
}

void Server::Impl::answer_sessions() {
  while (std::optional<SessionAnswer> answer = session_answers.take())
    answer->connection->put_answer(finish(std::move(answer->answer)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(const std::vector<Address>& addresses, SecureKeyStore& store,
                                             ServerOptions options) {
  SKS_LET(StopSign sign, make_stop_sign());
  SKS_LET(Watch watch, Watch::open());
  SKS_TRY(watch.add(sign.reader.number(), kStopSign));
  auto impl = std::make_unique<Impl>(store, options, std::move(sign), std::move(watch));
  for (const Address& address : addresses) SKS_TRY(impl->listen_at(address));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::vector<Address> Server::addresses() const { return impl_->addresses; }

void Server::run() {
  std::thread sessions([this] { impl_->serve_sessions(); });
  std::thread answers([this] { impl_->answer_sessions(); });
  impl_->read_until_stopped();
  impl_->listeners.clear();
  for (Connection& connection : impl_->connections) connection.close();
  impl_->session_calls.close();
  sessions.join();
  answers.join();
  for (Connection& connection : impl_->connections) connection.thread.join();
  impl_->connections.clear();
}

void Server::stop() noexcept {
  const int kept = errno;
  const std::uint8_t byte = 0;
  // The pipe can only be full of earlier calls.
  [[maybe_unused]] const ssize_t written = ::write(impl_->stop_sign.writer.number(), &byte, 1);
  errno = kept;
}

}  // namespace sks::wire
