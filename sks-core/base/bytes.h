#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sks {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// The bytes of a text, without terminator. The view lives as long as the text does.
ByteView as_bytes(std::string_view text);

/// The same bytes as a text.
std::string to_string(ByteView bytes);
Bytes to_bytes(ByteView bytes);

/// `parts` one after the other.
Bytes concat(std::initializer_list<ByteView> parts);

/// Compares in a time that depends on the lengths only. Different lengths are unequal.
bool equal_constant_time(ByteView a, ByteView b);

/// Ordinary comparison, for public data.
bool equal(ByteView a, ByteView b);

/// Overwrites memory in a way the compiler does not remove.
void cleanse(std::span<std::uint8_t> memory);

/// SecureBytes owns key material, PINs and session keys, and cleanses the memory when it lets go of it.
///
/// It does not copy: write copy_of() where a second copy is meant, and expect to be asked why. It has no stream
/// operator and no conversion to std::string, so it cannot reach a log by accident. Its size is fixed, so spans into it
/// stay valid until it is moved from or destroyed.
class SecureBytes {
 public:
  SecureBytes() = default;
  explicit SecureBytes(std::size_t size);
  static SecureBytes copy_of(ByteView source);

  SecureBytes(SecureBytes&& other) noexcept;
  SecureBytes& operator=(SecureBytes&& other) noexcept;
  SecureBytes(const SecureBytes&) = delete;
  SecureBytes& operator=(const SecureBytes&) = delete;
  ~SecureBytes();

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::uint8_t* data() const { return data_; }
  std::uint8_t* data() { return data_; }
  ByteView view() const { return {data_, size_}; }
  std::span<std::uint8_t> span() { return {data_, size_}; }

  /// Shortens to the first `size` bytes, cleansing the rest. `size` must not exceed size().
  void truncate(std::size_t size);

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace sks
