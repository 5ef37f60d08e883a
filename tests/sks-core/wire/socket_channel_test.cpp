#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>

#include "sks-core/base/encoding.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/listener.h"
#include "tests/sks-core/wire/exchanges.h"
#include "tests/sks-core/wire/running_server.h"
#include "tests/sks-core/wire/spy_store.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;
using wire::SocketChannel;

constexpr wire::SocketTimeouts kImpatient{milliseconds(500), milliseconds(200), milliseconds(200)};

/// A server that answers the n-th connection with the n-th piece of bytes, whatever is asked.
class FakeServer {
 public:
  explicit FakeServer(std::vector<std::string> answers)
      : listener_(wire::Listener::open(wire::TcpAddress{"127.0.0.1", 0}).value()),
        thread_([this, answers = std::move(answers)] {
          for (const std::string& answer : answers) {
            static_cast<void>(wire::wait_for(listener_.number(), POLLIN, wire::patience_for(milliseconds(5'000))));
            sockets_.emplace_back(::accept(listener_.number(), nullptr, nullptr));
            Bytes request(1);
            if (::recv(sockets_.back().number(), request.data(), 1, 0) != 1) continue;
            const Bytes bytes = wire_bytes(answer);
            static_cast<void>(::send(sockets_.back().number(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
            if (answer.empty()) sockets_.back().close();
          }
        }) {}
  ~FakeServer() { thread_.join(); }
  const wire::Address& address() const { return listener_.address(); }

 private:
  wire::Listener listener_;
  std::vector<wire::Descriptor> sockets_;
  std::thread thread_;
};

std::optional<Status> status_of(const Result<SecureBytes>& result) {
  if (result) return std::nullopt;
  return result.error().status;
}

const Bytes kRequest{70, 0, 0, 0, 0};

}  // namespace

TEST_CASE_TEMPLATE("SocketChannel: carries every method to a server and back", Over, OverUnix, OverTcp) {
  const Over over;
  SpyStore spy;
  const RunningServer server(over.address(), spy);
  wire::RemoteKeyStore store(SocketChannel::connect(server.address()).value());
  for (const Exchange& e : exchanges()) {
    CAPTURE(e.name);
    const Result<std::string> result = e.ask(store);
    REQUIRE(result);
    CHECK(*result == e.result);
  }
}

TEST_CASE("SocketChannel: without a server there is no channel") {
  const TempDir folder;
  const auto none = SocketChannel::connect(wire::UnixAddress{folder.file("sks")});
  REQUIRE_FALSE(none);
  CHECK(none.error().status == Status::not_available);
  CHECK(none.error().detail == "Cannot connect to unix:" + folder.file("sks") + ": No such file or directory");
}

TEST_CASE("SocketChannel: finds the next server at the same address") {
  const OverUnix over;
  SpyStore spy;
  auto server = std::make_unique<RunningServer>(over.address(), spy);
  wire::RemoteKeyStore store(SocketChannel::connect(server->address()).value());
  CHECK(store.get_key_handle({1}, "x"));
  server.reset();
  const auto gone = store.get_key_handle({1}, "x");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().status == Status::not_available);
  server = std::make_unique<RunningServer>(over.address(), spy);
  CHECK(store.get_key_handle({1}, "x"));
  CHECK(spy.calls == 2);
}

TEST_CASE("SocketChannel: an answer that does not come, breaks off or cannot be is external") {
  struct Case {
    const char* what;
    const char* answer;
  };
  const Case cases[] = {
      {"closed", ""},          {"half a length", "0000"},        {"nothing but a length", "00000005"},
      {"half", "00000005 00"}, {"a length of zero", "00000000"}, {"too long", "00100001 00"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const FakeServer server({c.answer});
    const auto channel = SocketChannel::connect(server.address(), kImpatient).value();
    CHECK(status_of(channel->transact(kRequest)) == Status::external);
  }
}

TEST_CASE("SocketChannel: a late answer is not taken for that of the next request") {
  const FakeServer server({"00000005 00", "00000005 00 00000007"});
  const auto channel = SocketChannel::connect(server.address(), kImpatient).value();
  CHECK(status_of(channel->transact(kRequest)) == Status::external);
  const Result<SecureBytes> next = channel->transact(kRequest);
  REQUIRE(next);
  CHECK(to_hex(next->view()) == "0000000007");
}

TEST_CASE("SocketChannel: an answer that nobody asked for ends the connection") {
  const FakeServer server({"00000005 00 00000007 00000005 00 00000009", "00000005 00 00000008"});
  const auto channel = SocketChannel::connect(server.address(), kImpatient).value();
  CHECK(to_hex(channel->transact(kRequest).value().view()) == "0000000007");
  CHECK(to_hex(channel->transact(kRequest).value().view()) == "0000000008");
}

TEST_CASE("SocketChannel: refuses what no frame can hold") {
  const OverUnix over;
  SpyStore spy;
  const RunningServer server(over.address(), spy);
  const auto channel = SocketChannel::connect(server.address()).value();
  CHECK(status_of(channel->transact({})) == Status::option);
  CHECK(status_of(channel->transact(Bytes(1'048'577))) == Status::option);
  CHECK(status_of(channel->transact(Bytes(1'048'576))) == std::nullopt);
}

}  // namespace sks::test
