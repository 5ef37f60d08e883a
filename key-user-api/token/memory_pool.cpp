#include "key-user-api/token/memory_pool.h"

#include "sks-core/base/result.h"

namespace sks::token {

bool MemoryPool::take(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ - taken_) return false;
  if (larger_ != nullptr && !larger_->take(bytes)) return false;
  taken_ += bytes;
  return true;
}

void MemoryPool::give_back(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  SKS_CHECK(bytes <= taken_);
  taken_ -= bytes;
  if (larger_ != nullptr) larger_->give_back(bytes);
}

bool MemoryShare::resize(std::size_t bytes) {
  if (bytes > bytes_ && !pool_->take(bytes - bytes_)) return false;
  if (bytes < bytes_) pool_->give_back(bytes_ - bytes);
  bytes_ = bytes;
  return true;
}

}  // namespace sks::token
