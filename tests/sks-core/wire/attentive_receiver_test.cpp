#include "sks-core/wire/attentive_receiver.h"

#include <doctest/doctest.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <utility>

namespace sks::wire {
namespace {

struct Pair {
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }
  void close_far_end() { ::close(std::exchange(ends[1], -1)); }

  std::array<int, 2> ends{-1, -1};
};

std::string take(AttentiveReceiver& receiver, int socket) {
  std::array<std::uint8_t, 8> room{};
  const ssize_t size = receiver.receive(socket, room);
  REQUIRE(size >= 0);
  return {room.begin(), room.begin() + size};
}

constexpr std::chrono::microseconds kShort{50};
constexpr std::chrono::hours kLong{1};

}  // namespace

TEST_CASE("AttentiveReceiver: what is there comes at once, what is not is waited for, in order") {
  for (const std::chrono::microseconds attention :
       {std::chrono::microseconds(0), kShort, std::chrono::microseconds(kLong)}) {
    CAPTURE(attention.count());
    Pair pair;
    AttentiveReceiver receiver(attention);
    std::thread far([&] {
      std::array<char, 1> turn{};
      for (char letter = 'a'; letter <= 'z'; ++letter) {
        CHECK(::write(pair.ends[1], &letter, 1) == 1);
        CHECK(::read(pair.ends[1], turn.data(), 1) == 1);
      }
    });
    std::string all;
    for (int i = 0; i < 26; ++i) {
      all += take(receiver, pair.ends[0]);
      CHECK(::write(pair.ends[0], "!", 1) == 1);
    }
    far.join();
    CHECK(all == "abcdefghijklmnopqrstuvwxyz");
  }
}

TEST_CASE("AttentiveReceiver: the end of the stream ends the wait") {
  Pair pair;
  AttentiveReceiver receiver(std::chrono::microseconds{kLong});
  std::thread far([&] { pair.close_far_end(); });
  CHECK(take(receiver, pair.ends[0]).empty());
  far.join();
}

TEST_CASE("AttentiveReceiver: the time limit of the socket counts, whether it looks or sleeps") {
  Pair pair;
  const timeval limit{0, 1000};
  REQUIRE(::setsockopt(pair.ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  AttentiveReceiver receiver(kShort);
  std::array<std::uint8_t, 8> room{};
  for (int i = 0; i < 40; ++i) {
    CHECK(receiver.receive(pair.ends[0], room) == -1);
    CHECK(errno == EAGAIN);
  }
  REQUIRE(::write(pair.ends[1], "x", 1) == 1);
  CHECK(take(receiver, pair.ends[0]) == "x");
}

TEST_CASE("AttentiveReceiver: the longer nothing comes the longer it does not look") {
  Pair pair;
  const timeval limit{0, 1};
  REQUIRE(::setsockopt(pair.ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  AttentiveReceiver receiver(kShort);
  std::array<std::uint8_t, 8> room{};
  for (const int expected : {2, 4, 8, 16, 32, 32}) {
    CHECK(receiver.receive(pair.ends[0], room) == -1);
    CHECK(receiver.calls_asleep() == expected);
    while (receiver.calls_asleep() > 0) CHECK(receiver.receive(pair.ends[0], room) == -1);
  }
  REQUIRE(::write(pair.ends[1], "x", 1) == 1);
  CHECK(take(receiver, pair.ends[0]) == "x");  // at the first look
  CHECK(receiver.calls_asleep() == 0);
}

}  // namespace sks::wire
