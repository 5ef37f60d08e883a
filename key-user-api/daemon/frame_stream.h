#pragma once

#include <optional>
#include <span>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::daemon {

/// Cuts what a client sends into the bodies of frames (sks-byte-stream.md), in memory that is cleansed. Takes as much
/// as has arrived at once, so that a request usually costs one system call.
///
/// Memory grows with the bytes that arrive and not with the length that is announced, up to one frame of the largest
/// size, and shrinks again. May throw std::bad_alloc; nothing is lost then.
class FrameStream {
 public:
  /// What a client has without asking the budget of all of them.
  static constexpr std::size_t kSmallFrame = 16384;

  FrameStream();

  /// The next body, if the whole of it is there: a view until done(). Fails with external at a forbidden length; where
  /// the next frame starts is then unknown.
  Result<std::optional<ByteView>> next() const;
  /// Cleanses the frame that next() gave.
  void done();

  /// Where more may be put when next() gave nothing; never empty then.
  std::span<std::uint8_t> room();
  void received(std::size_t size);

  /// Whether a frame has begun.
  bool is_within_frame() const { return begin_ != end_; }
  /// Whether it holds more memory than kSmallFrame.
  bool is_large() const { return buffer_.size() > kSmallFrame; }
  /// Bytes of the frame that has begun, with its header; 0 while its header is not there.
  std::size_t announced() const;

 private:
  ByteView present() const { return buffer_.view().subspan(begin_, end_ - begin_); }
  void move_to(std::size_t capacity);

  SecureBytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sks::daemon
