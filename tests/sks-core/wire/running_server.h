#pragma once

#include <thread>

#include "sks-core/wire/server.h"
#include "sks-core/wire/socket_channel.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

/// A server in a thread of its own, with timeouts short enough to wait for.
class RunningServer {
 public:
  static wire::ServerOptions impatient();

  RunningServer(const wire::Address& address, SecureKeyStore& store, wire::ServerOptions options = impatient());
  ~RunningServer() { stop(); }

  wire::Address address() const { return server_->addresses().at(0); }
  /// Stops, and waits until everything has ended.
  void stop();
  /// Only tells it to stop.
  void begin_to_stop() { server_->stop(); }

 private:
  std::unique_ptr<wire::Server> server_;
  std::thread thread_;
};

/// A client that sends what bytes it likes.
class RawClient {
 public:
  explicit RawClient(const wire::Address& address);

  void send(std::string_view notation);  ///< see wire_bytes
  void send_bytes(ByteView bytes);
  /// The next bytes, in hexadecimal; fewer than asked for when the connection ends before, and none when nothing comes
  /// within a minute.
  std::string receive(std::size_t size);
  /// Whether the server closes the connection, within a minute and without sending anything.
  bool is_closed();
  void close() { socket_.close(); }
  int number() const { return socket_.number(); }

 private:
  wire::Descriptor socket_;
};

/// Kinds of addresses, for test cases that are templates.
struct OverUnix {
  TempDir folder;
  wire::Address address() const;
};
struct OverTcp {
  wire::Address address() const;
};

}  // namespace sks::test
