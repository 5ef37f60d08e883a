#include "tests/sks-core/wire/running_server.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/wire/exchanges.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{60'000};

}  // namespace

wire::ServerOptions RunningServer::impatient() { return {64, milliseconds(300), milliseconds(300)}; }

RunningServer::RunningServer(const wire::Address& address, SecureKeyStore& store, wire::ServerOptions options) {
  auto opened = wire::Server::open({address}, store, options);
  REQUIRE_MESSAGE(static_cast<bool>(opened), opened.error().detail);
  server_ = std::move(opened).value();
  thread_ = std::thread([this] { server_->run(); });
}

void RunningServer::stop() {
  server_->stop();
  if (thread_.joinable()) thread_.join();
}

RawClient::RawClient(const wire::Address& address) : socket_(wire::connect(address, kPatience).value()) {}

void RawClient::send(std::string_view notation) { send_bytes(wire_bytes(notation)); }

void RawClient::send_bytes(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;  // the server has had enough
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

std::string RawClient::receive(std::size_t size) {
  Bytes received;
  while (received.size() < size) {
    if (!wire::wait_for(socket_.number(), POLLIN, wire::patience_for(kPatience))) break;
    Bytes next(size - received.size());
    const ssize_t got = ::recv(socket_.number(), next.data(), next.size(), 0);
    if (got <= 0) break;
    received.insert(received.end(), next.begin(), next.begin() + got);
  }
  return to_hex(received);
}

bool RawClient::is_closed() {
  if (!wire::wait_for(socket_.number(), POLLIN, wire::patience_for(kPatience))) return false;
  std::uint8_t byte = 0;
  return ::recv(socket_.number(), &byte, 1, 0) <= 0;
}

wire::Address OverUnix::address() const { return wire::UnixAddress{folder.path() + "/sks"}; }
wire::Address OverTcp::address() const { return wire::TcpAddress{"127.0.0.1", 0}; }

}  // namespace sks::test
