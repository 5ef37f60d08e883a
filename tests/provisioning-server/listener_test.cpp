#include "provisioning-server/listener/listener.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <future>
#include <sstream>
#include <thread>

using namespace sks;
using namespace sks::issuer;

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kPatience = std::chrono::seconds(60);

std::uint16_t free_port() {
  asio::io_context io;
  return tcp::acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)).local_endpoint().port();
}

/// Something that one thread waits for and another one lets happen, once.
class Event {
 public:
  void happen() {
    if (!happened_.exchange(true)) promise_.set_value();
  }
  bool wait() const { return future_.wait_for(kPatience) == std::future_status::ready; }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
  std::atomic<bool> happened_ = false;
};

/// A listener with one address for plain HTTP and one thread for handlers, which runs until its end.
class RunningListener {
 public:
  RunningListener(Routes routes, ListenerEvents events) {
    ListenerOptions options;
    options.plain.push_back({{{"127.0.0.1", port_}}, std::make_shared<HttpHandler>(std::nullopt, std::move(routes))});
    options.threads = 1;
    auto opened = Listener::open(std::move(options), {});
    REQUIRE(opened);
    listener_ = std::move(opened).value();
    thread_ = std::jthread([this, events = std::move(events)] {
      listener_->run(events);
      ended_.happen();
    });
  }

  bool wait_for_end() const { return ended_.wait(); }

  /// The whole response.
  std::string get(const std::string& target) const {
    tcp::iostream stream;
    send(stream, target);
    std::ostringstream response;
    response << stream.rdbuf();
    return response.str();
  }
  void send(tcp::iostream& stream, const std::string& target) const {
    stream.expires_after(kPatience);
    stream.connect("127.0.0.1", std::to_string(port_));
    stream << "GET " << target << " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" << std::flush;
  }

 private:
  const std::uint16_t port_ = free_port();
  std::unique_ptr<Listener> listener_;
  Event ended_;
  std::jthread thread_;
};

ListenerEvents no_events() {
  return {[] { return std::nullopt; }, [] { return std::nullopt; }, [] {}, [] {}};
}

Route route(const std::string& path, const std::function<void()>& what) {
  return {"GET", path, BodyKind::none, [what](const Request&, const PathValues&) {
            what();
            return text_response(200, "done");
          }};
}

}  // namespace

TEST_CASE("Listener: neither connections nor SIGTERM wait for a reload") {
  Event begun;
  Event may_end;
  Event draining;
  ListenerEvents events = no_events();
  events.reload = [&] {
    begun.happen();
    may_end.wait();
    return std::nullopt;
  };
  events.drain = [&] { draining.happen(); };
  const RunningListener listener({route("/livez", [] {})}, events);
  ::kill(::getpid(), SIGHUP);
  CHECK(begun.wait());
  CHECK(listener.get("/livez").find("200 OK") != std::string::npos);
  ::kill(::getpid(), SIGTERM);
  CHECK(draining.wait());
  may_end.happen();
  CHECK(listener.wait_for_end());
}

TEST_CASE("Listener: at its end what runs is told, and what waits for a thread is dropped") {
  Event begun;
  Event cut_off;
  std::atomic<int> runs = 0;
  ListenerEvents events = no_events();
  events.cut_off = [&] { cut_off.happen(); };
  const RunningListener listener({route("/work",
                                        [&] {
                                          ++runs;
                                          begun.happen();
                                          cut_off.wait();
                                        })},
                                 events);
  std::vector<tcp::iostream> clients(5);
  for (tcp::iostream& client : clients) listener.send(client, "/work");
  CHECK(begun.wait());
  // The others have come by then, or do not come at all.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::kill(::getpid(), SIGTERM);
  CHECK(cut_off.wait());
  CHECK(listener.wait_for_end());
  CHECK(runs == 1);
}
