#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "sks-core/wire/socket.h"

/// The connections of a server, between the threads that work for them.
namespace sks::wire {

/// Descriptors that are reported once, in the order in which they have become readable; poll() does not tell that. Each
/// goes by a name of its own: the numbers of descriptors are used again.
class Watch {
 public:
  using Name = std::uint64_t;

  static Result<Watch> open();

  Result<void> add(int descriptor, Name name);
  /// From any thread: reports it once more.
  void again(int descriptor, Name name) const;
  void remove(int descriptor);

  /// The next one that is readable; none when there is none in time.
  std::optional<Name> wait(const std::optional<Patience>& patience) const;

 private:
  explicit Watch(Descriptor epoll) : epoll_(std::move(epoll)) {}
  int control(int operation, int descriptor, Name name) const;

  Descriptor epoll_;
};

/// One request of a connection is served at a time. The next one is watched for before the answer that it may follow is
/// sent: else its place among the requests of others would depend on when our threads run. So two answers may have to
/// wait for a client that does not read them.
class Connection {
 public:
  struct Work {
    SecureBytes body;
    bool is_answer = false;
  };

  Connection(Watch& watch, Watch::Name name, Descriptor socket);

  // For the thread that reads, and only while the connection is watched.

  /// Takes what has arrived. Returns the next request once it is whole; it must then be served, and the connection is
  /// not watched until there is an answer. Fails with external: the connection is of no more use.
  Result<std::optional<SecureBytes>> read(std::chrono::milliseconds frame_timeout);
  /// Until when the frame that has begun must be whole.
  const std::optional<Patience>& patience() const { return patience_; }
  /// Hands the request to the thread that works for this connection.
  void put_request(SecureBytes request);
  void stop_watching();

  // For any thread.

  Watch::Name name() const { return name_; }
  /// The answer to the request that was read last.
  void put_answer(SecureBytes answer);
  /// Nothing more will be read: what is left is served and sent.
  void close();

  // For the thread that works for this connection.

  /// None when there will be no more.
  std::optional<Work> next_work();
  /// Sends an answer. When that fails the connection is of no more use.
  void send(ByteView answer, std::chrono::milliseconds timeout);
  /// The last deed of the thread.
  void end();
  bool has_ended() const { return ended_; }

  std::thread thread;

 private:
  static constexpr std::size_t kMostAnswers = 2;

  Watch& watch_;
  const Watch::Name name_;
  Descriptor socket_;
  FrameReader reader_;
  std::optional<Patience> patience_;
  std::atomic<bool> broken_ = false;
  std::atomic<bool> ended_ = false;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::optional<SecureBytes> request_;
  std::vector<SecureBytes> answers_;
  bool in_service_ = false;
  bool reads_later_ = false;
  bool closed_ = false;
};

}  // namespace sks::wire
