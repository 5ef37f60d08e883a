#include "sks-core/wire/body_writer.h"

#include <algorithm>
#include <array>

#include "sks-core/wire/frame.h"

namespace sks::wire {
namespace {

constexpr std::size_t kMaxU16 = 0xFFFF;

}  // namespace

void BodyWriter::u8(std::uint8_t value) { raw({&value, 1}); }

void BodyWriter::u16(std::uint16_t value) {
  raw(std::array{static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value & 0xFF)});
}

void BodyWriter::u32(std::uint32_t value) {
  u16(static_cast<std::uint16_t>(value >> 16));
  u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

void BodyWriter::u64(std::uint64_t value) {
  u32(static_cast<std::uint32_t>(value >> 32));
  u32(static_cast<std::uint32_t>(value & 0xFFFFFFFF));
}

void BodyWriter::array(ByteView value) {
  count(value.size());
  raw(value);
}

void BodyWriter::blob(ByteView value) {
  if (value.size() > kMaxBodySize) failed_ = true;
  u32(static_cast<std::uint32_t>(value.size()));
  raw(value);
}

void BodyWriter::count(std::size_t value) {
  if (value > kMaxU16) failed_ = true;
  u16(static_cast<std::uint16_t>(value));
}

void BodyWriter::clear() {
  size_ = 0;
  failed_ = false;
}

SecureBytes BodyWriter::take() {
  buffer_.truncate(size_);
  return std::move(buffer_);
}

void BodyWriter::raw(ByteView value) {
  if (value.size() > kMaxBodySize - size_) failed_ = true;
  if (failed_ || value.empty()) return;
  if (value.size() > buffer_.size() - size_) {
    SecureBytes larger(std::min(kMaxBodySize, std::max(2 * buffer_.size(), size_ + value.size())));
    std::ranges::copy(buffer_.view().first(size_), larger.data());
    buffer_ = std::move(larger);
  }
  std::ranges::copy(value, buffer_.data() + size_);
  size_ += value.size();
}

}  // namespace sks::wire
