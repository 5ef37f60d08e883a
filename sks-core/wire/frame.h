#pragma once

#include <cstddef>
#include <cstdint>

#include "sks-core/base/bytes.h"

/// Frame = uint length || body. Spec: sks-byte-stream.md.
namespace sks::wire {

inline constexpr std::size_t kFrameHeaderSize = 4;
inline constexpr std::size_t kMaxBodySize = 1'048'576;

/// Cuts the length out of a frame header of kFrameHeaderSize bytes. A length outside 1 .. kMaxBodySize ends the
/// connection: where the next frame starts is then unknown.
constexpr std::uint32_t body_size(std::span<const std::uint8_t, kFrameHeaderSize> header) {
  return std::uint32_t{header[0]} << 24 | std::uint32_t{header[1]} << 16 | std::uint32_t{header[2]} << 8 | header[3];
}

constexpr bool is_body_size(std::size_t size) { return size >= 1 && size <= kMaxBodySize; }

constexpr std::array<std::uint8_t, kFrameHeaderSize> frame_header(std::uint32_t size) {
  return {static_cast<std::uint8_t>(size >> 24), static_cast<std::uint8_t>(size >> 16 & 0xFF),
          static_cast<std::uint8_t>(size >> 8 & 0xFF), static_cast<std::uint8_t>(size & 0xFF)};
}

}  // namespace sks::wire
