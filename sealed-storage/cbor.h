#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// The part of CBOR (RFC 8949) that sealed records and backups use: unsigned integers, strings, arrays and maps of
/// known size, in the core deterministic encoding of section 4.2.1.
///
/// Both directions run on libcbor's streaming calls, which neither allocate nor copy: secrets pass through without
/// leaving traces in heap blocks that nobody cleanses.
namespace sks::sealed {

/// Appends items to a buffer of fixed size that is cleansed afterwards; exceeding it is a mistake of the caller.
class CborWriter {
 public:
  explicit CborWriter(std::size_t capacity) : buffer_(capacity) {}

  CborWriter& uint(std::uint64_t value);
  CborWriter& bytes(ByteView value);
  CborWriter& text(std::string_view value);
  CborWriter& array(std::size_t count);  ///< `count` items follow
  CborWriter& map(std::size_t count);    ///< `count` pairs follow, keys ascending

  ByteView view() const { return buffer_.view().first(used_); }
  SecureBytes take() &&;

  static constexpr std::size_t kMaxHead = 9;  ///< the longest head of an item

 private:
  void advance(std::size_t written);
  void raw(ByteView value);
  std::span<std::uint8_t> free_space() { return buffer_.span().subspan(used_); }

  SecureBytes buffer_;
  std::size_t used_ = 0;
};

/// Reads what CborWriter writes and refuses every other encoding of the same values. A failure sticks, as in
/// ByteReader: later reads return empty values, and values may be used only after finish().
class CborReader {
 public:
  explicit CborReader(ByteView input) : rest_(input) {}

  std::uint64_t uint();
  std::uint64_t uint_up_to(std::uint64_t highest);
  ByteView bytes();    ///< a view into the input
  std::string text();  ///< valid UTF-8
  std::size_t array();
  std::size_t map();
  void expect_uint(std::uint64_t value);
  void expect_bytes(ByteView value);
  void expect_array(std::size_t count);
  void expect_map(std::size_t count);

  /// For what only the caller can judge.
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }

  /// Fails with crypto when something was truncated, not canonical, unexpected, or is left over.
  Result<void> finish() const;

 private:
  enum class Type : std::uint8_t { uint, bytes, text, array, map };
  struct Item {
    Type type;
    std::uint64_t value;  ///< the number, or the count
    ByteView content;     ///< of a string
  };
  struct Callbacks;

  std::optional<Item> next();
  std::optional<Item> next_of(Type type);
  void require(bool condition) { failed_ = failed_ || !condition; }

  ByteView rest_;
  bool failed_ = false;
};

}  // namespace sks::sealed
