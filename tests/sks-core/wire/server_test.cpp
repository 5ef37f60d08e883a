#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <future>

#include "sks-core/base/byte_writer.h"
#include "sks-core/base/random.h"
#include "sks-core/wire/client.h"
#include "tests/sks-core/engine/device.h"
#include "tests/sks-core/wire/running_server.h"
#include "tests/sks-core/wire/spy_store.h"
#include "tests/support/sharing_storage.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;

// enumerateKeys from the start of an empty store, and its answer.
constexpr const char* kRequest = "00000005 46 00000000";
constexpr const char* kResponse = "000000050000000000";
constexpr std::size_t kResponseSize = 9;

/// A store of its own behind a server.
struct ServedDevice {
  explicit ServedDevice(const wire::Address& address, wire::ServerOptions options = RunningServer::impatient())
      : server(address, *device.engine, options) {}
  Device device;
  RunningServer server;
};

bool is_served(const wire::Address& address) {
  RawClient client(address);
  client.send(kRequest);
  return client.receive(kResponseSize) == kResponse;
}

/// Holds a call until it is opened.
class Gate {
 public:
  void pass() {
    if (passed_.exchange(true)) return;
    called_.set_value();
    opened_.get_future().wait();
  }
  void wait_for_caller() { called_.get_future().wait(); }
  void open() { opened_.set_value(); }

 private:
  std::atomic<bool> passed_ = false;
  std::promise<void> called_;
  std::promise<void> opened_;
};

void pause(milliseconds time) { std::this_thread::sleep_for(time); }

}  // namespace

TEST_CASE_TEMPLATE("Server: answers requests in order, however they are cut up", Over, OverUnix, OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  RawClient client(served.server.address());
  client.send(kRequest);
  CHECK(client.receive(kResponseSize) == kResponse);
  client.send("00000001 ff 00000005 46 00000000 00000001 00");  // unknown, enumerateKeys, unknown
  CHECK(client.receive(5).substr(8) == "09");
  const std::string text_size = client.receive(2);
  client.receive(std::stoul(text_size, nullptr, 16));
  CHECK(client.receive(kResponseSize) == kResponse);
  CHECK(client.receive(5).substr(8) == "09");

  const Over elsewhere;
  ServedDevice patient(elsewhere.address(), {});
  RawClient dripping(patient.server.address());
  for (const char* const byte : {"00", "00", "00", "05", "46", "00", "00", "00", "00"}) {
    dripping.send(byte);
    pause(milliseconds(5));
  }
  CHECK(dripping.receive(kResponseSize) == kResponse);
}

TEST_CASE("Server: serves IPv6 as well") {
  ServedDevice served(wire::TcpAddress{"::1", 0});
  CHECK(is_served(served.server.address()));
}

TEST_CASE_TEMPLATE("Server: half a frame ends its connection and no other", Over, OverUnix, OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  RawClient idle(served.server.address());
  RawClient half_length(served.server.address());
  RawClient half_body(served.server.address());
  RawClient dripping(served.server.address());
  half_length.send("0000");
  half_body.send("00000005 46 0000");
  // Time runs from the first byte, so that a byte now and then does not help.
  dripping.send("00000100");
  for (int i = 0; i < 8; ++i) {
    dripping.send("46");
    pause(milliseconds(50));
  }
  CHECK(half_length.is_closed());
  CHECK(half_body.is_closed());
  CHECK(dripping.is_closed());
  // Silent for longer than a frame may take, and welcome all the same.
  idle.send(kRequest);
  CHECK(idle.receive(kResponseSize) == kResponse);
}

TEST_CASE_TEMPLATE("Server: a frame of a forbidden length ends its connection and no other", Over, OverUnix, OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  RawClient other(served.server.address());
  for (const char* const frame : {"00000000", "00100001 46", "ffffffff 46 00000000", "80000000"}) {
    CAPTURE(frame);
    RawClient client(served.server.address());
    client.send(frame);
    CHECK(client.is_closed());
  }
  other.send(kRequest);
  CHECK(other.receive(kResponseSize) == kResponse);
}

TEST_CASE("Server: takes the largest frame there may be") {
  ServedDevice served(wire::TcpAddress{"127.0.0.1", 0});
  RawClient client(served.server.address());
  Bytes frame(4 + 0x100000);
  frame[1] = 0x10;
  frame[4] = 0xFF;
  client.send_bytes(frame);
  CHECK(client.receive(5).substr(8) == "09");
}

