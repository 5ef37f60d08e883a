#include "key-user-api/daemon/frame_stream.h"

#include <algorithm>

#include "sks-core/wire/frame.h"

namespace sks::daemon {

using wire::kFrameHeaderSize;

FrameStream::FrameStream() : buffer_(kSmallFrame) {}

std::size_t FrameStream::announced() const {
  if (present().size() < kFrameHeaderSize) return 0;
  return kFrameHeaderSize + wire::body_size(present().first<kFrameHeaderSize>());
}

Result<std::optional<ByteView>> FrameStream::next() const {
  const std::size_t whole = announced();
  if (whole == 0) return std::optional<ByteView>();
  if (!wire::is_body_size(whole - kFrameHeaderSize))
    return Error{Status::external, "The client has sent a frame of a forbidden length"};
  if (present().size() < whole) return std::optional<ByteView>();
  return std::optional(present().subspan(kFrameHeaderSize, whole - kFrameHeaderSize));
}

void FrameStream::done() {
  const std::size_t whole = announced();
  cleanse(buffer_.span().subspan(begin_, whole));
  begin_ += whole;
  if (begin_ == end_) begin_ = end_ = 0;
  if (is_large() && end_ - begin_ <= kSmallFrame) move_to(kSmallFrame);
}

std::span<std::uint8_t> FrameStream::room() {
  if (end_ == buffer_.size()) {
    const bool has_room_in_front = begin_ > 0;
    const std::size_t largest = std::max(kSmallFrame, announced());
    move_to(has_room_in_front ? buffer_.size() : std::min(largest, 2 * buffer_.size()));
  }
  return buffer_.span().subspan(end_);
}

void FrameStream::received(std::size_t size) { end_ += size; }

void FrameStream::move_to(std::size_t capacity) {
  SecureBytes larger(capacity);
  const ByteView kept = present();
  std::ranges::copy(kept, larger.data());
  end_ = kept.size();
  begin_ = 0;
  buffer_ = std::move(larger);
}

}  // namespace sks::daemon
