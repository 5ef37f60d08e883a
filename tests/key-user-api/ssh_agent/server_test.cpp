#include "key-user-api/ssh_agent/server.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "key-user-api/key_files/ssh_keys.h"
#include "key-user-api/local_issuer/local_keys.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/wire/socket.h"
#include "tests/key-user-api/ssh_agent/host.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;

class NoDialog final : public token::TrustedDialog {
 public:
  std::optional<SecureBytes> ask(const Question&) override { return std::nullopt; }
};

/// A user who does not answer before the test wants it, and cancels then.
class SlowDialog final : public token::TrustedDialog {
 public:
  ~SlowDialog() { cancel(); }
  std::optional<SecureBytes> ask(const Question&) override {
    std::unique_lock lock(mutex_);
    ++asked_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return cancelled_; });
    return std::nullopt;
  }
  bool wait_until_asked(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(2), [&] { return asked_ >= count; });
  }
  void cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int asked_ = 0;
  bool cancelled_ = false;
};

struct Lab {
  explicit Lab(ssh::ServerOptions options = {}) : Lab(options, no_dialog) {}
  Lab(ssh::ServerOptions options, token::TrustedDialog& dialog) {
    static_cast<void>(create_key(*device.engine, {kSks + "ed25519"}, {"key"}, {}, device.clock).value());
    server = ssh::SshAgentServer::open(path,
                                       {*device.engine,
                                        [this](KeyHandle key) { return device.real_engine->pin_group(key); },
                                        dialog,
                                        device.clock,
                                        system_random(),
                                        {}},
                                       options)
                 .value();
    serving = std::thread([this] { server->run(); });
  }
  ~Lab() { end(); }
  void end() {
    if (!serving.joinable()) return;
    server->stop();
    serving.join();
    server.reset();
  }
  /// The public key of a key with a PIN.
  Bytes add_key_with_pin() {
    NewPin pin;
    pin.value = SecureBytes::copy_of(as_bytes("2468"));
    pin.format = pin::Format::numeric;
    const LocalKey key =
        create_key(*device.engine, {kSks + "ed25519"}, {"with PIN"}, std::move(pin), device.clock).value();
    return *ssh::encode_public_key(crypto::Certificate::from_der(key.certificate)->public_key().value());
  }
  wire::Descriptor connect() const { return wire::connect(wire::UnixAddress{path}, milliseconds(5000)).value(); }

  Device device;
  TempDir folder;
  std::string path = folder.file("agent.ssh");
  NoDialog no_dialog;
  std::unique_ptr<ssh::SshAgentServer> server;
  std::thread serving;
};

