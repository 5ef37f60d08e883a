#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <variant>

#include "key-user-api/daemon/router.h"
#include "sks-core/wire/listener.h"

/// The sockets of sksd. Spec: spec/sksd.md 1.
namespace sks::daemon {

struct ApplicationServerOptions {
  std::size_t max_connections = 1024;         ///< one more is closed at once
  std::size_t max_connections_of_peer = 128;  ///< of one process, likewise
  /// From the first byte of a frame to its last. Between frames a client may be silent as long as it likes.
  std::chrono::milliseconds frame_timeout{10'000};
  std::chrono::milliseconds answer_timeout{10'000};  ///< for a client to take its answer
  /// Bytes that all requests and answers above FrameStream::kSmallFrame may take at a time; others wait.
  std::size_t large_frames = std::size_t{64} << 20;
  /// How long nobody need be connected until run() ends by itself; 0: it does not.
  std::chrono::milliseconds idle_limit{0};
  /// Whether the SSH agent is in use: then this process neither ends by itself nor when a client asks for it. May be
  /// empty. Called by any thread.
  std::function<bool()> is_needed = {};
};

/// One thread for each connection, which reads a request, answers it and tells of it; so a request costs a system call
/// for reading, one for writing and no change of threads, and a slow one holds up nobody else.
///
/// Serves processes of our own user only. Frames of a forbidden length, half frames and clients that do not read end
/// their connection and no other.
class ApplicationServer {
 public:
  /// A Unix socket that clients connect to: our own, whose file goes when serving ends, or one that was handed to us.
  using Door = std::variant<wire::Listener, wire::Descriptor>;

  /// `router` outlives the server. Fails with not_available.
  static Result<std::unique_ptr<ApplicationServer>> open(Door door, Router& router,
                                                         ApplicationServerOptions options = {});
  ~ApplicationServer();

  /// Serves until stop() or until it has been idle. Whatever has arrived by then is answered; what clients send later
  /// fails at their end, so that they know that it was not carried out. Call it once.
  void run();

  /// From any thread, and from a signal handler.
  void stop() noexcept;

  /// Stops if nobody but the calling connection is there. Fails with not_allowed and who is. For Router::release.
  Result<void> stop_unless_used();

 private:
  struct Impl;
  explicit ApplicationServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::daemon