TEST_CASE_TEMPLATE("Server: garbage harms nobody else", Over, OverUnix, OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  for (int i = 0; i < 50; ++i) {
    RawClient client(served.server.address());
    client.send_bytes(system_random().bytes(200));
  }
  CHECK(is_served(served.server.address()));
}

TEST_CASE("Server: a client that dies in the middle of anything harms nobody else") {
  const OverUnix over;
  SpyStore store;
  Gate gate;
  store.before_result = [&] { gate.pass(); };
  RunningServer server(over.address(), store);
  {
    RawClient client(server.address());
    client.send("00000005 0b 0000");
  }
  {
    RawClient client(server.address());
    client.send("00000001 01");
    gate.wait_for_caller();
  }
  gate.open();  // its answer finds nobody
  RawClient next(server.address());
  next.send("00000005 47 00000021");
  CHECK(next.receive(4) == "00000023");
}

TEST_CASE_TEMPLATE("Server: a client that does not read its answers is let go", Over, OverUnix, OverTcp) {
  const Over over;
  SpyStore store;
  store.exported_size = 0xFFFF;
  RunningServer server(over.address(), store);
  RawClient client(server.address());
  // 64 MB of answers do not fit into any buffer on the way, 9 KB of requests do.
  for (int i = 0; i < 1000; ++i) client.send("00000007 51 00000021 0000");
  bool is_let_go = false;
  for (int i = 0; i < 100 && !is_let_go; ++i) {
    pause(milliseconds(20));
    pollfd watched{client.number(), 0, 0};
    is_let_go = ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLHUP | POLLERR)) != 0;
  }
  CHECK(is_let_go);
  CHECK(store.calls < 1000);
  store.exported_size = 4;
  RawClient next(server.address());
  next.send("00000007 51 00000021 0000");
  CHECK(next.receive(11) ==
        "00000007"
        "00"
        "0004"
        "00000000");
}

TEST_CASE("Server: one connection too many is closed at once, and one that ends makes room") {
  const OverUnix over;
  wire::ServerOptions options = RunningServer::impatient();
  options.max_connections = 3;
  ServedDevice served(over.address(), options);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(served.server.address()));
    clients.back()->send(kRequest);
    CHECK(clients.back()->receive(kResponseSize) == kResponse);
  }
  RawClient too_many(served.server.address());
  CHECK(too_many.is_closed());
  for (const auto& client : clients) {
    client->send(kRequest);
    CHECK(client->receive(kResponseSize) == kResponse);
  }
  clients.pop_back();
  bool is_welcome = false;
  for (int i = 0; i < 100 && !is_welcome; ++i) {
    pause(milliseconds(10));
    is_welcome = is_served(served.server.address());
  }
  CHECK(is_welcome);
}

TEST_CASE_TEMPLATE("Server: serves many connections at the same time", Over, OverUnix, OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  const KeyHandle key = provision_plain_key(*served.device.engine);
  std::atomic<int> signatures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&] {
      auto channel = wire::SocketChannel::connect(served.server.address());
      if (!channel) return;
      wire::RemoteKeyStore store(std::move(*channel));
      for (int i = 0; i < 20; ++i)
        if (store.sign_data(key, kEcdsaSha256, {}, {}, as_bytes("message"))) ++signatures;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(signatures == 16 * 20);
}

TEST_CASE_TEMPLATE("Server: stops after the calls that run, and closes everything", Over, OverUnix, OverTcp) {
  const Over over;
  SpyStore store;
  Gate gate;
  store.before_result = [&] { gate.pass(); };
  RunningServer server(over.address(), store);
  const wire::Address address = server.address();
  RawClient calling(address);
  RawClient idle(address);
  RawClient halfway(address);
  halfway.send("000000");
  calling.send("00000001 01");
  gate.wait_for_caller();
  server.begin_to_stop();
  // The call still runs when the others have gone already.
  CHECK(idle.is_closed());
  CHECK(halfway.is_closed());
  gate.open();
  CHECK(calling.receive(6).substr(8) == "0000");
  server.stop();
  CHECK_FALSE(wire::connect(address, milliseconds(500)));
  CHECK(store.calls == 1);
}

