#include "sks-core/base/bytes.h"

#include <string.h>  // explicit_bzero is not in <cstring>

#include <algorithm>
#include <utility>

#include "sks-core/base/result.h"

namespace sks {

ByteView as_bytes(std::string_view text) {
  // char and unsigned char may alias, so this is the one cast between the two worlds.
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string to_string(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

Bytes to_bytes(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

Bytes concat(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes all;
  all.reserve(size);
  for (const ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

bool equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

void cleanse(std::span<std::uint8_t> memory) {
  if (!memory.empty()) ::explicit_bzero(memory.data(), memory.size());
}

SecureBytes::SecureBytes(std::size_t size)
    : data_(size == 0 ? nullptr : new std::uint8_t[size]{}), size_(size), capacity_(size) {}

SecureBytes SecureBytes::copy_of(ByteView source) {
  SecureBytes copy(source.size());
  if (!source.empty()) std::ranges::copy(source, copy.data());
  return copy;
}

SecureBytes::SecureBytes(SecureBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecureBytes& SecureBytes::operator=(SecureBytes&& other) noexcept {
  SecureBytes taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  std::swap(capacity_, taken.capacity_);
  return *this;
}

SecureBytes::~SecureBytes() {
  cleanse({data_, capacity_});
  delete[] data_;
}

void SecureBytes::truncate(std::size_t size) {
  SKS_CHECK(size <= size_);
  cleanse({data_ + size, size_ - size});
  size_ = size;
}

}  // namespace sks
