#include "sks-core/wire/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <list>
#include <thread>

#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/listener.h"

namespace sks::wire {
namespace {

using std::chrono::milliseconds;

/// How long to leave clients waiting when the process is out of descriptors.
constexpr milliseconds kShortagePause{100};

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

struct Connection {
  Descriptor socket;
  std::atomic<bool> ended = false;
  std::thread thread;
};

}  // namespace

struct Server::Impl {
  Impl(SecureKeyStore& served, ServerOptions given, StopSign sign)
      : store(served), options(given), stop_sign(std::move(sign)) {}

  void accept_from(const Listener& listener);
  void start(Descriptor socket);
  void serve(int socket);
  Result<void> serve_one_request(int socket);
  void join_ended();
  Patience without_end() const { return {std::nullopt, stop_sign.reader.number()}; }

  SecureKeyStore& store;
  ServerOptions options;
  StopSign stop_sign;
  std::vector<Address> addresses;  ///< of the listeners, which go when the server stops
  std::vector<Listener> listeners;
  std::list<Connection> connections;
};

void Server::Impl::accept_from(const Listener& listener) {
  Descriptor socket(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      static_cast<void>(wait_for(stop_sign.reader.number(), POLLIN, patience_for(kShortagePause)));
    return;
  }
  if (std::holds_alternative<UnixAddress>(listener.address()) && !is_of_our_user(socket.number())) return;
  if (connections.size() >= options.max_connections) return;
  send_without_delay(socket.number());
  start(std::move(socket));
}

void Server::Impl::start(Descriptor socket) {
  std::list<Connection> made;
  try {
    Connection& connection = made.emplace_back();
    connection.socket = std::move(socket);
    connection.thread = std::thread([this, &connection] {
      serve(connection.socket.number());
      connection.socket.close();
      connection.ended = true;
    });
  } catch (const std::exception&) {
    return;  // out of memory or threads: closed, as one connection too many
  }
  connections.splice(connections.end(), made);
}

void Server::Impl::serve(int socket) {
  try {
    while (serve_one_request(socket)) {
    }
  } catch (const std::bad_alloc&) {
    // The connection ends, and its memory becomes that of others.
  }
}

Result<void> Server::Impl::serve_one_request(int socket) {
  SKS_TRY(wait_for(socket, POLLIN, without_end()));
  SKS_LET(const SecureBytes request,
          receive_frame(socket, patience_for(options.frame_timeout, stop_sign.reader.number())));
  const SecureBytes response = dispatch(store, request.view());
  if (response.empty()) return Error{Status::external, "No memory for an answer"};
  return send_frame(socket, response.view(), patience_for(options.answer_timeout));
}

void Server::Impl::join_ended() {
  std::erase_if(connections, [](Connection& connection) {
    if (!connection.ended) return false;
    connection.thread.join();
    return true;
  });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(const std::vector<Address>& addresses, SecureKeyStore& store,
                                             ServerOptions options) {
  SKS_LET(StopSign sign, make_stop_sign());
  auto impl = std::make_unique<Impl>(store, options, std::move(sign));
  for (const Address& address : addresses) {
    SKS_LET(Listener listener, Listener::open(address));
    impl->addresses.push_back(listener.address());
    impl->listeners.push_back(std::move(listener));
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::vector<Address> Server::addresses() const { return impl_->addresses; }

void Server::run() {
  std::vector<pollfd> watched;
  for (const Listener& listener : impl_->listeners) watched.push_back({listener.number(), POLLIN, 0});
  watched.push_back({impl_->stop_sign.reader.number(), POLLIN, 0});
  while (watched.back().revents == 0) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    impl_->join_ended();
    for (std::size_t i = 0; i < impl_->listeners.size(); ++i)
      if (watched[i].revents != 0) impl_->accept_from(impl_->listeners[i]);
  }
  impl_->listeners.clear();
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
