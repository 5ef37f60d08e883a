#include "provisioning-server/listener/listener.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <list>
#include <set>
#include <thread>

#include "provisioning-server/listener/connection.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"

namespace sks::issuer {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kMinute = std::chrono::seconds(60);
/// Of each plain service, so that none takes the places of another one.
constexpr std::size_t kPlainConnections = 256;
/// Of PlainService::has_own_threads.
constexpr std::size_t kOwnThreads = 2;
constexpr std::size_t kRememberedAddresses = 10000;
/// Places come free and are taken again many times in a second.
constexpr double kFullWarningsPerSecond = 1.0 / 60;

/// Every connection takes a descriptor, and the usual soft limit is for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// An event loop in a thread of its own: what belongs to a connection happens in one of them. So no connection waits
/// for the lock of another one, or changes threads for what needs no waiting.
struct Loop {
  asio::io_context io{1};  // one thread
  asio::executor_work_guard<asio::io_context::executor_type> always{io.get_executor()};
};

struct Door {
  Door(tcp::acceptor given, const PlainService* its_plain, ConnectionLimits& its_limits)
      : acceptor(std::move(given)), plain(its_plain), limits(its_limits) {}
  tcp::acceptor acceptor;
  const PlainService* plain;  ///< null: the service over TLS
  ConnectionLimits& limits;
  bool paused = false;
};

}  // namespace

struct Listener::Impl {
  Impl(ListenerOptions given, Service its_service)
      : options(std::move(given)),
        loops(std::max(std::thread::hardware_concurrency(), 1U)),
        workers(std::max<std::size_t>(options.threads, 1)),
        strand(asio::make_strand(io)),
        service(std::move(its_service)),
        limits(make_limits(options.connections)),
        requests(std::make_shared<RateLimit>(options.requests_per_second_per_address,
                                             2 * options.requests_per_second_per_address, kRememberedAddresses)),
        signals(strand),
        minute(strand),
        deadline(strand) {}

  std::shared_ptr<ConnectionLimits> make_limits(std::size_t in_all) {
    return std::make_shared<ConnectionLimits>(in_all, options.connections_per_address,
                                              [this] { asio::post(strand, [this] { resume(); }); });
  }
  Result<void> bind(const std::vector<ListenAddress>& addresses, const PlainService* plain, ConnectionLimits& of_them);
  Result<void> bind(const ListenAddress& address, const PlainService* plain, ConnectionLimits& of_it);
  void accept(Door& door);
  void note_full(const Door& door);
  void serve(tcp::socket socket, const Door& door);
  void wait_for_signal();
  void replace(std::optional<Service> next);
  void resume();
  void note_connections() const {
    Metrics::instance().set_gauge("connections_open", static_cast<std::int64_t>(limits->open()));
  }
  void stop();
  void start_minute();
  Service current_service() {
    const std::lock_guard lock(service_mutex);
    return service;
  }

  ListenerOptions options;
  std::vector<Loop> loops;  // of connections
  std::size_t next_loop = 0;
  asio::io_context io;  // of everything else
  asio::thread_pool workers;
  asio::thread_pool own_workers{kOwnThreads};
  // For events that may wait, for the database or a token: neither connections nor signals are to wait with them.
  asio::thread_pool chores{1};
  PendingResponses pending;
  // Guards everything below but `service`.
  asio::strand<asio::io_context::executor_type> strand;
  std::mutex service_mutex;
  Service service;
  std::shared_ptr<ConnectionLimits> limits;
  std::vector<std::shared_ptr<ConnectionLimits>> plain_limits;
  RateLimit full_warnings{kFullWarningsPerSecond, 1, 1};
  std::shared_ptr<RateLimit> requests;
  bool stopping = false;
  std::list<Door> doors;
  std::vector<std::weak_ptr<Connection>> connections;
  asio::signal_set signals;
  asio::steady_timer minute;
  asio::steady_timer deadline;
  ListenerEvents events;
};

Result<void> Listener::Impl::bind(const std::vector<ListenAddress>& addresses, const PlainService* plain,
                                  ConnectionLimits& of_them) {
  for (const ListenAddress& address : addresses) {
    Result<void> bound = bind(address, plain, of_them);
    if (!bound && address.need == ListenAddress::Need::required) return bound;
  }
  return {};
}

Result<void> Listener::Impl::bind(const ListenAddress& address, const PlainService* plain, ConnectionLimits& of_it) {
  const std::string name = address.host + " port " + std::to_string(address.port);
  error_code failure;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, failure);
  if (failure) return Error{Status::not_available, "cannot listen on " + name + ": " + failure.message()};
  std::set<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.insert(entry.endpoint());
  for (const tcp::endpoint& endpoint : endpoints) {
    tcp::acceptor acceptor(strand);
    acceptor.open(endpoint.protocol(), failure);
    if (!failure) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure && endpoint.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(true), failure);
    if (!failure) acceptor.bind(endpoint, failure);
    if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
    if (failure) return Error{Status::not_available, "cannot listen on " + name + ": " + failure.message()};
    doors.emplace_back(std::move(acceptor), plain, of_it);
  }
  return {};
}

void Listener::Impl::accept(Door& door) {
  if (door.limits.is_reached()) {
    door.paused = true;
    return note_full(door);
  }
  Loop& loop = loops[next_loop++ % loops.size()];
  door.acceptor.async_accept(loop.io, [this, &door](error_code failure, tcp::socket socket) {
    if (failure == asio::error::operation_aborted || !door.acceptor.is_open()) return;
    if (failure) {
      // Out of descriptors, most likely: the next connection that ends calls resume(), or the minute.
      log_warning("accept-failed", {{"reason", failure.message()}});
      door.paused = true;
      return;
    }
    serve(std::move(socket), door);
    accept(door);
  });
}

