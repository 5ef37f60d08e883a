#include "key-user-api/daemon/application_server.h"

#include <doctest/doctest.h>
#include <p11-kit/pkcs11.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <list>
#include <thread>

#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/wire/client.h"
#include "sks-core/wire/frame.h"
#include "sks-core/wire/socket_channel.h"
#include "tests/key-user-api/daemon/scripted_service.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

using namespace std::chrono_literals;
using daemon::ApplicationServer;
using daemon::ApplicationServerOptions;

/// A server over a device in memory and a scripted service, in a thread of its own.
struct Served {
  explicit Served(ApplicationServerOptions options = {}, daemon::ApplicationLimits limits = {})
      : router({*device.engine, service, [this](KeyHandle key) { return device.real_engine->pin_group(key); },
                [this](ProvisioningHandle session) { return device.real_engine->key_count(session); },
                [this] { return server->stop_unless_used(); }, uses, system_random(), limits}) {
    auto listener = wire::Listener::open(address);
    REQUIRE(listener);
    auto opened = ApplicationServer::open(std::move(*listener), router, options);
    REQUIRE(opened);
    server = std::move(*opened);
    running = std::thread([this] {
      server->run();
      ended = true;
    });
  }
  ~Served() {
    service.let_go();
    server->stop();
    running.join();
  }

  TempDir folder;
  std::string path = folder.file("socket");
  wire::Address address = wire::UnixAddress{path};
  Device device;
  ScriptedService service;
  RecordedUses uses;
  std::unique_ptr<ApplicationServer> server;
  daemon::Router router;
  std::atomic<bool> ended = false;
  std::thread running;
};

