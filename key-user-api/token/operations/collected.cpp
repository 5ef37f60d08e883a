#include "key-user-api/token/operations/collected.h"

#include <algorithm>

namespace sks::token {

void Collected::add(ByteView part) {
  if (part.size() > memory_.size() - size_) {
    SecureBytes larger(std::max(2 * memory_.size(), size_ + part.size()));
    std::ranges::copy(view(), larger.data());
    memory_ = std::move(larger);
  }
  std::ranges::copy(part, memory_.data() + size_);
  size_ += part.size();
}

void Collected::drop(std::size_t count) {
  std::copy(memory_.data() + count, memory_.data() + size_, memory_.data());
  size_ -= count;
}

}  // namespace sks::token