void Listener::Impl::note_full(const Door& door) {
  Metrics::instance().counter("connections_full_total").add();
  if (!full_warnings.take("", steady_seconds())) return;
  error_code ignored;
  log_warning("connections-full", {{"connections", std::to_string(door.limits.open())},
                                   {"port", std::to_string(door.acceptor.local_endpoint(ignored).port())}});
}

void Listener::Impl::serve(tcp::socket socket, const Door& door) {
  const PlainService* const plain = door.plain;
  error_code failure;
  const tcp::endpoint endpoint = socket.remote_endpoint(failure);
  if (failure) return;  // it has gone already
  const std::string peer = endpoint.address().to_string();
  Metrics::instance().counter("connections_total").add();
  std::unique_ptr<ConnectionLimits::Permit> permit = door.limits.take(rate_key(peer));
  if (permit == nullptr) {
    Metrics::instance().counter("connections_closed_total", {{"limit", "address"}}).add();
    log_debug("connection-refused", {{"peer", peer}, {"limit", "address"}});
    return;
  }
  note_connections();
  // Now and then, so that the work for one connection does not grow with their number.
  if (connections.size() > 64 + 2 * limits->open())
    std::erase_if(connections, [](const auto& connection) { return connection.expired(); });
  std::shared_ptr<Connection> connection;
  if (plain == nullptr) {
    ConnectionPorts ports{[this] { return current_service().handler; }, requests, options.requests_per_connection,
                          workers, pending};
    connection = make_connection(std::move(socket), peer, current_service().tls, std::move(ports), std::move(permit));
  } else {
    ConnectionPorts ports{[plain] { return plain->handler; }, nullptr, options.requests_per_connection,
                          plain->has_own_threads ? own_workers : workers, pending};
    connection = make_connection(std::move(socket), peer, nullptr, std::move(ports), std::move(permit));
  }
  if (plain == nullptr) connections.push_back(connection);
  connection->start();
}

void Listener::Impl::resume() {
  note_connections();
  if (stopping && limits->is_unused()) return io.stop();
  for (Door& door : doors)
    if (door.acceptor.is_open() && std::exchange(door.paused, false)) accept(door);
}

void Listener::Impl::start_minute() {
  minute.expires_after(kMinute);
  minute.async_wait([this](error_code failure) {
    if (failure || stopping) return;  // a wait that was over before cancel() is not cancelled by it
    resume();
    asio::post(chores, [this] {
      replace(events.every_minute());
      asio::post(strand, [this] {
        if (!stopping) start_minute();
      });
    });
  });
}

void Listener::Impl::wait_for_signal() {
  signals.async_wait([this](error_code failure, int signal) {
    if (failure) return;
    if (signal == SIGHUP) {
      if (!stopping) asio::post(chores, [this] { replace(events.reload()); });
    } else if (!stopping) {
      stop();
    }
    wait_for_signal();
  });
}

void Listener::Impl::replace(std::optional<Service> next) {
  if (!next) return;
  const std::lock_guard lock(service_mutex);
  std::swap(service, *next);
}

void Listener::Impl::stop() {
  stopping = true;
  log_info("draining", {{"connections", std::to_string(limits->open())}});
  events.drain();
  error_code ignored;
  for (Door& door : doors)
    if (door.plain == nullptr) door.acceptor.close(ignored);
  minute.cancel();
  for (const auto& weak : connections)
    if (const auto connection = weak.lock()) connection->stop();
  deadline.expires_after(std::chrono::seconds(options.drain_seconds));
  deadline.async_wait([this](error_code failure) {
    if (failure) return;
    log_warning("connections-cut-off", {{"connections", std::to_string(limits->open())}});
    io.stop();
  });
  if (limits->is_unused()) io.stop();
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::open(ListenerOptions options, Service service) {
  raise_descriptor_limit();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(service));
  SKS_TRY(impl->bind(impl->options.addresses, nullptr, *impl->limits));
  for (const PlainService& plain : impl->options.plain) {
    impl->plain_limits.push_back(impl->make_limits(kPlainConnections));
    SKS_TRY(impl->bind(plain.addresses, &plain, *impl->plain_limits.back()));
  }
  // From here on a signal waits for run() instead of killing the process: the caller is about to say that it listens.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    error_code failure;
    impl->signals.add(signal, failure);
    if (failure) return Error{Status::internal, "cannot handle signals: " + failure.message()};
  }
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

void Listener::run(ListenerEvents events) {
  impl_->events = std::move(events);
  impl_->wait_for_signal();
  asio::post(impl_->strand, [this] {
    for (Door& door : impl_->doors) impl_->accept(door);
    impl_->start_minute();
  });
  {
    // One for each processor is enough for what never waits; this one is for what they share.
    std::vector<std::jthread> others;
    for (Loop& loop : impl_->loops) others.emplace_back([&loop] { loop.io.run(); });
    impl_->io.run();
    for (Loop& loop : impl_->loops) loop.io.stop();
  }
  // Nobody gets an answer any more. What has not begun is dropped, before that which has is told to end and makes room;
  // this is waited for, since it uses the service.
  for (asio::thread_pool* const pool : {&impl_->workers, &impl_->own_workers, &impl_->chores}) pool->stop();
  impl_->events.cut_off();
  for (asio::thread_pool* const pool : {&impl_->workers, &impl_->own_workers, &impl_->chores}) pool->join();
  impl_->pending.wait_for_all();
  // Connections that the deadline cut off are destroyed together with the io_context, which cannot take posts then.
  impl_->limits->be_quiet();
  for (const auto& limits : impl_->plain_limits) limits->be_quiet();
}

}  // namespace sks::issuer