bool soon(const std::function<bool()>& condition) {
  for (const auto until = std::chrono::steady_clock::now() + 10s; !condition();) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

class Client {
 public:
  explicit Client(const Served& served) : socket_(wire::connect(served.address, 5s).value()) {}

  void send(const Bytes& body) { REQUIRE(wire::send_frame(number(), body, wire::patience_for(5s))); }
  void send_raw(const Bytes& bytes) {
    REQUIRE(::send(number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// Empty: the server has closed the connection.
  Bytes receive() {
    auto body = wire::receive_frame(number(), wire::patience_for(10s));
    return body ? to_bytes(body->view()) : Bytes();
  }
  Bytes ask(const Bytes& body) {
    send(body);
    return receive();
  }
  /// The secret.
  Bytes open(const Bytes& secret = {}) {
    const Bytes answer = ask(open_request(secret));
    REQUIRE(answer.size() == 1 + 2 + 32 + 4);
    CHECK(answer[0] == 0);
    CHECK(Bytes(answer.end() - 4, answer.end()) == Bytes{0, 0x0F, 0x42, 0x40});  // 1,000,000
    return {answer.begin() + 3, answer.begin() + 35};
  }
  static Bytes open_request(const Bytes& secret, std::uint8_t version = 1) {
    Bytes request{160, 0, static_cast<std::uint8_t>(secret.size())};
    request.insert(request.end(), secret.begin(), secret.end());
    request.push_back(version);
    return request;
  }
  int number() const { return socket_.number(); }
  void close() { socket_.close(); }

 private:
  wire::Descriptor socket_;
};

/// The CK_RV of a refusal after 0x80; none for another answer.
std::optional<std::uint64_t> refusal_code(const Bytes& answer) {
  ByteReader in(answer);
  if (in.u8() != 0x80) return std::nullopt;
  const std::uint64_t code = in.u64();
  const std::string sentence = in.text();
  CHECK_FALSE(sentence.empty());
  return in.finish() ? std::optional(code) : std::nullopt;
}

}  // namespace

TEST_CASE("applications: a secret opens the same application on other connections, and nothing else does") {
  Served served;
  Client first(served);
  CHECK(first.ask({199, 5}) == Bytes{0, 0, 199, 5});  // none
  const Bytes secret = first.open();
  CHECK(first.ask({199, 5}) == Bytes{0, 1, 199, 5});
  Client second(served);
  CHECK(second.open(secret) == secret);
  CHECK(second.ask({199}) == Bytes{0, 1, 199});
  Client other(served);
  CHECK(other.open() != secret);
  CHECK(other.ask({199}) == Bytes{0, 2, 199});

  Client guesser(served);
  Bytes wrong = secret;
  wrong[31] ^= 1;
  CHECK(refusal_code(guesser.ask(Client::open_request(wrong))) == CKR_DEVICE_REMOVED);
  CHECK(guesser.ask(Client::open_request(Bytes(31, 1)))[0] == static_cast<std::uint8_t>(Status::option));
  CHECK(guesser.ask({160, 0, 0})[0] == static_cast<std::uint8_t>(Status::option));
  CHECK(guesser.ask({160, 0, 0, 1, 0})[0] == static_cast<std::uint8_t>(Status::option));
  CHECK(refusal_code(guesser.ask(Client::open_request({}, 2))) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(guesser.ask({199}) == Bytes{0, 0, 199});
  CHECK(second.ask(Client::open_request({}))[0] == static_cast<std::uint8_t>(Status::not_allowed));
  CHECK(served.service.programs().front() == std::filesystem::read_symlink("/proc/self/exe").string());
}

TEST_CASE("applications: one ends with its last connection") {
  Served served;
  Client first(served);
  const Bytes secret = first.open();
  Client second(served);
  second.open(secret);
  first.close();
  CHECK(second.ask({199}) == Bytes{0, 1, 199});
  CHECK(served.service.living == 1);
  second.close();
  CHECK(soon([&] { return served.service.living == 0; }));
  Client third(served);
  CHECK(refusal_code(third.ask(Client::open_request(secret))) == CKR_DEVICE_REMOVED);
}

TEST_CASE("applications: limits of applications, of connections, and of connections of a process") {
  Served served({.max_connections = 8, .max_connections_of_peer = 7}, {2, 3});
  std::list<Client> clients;
  const auto connect = [&]() -> Client& { return clients.emplace_back(served); };
  const Bytes secret = connect().open();
  connect().open();
  CHECK(refusal_code(connect().ask(Client::open_request({}))) == CKR_HOST_MEMORY);
  clients.back().open(secret);
  connect().open(secret);
  CHECK(connect().ask(Client::open_request(secret)).empty());
  CHECK(soon([&] { return served.uses.all().size() >= 2; }));
  clients.pop_back();
  // Four are left, three more may come.
  while (clients.size() < 7) CHECK(connect().ask({199}) == Bytes{0, 0, 199});
  // A connection that is one too many may be closed before its request is sent.
  const auto is_answered = [&] {
    Client more(served);
    static_cast<void>(wire::send_frame(more.number(), Bytes{199}, wire::patience_for(5s)));
    return !more.receive().empty();
  };
  CHECK(soon([&] { return !is_answered(); }));
  clients.pop_back();
  CHECK(soon(is_answered));
}

TEST_CASE("connections: a slow request holds up nobody else") {
  Served served;
  Client slow(served);
  slow.send({200});
  REQUIRE(soon([&] { return served.service.waiting == 1; }));
  Client quick(served);
  CHECK(quick.ask({199}) == Bytes{0, 0, 199});
  served.service.let_go();
  CHECK(slow.receive() == Bytes{0, 0, 200});
}

TEST_CASE("connections: requests that arrive together are answered in order") {
  Served served;
  Client client(served);
  client.send_raw({0, 0, 0, 1, 201, 0, 0, 0, 2, 202, 7, 0, 0});
  CHECK(client.receive() == Bytes{0, 0, 201});
  CHECK(client.receive() == Bytes{0, 0, 202, 7});
  client.send_raw({0, 1, 203});
  CHECK(client.receive() == Bytes{0, 0, 203});
}

TEST_CASE("connections: forbidden lengths and half frames end their connection alone") {
  Served served({.frame_timeout = 300ms});
  Client witness(served);
  for (const Bytes& bytes : {Bytes{0, 0, 0, 0}, Bytes{0, 0x10, 0, 1}, Bytes{0xFF, 0xFF, 0xFF, 0xFF}}) {
    Client client(served);
    client.send_raw(bytes);
    CHECK(client.receive().empty());
  }
  Client half(served);
  half.send_raw({0, 0, 0, 9, 1, 2});
  CHECK(half.receive().empty());
  Client largest(served);
  const Bytes request(wire::kMaxBodySize - 2, 199);
  CHECK(largest.ask(request).size() == wire::kMaxBodySize);
  CHECK(witness.ask({199}) == Bytes{0, 0, 199});
}

TEST_CASE("connections: who does not take an answer is left, and large frames wait for one another") {
  Served served({.frame_timeout = 2s, .answer_timeout = 300ms, .large_frames = 3 << 20});
  Client deaf(served);
  std::thread sending([&] {
    const Bytes request(1'000'000, 199);
    for (int i = 0; i < 100; ++i)
      if (!wire::send_frame(deaf.number(), request, wire::patience_for(3s))) return;
    FAIL_CHECK("it goes on");
  });
  sending.join();
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([&] {
      Client client(served);
      for (int round = 0; round < 3; ++round) answered += client.ask(Bytes(900'000, 199)).size() == 900'002;
    });
  for (std::thread& client : clients) client.join();
  CHECK(answered == 24);
}

TEST_CASE("the SKS API: methods reach the store, and the service looks again before its next answer") {
  Served served;
  auto channel = wire::SocketChannel::connect(served.address);
  REQUIRE(channel);
  wire::RemoteKeyStore store(std::move(*channel));
  Client application(served);
  application.open();
  CHECK(served.service.looks == 0);
  const KeyHandle key = provision_pin_key(store).key;
  CHECK(application.ask({199}) == Bytes{0, 1, 199});
  CHECK(served.service.looks == 1);
  CHECK(try_to_sign(store, key, with_pin("1234")) == std::nullopt);
  CHECK(application.ask({199}) == Bytes{0, 1, 199});
  CHECK(served.service.looks == 1);
  CHECK(try_to_sign(store, key, with_pin("9999")) == Status::authorization);

  CHECK(status_of(store.change_pin(key, secret("9999"), secret("5678"))) == Status::authorization);
  CHECK_FALSE(store.set_property(key, kPkcs11ExtensionType, kPkcs11Label, "new"));
  CHECK(served.service.heard().empty());
  CHECK(store.change_pin(key, secret("1234"), secret("5678")));
  const KeyHandle local = create_key(store, GeneratedKey{kSks + "ec.nist.p256", {}}, {})->handle;
  CHECK(store.set_property(local, kPkcs11ExtensionType, kPkcs11Label, "new"));
  const std::vector<std::pair<std::string, KeyHandle>> expected{{"pin", key}, {"properties", local}};
  CHECK(served.service.heard() == expected);

  const auto handle = static_cast<std::uint8_t>(key.value);
  const Bytes group = application.ask({150, 0, 0, 0, handle});
  CHECK(group == Bytes{0, 0, 0, 0, static_cast<std::uint8_t>((*served.device.real_engine->pin_group(key))->value)});
  CHECK(application.ask({150, 0, 0, 0xFF, 0xFF})[0] == static_cast<std::uint8_t>(Status::no_key));
  CHECK(application.ask({150, 0, 0, 0})[0] == static_cast<std::uint8_t>(Status::option));
  const std::uint32_t session = all_sessions(store, SessionState::closed).at(0).value;
  CHECK(application.ask({151, 0, 0, 0, static_cast<std::uint8_t>(session)}) == Bytes{0, 0, 0, 0, 1});
  for (const std::uint8_t unknown : Bytes{0, 6, 107, 149, 153, 159})
    CHECK(application.ask({unknown})[0] == static_cast<std::uint8_t>(Status::option));

  REQUIRE(soon([&] { return served.uses.all().size() >= 4; }));
  std::vector<std::pair<std::string, std::uint64_t>> seen;
  for (const daemon::Use& use : served.uses.all()) {
    seen.emplace_back(use.record.method, use.record.result);
    CHECK(use.peer->program.pid == static_cast<std::uint32_t>(::getpid()));
  }
  const auto count = [&](const char* method, Status status) {
    return std::ranges::count(seen, std::pair<std::string, std::uint64_t>(method, static_cast<std::uint64_t>(status)));
  };
  CHECK(count("createProvisioningSession", Status{}) == 2);
  CHECK(count("closeProvisioningSession", Status{}) == 2);
  CHECK(count("signData", Status{}) == 1);
  CHECK(count("signData", Status::authorization) == 1);
  CHECK(count("getKeyAttributes", Status{}) == 0);
}

TEST_CASE("stop: what has arrived is answered, and what comes later fails for its sender") {
  Served served;
  Client slow(served);
  slow.send({200});
  slow.send({201});
  Client silent(served);
  silent.open();
  REQUIRE(soon([&] { return served.service.waiting == 1; }));
  served.server->stop();
  CHECK(silent.receive().empty());
  CHECK_FALSE(served.ended);
  REQUIRE(soon([&] { return ::send(slow.number(), "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE; }));
  CHECK_FALSE(std::filesystem::exists(served.path));
  served.service.let_go();
  CHECK(slow.receive() == Bytes{0, 0, 200});
  CHECK(slow.receive() == Bytes{0, 0, 201});
  CHECK(slow.receive().empty());
  CHECK(soon([&] { return served.ended.load(); }));
  CHECK(served.service.living == 0);
}

TEST_CASE("idle: the server ends by itself when nobody is connected for long enough") {
  Served served({.idle_limit = 300ms});
  {
    Client client(served);
    client.open();
    std::this_thread::sleep_for(600ms);
    CHECK(client.ask({199}) == Bytes{0, 1, 199});
  }
  CHECK_FALSE(served.ended);
  CHECK(soon([&] { return served.ended.load(); }));
}

TEST_CASE("release: the store is given up when nobody else is there, and else it is said who is") {
  Served served;
  Client caller(served);
  {
    Client other(served);
    other.ask({199});
    const Bytes refused = caller.ask({152});
    CHECK(refused[0] == static_cast<std::uint8_t>(Status::not_allowed));
    ByteReader in(ByteView(refused).subspan(1));
    const std::string text = in.text();
    CHECK(text.find("process " + std::to_string(::getpid())) != std::string::npos);
    CHECK(caller.ask({152, 0})[0] == static_cast<std::uint8_t>(Status::option));
  }
  REQUIRE(soon([&] { return caller.ask({152}) == Bytes{0}; }));
  CHECK(caller.receive().empty());
  CHECK(soon([&] { return served.ended.load(); }));
}

TEST_CASE("processes of another user are not answered") {
  if (::geteuid() != 0) return;  // nobody else can be played
  Served served;
  std::filesystem::permissions(served.folder.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(served.path, std::filesystem::perms(0666));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(3);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (wire::connect_socket(socket, served.address) != 0) ::_exit(4);
    const Bytes request{0, 0, 0, 1, 199};
    static_cast<void>(::send(socket, request.data(), request.size(), MSG_NOSIGNAL));
    std::uint8_t byte = 0;
    ::_exit(::recv(socket, &byte, 1, 0) <= 0 ? 0 : 5);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  REQUIRE(soon([&] { return served.uses.all().size() == 1; }));
  CHECK(served.uses.all()[0].record.method == "foreignUser");
  CHECK(served.uses.all()[0].peer->uid == 65534);
}

}  // namespace sks::test
