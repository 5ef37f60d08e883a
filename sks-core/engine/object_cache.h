#pragma once

#include <list>
#include <map>
#include <memory>

#include "sks-core/engine/records.h"

namespace sks::engine {

/// The objects used last, as far as their records fit into `budget` bytes. Objects are immutable; whoever holds a
/// pointer may go on using it after the object has left the cache.
template <class T>
class ObjectCache {
 public:
  using Handle = typename T::Handle;
  using Object = std::shared_ptr<const T>;

  explicit ObjectCache(std::size_t budget) : budget_(budget) {}

  /// The object, or null.
  Object find(Handle handle) {
    const auto found = by_handle_.find(handle);
    if (found == by_handle_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->object;
  }

  /// `cost`: the size of the object's record in bytes.
  void insert(Handle handle, Object object, std::size_t cost) {
    erase(handle);
    entries_.push_front({handle, std::move(object), cost});
    by_handle_.emplace(handle, entries_.begin());
    used_ += cost;
    while (used_ > budget_) erase(entries_.back().handle);
  }

  void erase(Handle handle) {
    const auto found = by_handle_.find(handle);
    if (found == by_handle_.end()) return;
    used_ -= found->second->cost;
    entries_.erase(found->second);
    by_handle_.erase(found);
  }

 private:
  struct Entry {
    Handle handle;
    Object object;
    std::size_t cost;
  };

  std::size_t budget_;
  std::size_t used_ = 0;
  std::list<Entry> entries_;  // used last comes first
  std::map<Handle, typename std::list<Entry>::iterator> by_handle_;
};

}  // namespace sks::engine