void send(const wire::Descriptor& socket, ByteView bytes) {
  REQUIRE(::send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}
Bytes framed(ByteView message) { return ByteWriter().blob(message).take(); }

/// The next answer; none when the connection was closed.
std::optional<Bytes> receive(const wire::Descriptor& socket) {
  const auto frame = wire::receive_frame(socket.number(), wire::patience_for(milliseconds(10'000)));
  if (!frame) return std::nullopt;
  return to_bytes(frame->view());
}
std::optional<Bytes> ask(const wire::Descriptor& socket, ByteView message) {
  send(socket, framed(message));
  return receive(socket);
}
bool lists_one_key(const wire::Descriptor& socket) {
  const auto answer = ask(socket, list_message());
  return answer && answer->size() > 5 && answer->front() == kIdentitiesAnswer && (*answer)[4] == 1;
}

TEST_CASE("agent server: a socket for its owner alone, which goes with the server") {
  Lab lab;
  struct stat info {};
  REQUIRE(::stat(lab.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK_FALSE(lab.server->used());
  CHECK(lists_one_key(lab.connect()));
  CHECK(lab.server->used());
  lab.end();
  CHECK(::stat(lab.path.c_str(), &info) != 0);
}

TEST_CASE("agent server: several messages on one connection, however they arrive") {
  Lab lab;
  const wire::Descriptor socket = lab.connect();
  CHECK(lists_one_key(socket));
  const Bytes list = framed(list_message());
  send(socket, concat({list, list}));
  CHECK(receive(socket));
  CHECK(receive(socket));
  for (const std::uint8_t byte : list) {
    send(socket, ByteView(&byte, 1));
    std::this_thread::sleep_for(milliseconds(2));
  }
  CHECK(receive(socket));
}

TEST_CASE("agent server: a malformed message is answered and ends its connection alone") {
  Lab lab;
  const wire::Descriptor good = lab.connect();
  for (const Bytes& message : {Bytes{11, 0}, Bytes{13}}) {
    const wire::Descriptor bad = lab.connect();
    CHECK(ask(bad, message) == Bytes{kAgentFailure});
    CHECK_FALSE(receive(bad));
  }
  // Of a length that none may have, without waiting for what it announces.
  for (const std::uint32_t length : {0U, std::uint32_t{ssh::kMaxMessage + 1}, 0xffffffffU}) {
    const wire::Descriptor bad = lab.connect();
    send(bad, ByteWriter().u32(length).take());
    CHECK(receive(bad) == Bytes{kAgentFailure});
    CHECK_FALSE(receive(bad));
  }
  CHECK(lists_one_key(good));
}

TEST_CASE("agent server: a message that does not get on ends its connection") {
  ssh::ServerOptions options;
  options.message_timeout = milliseconds(100);
  Lab lab(options);
  const wire::Descriptor silent = lab.connect();
  const wire::Descriptor half = lab.connect();
  send(half, Bytes{0, 0, 0, 9, 11});
  CHECK_FALSE(receive(half));
  CHECK(lists_one_key(silent));  // between messages a client has all the time
}

TEST_CASE("agent server: for one connection too many the one goes that has been idle for longest") {
  ssh::ServerOptions options;
  options.max_connections = 3;
  Lab lab(options);
  std::vector<wire::Descriptor> sockets;
  for (int i = 0; i < 3; ++i) {
    sockets.push_back(lab.connect());
    CHECK(lists_one_key(sockets.back()));
  }
  CHECK(lists_one_key(sockets[0]));  // so it is the second one
  CHECK(lists_one_key(lab.connect()));
  CHECK_FALSE(receive(sockets[1]));
  CHECK(lists_one_key(sockets[0]));
  CHECK(lists_one_key(sockets[2]));
}

TEST_CASE("agent server: one connection too many is closed when none is idle") {
  SlowDialog dialog;
  ssh::ServerOptions options;
  options.max_connections = 1;
  Lab lab(options, dialog);
  const wire::Descriptor busy = lab.connect();
  send(busy, framed(sign_message(lab.add_key_with_pin(), Bytes{1, 2, 3})));
  CHECK(dialog.wait_until_asked());
  CHECK_FALSE(receive(lab.connect()));
  dialog.cancel();
  CHECK(receive(busy) == Bytes{kAgentFailure});
}

TEST_CASE("agent server: a process with too many connections loses one of its own") {
  ssh::ServerOptions options;
  options.max_connections = 4;
  options.max_connections_of_peer = 2;
  Lab lab(options);
  const wire::Descriptor oldest = lab.connect();
  CHECK(lists_one_key(oldest));
  const pid_t child = ::fork();
  if (child == 0) {
    const auto is_served = [](const wire::Descriptor& socket) {
      const Bytes list = framed(list_message());
      return ::send(socket.number(), list.data(), list.size(), MSG_NOSIGNAL) > 0 && receive(socket).has_value();
    };
    const wire::Descriptor first = lab.connect(), second = lab.connect();
    if (!is_served(first) || !is_served(second)) ::_exit(1);
    const wire::Descriptor third = lab.connect();
    if (!is_served(third)) ::_exit(2);
    if (receive(first)) ::_exit(3);
    ::_exit(is_served(second) && !is_served(first) ? 0 : 4);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(lists_one_key(oldest));
}

TEST_CASE("agent server: stops though clients are connected, and during the pause after a wrong passphrase") {
  Lab lab;
  const wire::Descriptor idle = lab.connect();
  CHECK(lists_one_key(idle));
  CHECK(ask(idle, lock_message("right")) == Bytes{kAgentSuccess});
  const wire::Descriptor guessing = lab.connect();
  for (int i = 0; i < 3; ++i) CHECK(ask(guessing, unlock_message("wrong")) == Bytes{kAgentFailure});
  for (int i = 0; i < 3; ++i) send(guessing, framed(unlock_message("wrong")));
  const auto start = std::chrono::steady_clock::now();
  lab.end();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK_FALSE(receive(idle));
}

/// Whether the server reads no more of what a client sends; asks without sending anything.
bool reads_no_more(const wire::Descriptor& socket) {
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
       std::chrono::steady_clock::now() < until; std::this_thread::sleep_for(milliseconds(1)))
    if (::send(socket.number(), "", 0, MSG_NOSIGNAL) < 0) return errno == EPIPE;
  return false;
}

TEST_CASE("agent server: what has arrived when it stops is answered, be it that the user did not answer") {
  SlowDialog dialog;
  Lab lab({}, dialog);
  const wire::Descriptor socket = lab.connect();
  const Bytes sign = sign_message(lab.add_key_with_pin(), Bytes{1, 2, 3});
  send(socket, concat({framed(sign), framed(list_message())}));
  CHECK(dialog.wait_until_asked());
  lab.server->stop();
  CHECK(reads_no_more(socket));
  dialog.cancel();
  CHECK(receive(socket) == Bytes{kAgentFailure});
  const auto listed = receive(socket);
  CHECK((listed && listed->front() == kIdentitiesAnswer));
  CHECK_FALSE(receive(socket));
}

TEST_CASE("agent server: says why it cannot serve") {
  Lab lab;
  NoDialog dialog;
  const auto open = [&](const std::string& path) {
    return ssh::SshAgentServer::open(path, {*lab.device.engine, {}, dialog, lab.device.clock, system_random()});
  };
  CHECK(status_of(open(lab.path)) == Status::not_available);
  CHECK(status_of(open(lab.folder.file("no/folder"))) == Status::not_available);
}

TEST_CASE("agent server: its socket is beside that of sksd") {
  CHECK(ssh::agent_socket_of("/run/user/7/sks/work.sock") == "/run/user/7/sks/work.ssh");
  CHECK(ssh::agent_socket_of("/tmp/sksd") == "/tmp/sksd.ssh");
}

}  // namespace
}  // namespace sks::test