TEST_CASE("Server: may be told to stop before it runs, and more than once") {
  const OverUnix over;
  SpyStore store;
  const auto server = wire::Server::open({over.address()}, store).value();
  for (int i = 0; i < 100'000; ++i) server->stop();
  server->run();
}

TEST_CASE_TEMPLATE("Server: requests of several connections on one session are served as they arrive", Over, OverUnix,
                   OverTcp) {
  const Over over;
  ServedDevice served(over.address());
  TestIssuer issuer(*served.device.engine);
  issuer.request.session_key_limit = 0xFFFF;
  REQUIRE(issuer.open());
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(std::make_unique<RawClient>(served.server.address()));
  // The sequence counter in the MACs tells the order.
  const auto next_request = [&issuer](const std::string& id) {
    ByteWriter arguments;
    arguments.text(id).array(issuer.encrypt(as_bytes("1234"))).u8(0).u16(3);
    const Bytes mac = issuer.mac("createPUKPolicy", arguments.view());
    issuer.set_counter(static_cast<std::uint16_t>(issuer.counter() + 1));
    ByteWriter body;
    body.u8(8).u32(issuer.handle().value).raw(arguments.view()).array(mac);
    ByteWriter frame;
    frame.blob(body.view());
    return frame.take();
  };
  int misplaced = 0;
  for (int round = 0; round < 200 && misplaced == 0; ++round) {
    std::vector<Bytes> requests;
    for (std::size_t i = 0; i < clients.size(); ++i)
      requests.push_back(next_request(std::to_string(round) + "." + std::to_string(i)));
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i]->send_bytes(requests[i]);
    for (const auto& client : clients)
      if (client->receive(9).substr(8, 2) != "00") ++misplaced;
  }
  CHECK(misplaced == 0);
}

namespace {

/// An issuer at the other end of a connection of its own.
struct RemoteIssuer {
  explicit RemoteIssuer(const wire::Address& address)
      : store(wire::SocketChannel::connect(address).value()), issuer(store) {
    REQUIRE(issuer.open());
  }
  std::thread create_key() {
    return std::thread([this] { outcome = status_of(issuer.create_key_entry(key_request())); });
  }
  wire::RemoteKeyStore store;
  TestIssuer issuer;
  std::optional<Status> outcome = Status::internal;
};

}  // namespace

TEST_CASE("Server: sessions on several connections share a sync, and are told when it has failed") {
  const OverUnix over;
  SharingStorage storage;
  const TestIdentity identity;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity}).value());
  RunningServer server(over.address(), *engine);
  RemoteIssuer first(server.address());
  RemoteIssuer second(server.address());
  const int syncs = storage.syncs();
  const int shared = storage.shared_commits();
  storage.hold();
  std::thread one = first.create_key();
  std::thread two = second.create_key();
  CHECK(storage.reaches_shared(shared + 2));
  CHECK(storage.reaches_waiting(1));
  SUBCASE("which succeeds") {
    storage.release();
    one.join();
    two.join();
    CHECK(first.outcome == std::nullopt);
    CHECK(second.outcome == std::nullopt);
    CHECK(storage.syncs() == syncs + 1);
    CHECK(storage.is_durable());
  }
  SUBCASE("which fails") {
    storage.fail_syncs(2);  // the second answer is not durable either unless the first abort has made it so
    storage.release();
    one.join();
    two.join();
    CHECK((first.outcome == Status::storage || second.outcome == Status::storage));
    CHECK(all_sessions(*engine, SessionState::open).size() < 2);
    CHECK(storage.is_durable());
  }
}

TEST_CASE("Server: sessions outlive the connection they were opened on") {
  const OverUnix over;
  ServedDevice served(over.address());
  const auto connect = [&] {
    return std::make_unique<wire::RemoteKeyStore>(wire::SocketChannel::connect(served.server.address()).value());
  };
  auto first = connect();
  TestIssuer issuer(*first);
  REQUIRE(issuer.open());
  first.reset();
  const auto second = connect();
  issuer.use(*second);
  CHECK(issuer.create_certified_key(key_request()));
  const auto third = connect();
  issuer.use(*third);
  CHECK(issuer.close());
  CHECK(all_keys(*third).size() == 1);
}

}  // namespace sks::test
