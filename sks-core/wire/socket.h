#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "sks-core/base/bytes.h"
#include "sks-core/wire/address.h"
#include "sks-core/wire/frame.h"

/// Frames over sockets, for both ends. Failures are external: there is no telling how far the peer got.
namespace sks::wire {

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void close() { Descriptor closed = std::move(*this); }

 private:
  int number_ = -1;
};

/// Until when to wait.
struct Patience {
  std::chrono::steady_clock::time_point until;
};

Patience patience_for(std::chrono::milliseconds time);

/// What is left, for poll.
int milliseconds_left(const Patience& patience);

/// Waits for poll's `events`.
Result<void> wait_for(int socket, short events, const Patience& patience);

/// Takes frames from a socket without waiting. Memory grows with the bytes that arrive, not with the length that is
/// announced. After a failure the connection is of no more use.
class FrameReader {
 public:
  /// `max`: the longest body, at most kMaxBodySize.
  explicit FrameReader(std::size_t max = kMaxBodySize) : max_(max) {}

  /// Takes what has arrived of one frame. Returns its body once it is whole, and then starts over with the next one.
  Result<std::optional<SecureBytes>> advance(int socket);

  /// Whether a frame has begun.
  bool is_within_frame() const { return header_filled_ > 0; }

  /// Why advance() has failed: a length that is forbidden was announced.
  bool is_forbidden() const;

 private:
  std::span<std::uint8_t> room();

  std::size_t max_;
  std::array<std::uint8_t, kFrameHeaderSize> header_{};
  std::size_t header_filled_ = 0;
  SecureBytes body_;
  std::size_t body_filled_ = 0;
};

/// The body of the next frame, read as by FrameReader.
Result<SecureBytes> receive_frame(int socket, const Patience& patience);
Result<SecureBytes> receive_frame(int socket, const Patience& patience, FrameReader& reader);

/// A body of 1 .. kMaxBodySize bytes. A peer that is gone is an error and never a signal.
Result<void> send_frame(int socket, ByteView body, const Patience& patience);

/// A connection to a server. Fails with not_available.
Result<Descriptor> connect(const Address& address, std::chrono::milliseconds timeout);

/// Whether the process at the other end of a Unix socket belongs to our user. Root is nobody special: it gets at
/// everything anyhow, but not by accident.
bool is_of_our_user(int socket);

/// A new socket for an address. `flags` as in socket().
Result<Descriptor> make_socket(const Address& address, int flags = 0);

/// As the system calls, with 0 or the number of the error.
int bind_socket(int socket, const Address& address);
int connect_socket(int socket, const Address& address);

/// Answers at once: no small frame waits for another one.
void send_without_delay(int socket);

/// "WHAT: what the system says".
Error system_error(Status status, const std::string& what, int number);

}  // namespace sks::wire
