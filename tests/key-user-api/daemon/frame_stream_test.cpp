#include "key-user-api/daemon/frame_stream.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/wire/frame.h"

using namespace sks;
using daemon::FrameStream;

namespace {

Bytes frame(std::size_t size, std::uint8_t filling) {
  const auto header = wire::frame_header(static_cast<std::uint32_t>(size));
  Bytes made(header.begin(), header.end());
  made.resize(made.size() + size, filling);
  return made;
}

/// Puts bytes in by pieces of at most `piece`, and returns what came out.
std::vector<Bytes> pass(FrameStream& stream, ByteView bytes, std::size_t piece) {
  std::vector<Bytes> bodies;
  while (!bytes.empty()) {
    const std::span<std::uint8_t> room = stream.room();
    REQUIRE_FALSE(room.empty());
    const std::size_t size = std::min({piece, room.size(), bytes.size()});
    std::ranges::copy(bytes.first(size), room.begin());
    stream.received(size);
    bytes = bytes.subspan(size);
    for (;;) {
      const auto body = stream.next();
      REQUIRE(body);
      if (!*body) break;
      bodies.push_back(to_bytes(**body));
      stream.done();
    }
  }
  return bodies;
}

}  // namespace

TEST_CASE("frame stream: bodies come out however the bytes are cut") {
  const std::vector<Bytes> bodies{Bytes(1, 1), Bytes(300, 2), Bytes(wire::kMaxBodySize, 3), Bytes(20'000, 4),
                                  Bytes(5, 5)};
  Bytes all;
  for (const Bytes& body : bodies) {
    const Bytes whole = frame(body.size(), body[0]);
    all.insert(all.end(), whole.begin(), whole.end());
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, all.size()}) {
    CAPTURE(piece);
    FrameStream stream;
    CHECK(pass(stream, all, piece) == bodies);
    CHECK_FALSE(stream.is_within_frame());
  }
}

TEST_CASE("frame stream: an empty or too large frame is refused before its body is there") {
  for (const std::uint32_t size : {std::uint32_t{0}, std::uint32_t{wire::kMaxBodySize + 1}, 0xFFFFFFFFU}) {
    CAPTURE(size);
    FrameStream stream;
    std::ranges::copy(wire::frame_header(size), stream.room().begin());
    stream.received(3);
    REQUIRE(stream.next());
    stream.received(1);
    REQUIRE_FALSE(stream.next());
    CHECK(stream.next().error().status == Status::external);
  }
}

TEST_CASE("frame stream: memory goes with what has arrived") {
  FrameStream stream;
  std::ranges::copy(wire::frame_header(wire::kMaxBodySize), stream.room().begin());
  stream.received(4);
  CHECK(stream.room().size() < FrameStream::kSmallFrame);
  CHECK(stream.announced() == wire::kMaxBodySize + 4);
  CHECK(stream.is_within_frame());
}

TEST_CASE("frame stream: a large frame gives its memory back, also when more has arrived behind it") {
  FrameStream stream;
  Bytes bytes = frame(100'000, 1);
  const Bytes behind = frame(10, 2);
  bytes.insert(bytes.end(), behind.begin(), behind.begin() + 7);
  CHECK(pass(stream, ByteView(bytes).first(90'000), 5000).empty());
  CHECK(stream.is_large());
  CHECK(pass(stream, ByteView(bytes).subspan(90'000), bytes.size()) == std::vector<Bytes>{Bytes(100'000, 1)});
  CHECK_FALSE(stream.is_large());
  CHECK(pass(stream, ByteView(behind).subspan(7), 100) == std::vector<Bytes>{Bytes(10, 2)});
}
