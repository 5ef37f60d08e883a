#pragma once

#include <map>
#include <mutex>

#include "key-user-api/token/application.h"
#include "key-user-api/token/operations/operation.h"

namespace sks::token {

inline constexpr std::size_t kMaxOperations = 1'024;
/// Of data and parameters that the operations of one application keep. Spec: spec/sksd.md 4.
inline constexpr std::size_t kMaxHeldBytes = std::size_t{32} << 20U;

/// An operation between begin and its end. Two requests of one application take turns with it.
struct RunningOperation {
  RunningOperation(std::unique_ptr<Operation> started, std::shared_ptr<MemoryPool> pool, std::uint64_t object,
                   std::uint64_t type)
      : operation(std::move(started)), memory(std::move(pool)), subject(object), mechanism(type) {}

  /// Makes room for what the operation keeps, and for `more`. Fails with CKR_HOST_MEMORY.
  Outcome<void> hold(std::size_t more);

  std::mutex mutex;
  std::unique_ptr<Operation> operation;  ///< null: ended
  MemoryShare memory;
  bool is_logged = false;       ///< under the mutex: the use of the key has its line
  const std::uint64_t subject;  ///< for the log
  const std::uint64_t mechanism;
};

/// The running operations of one application. Thread-safe.
class OperationSet {
 public:
  explicit OperationSet(std::shared_ptr<MemoryPool> memory)
      : memory_(std::make_shared<MemoryPool>(kMaxHeldBytes, std::move(memory))) {}

  /// Fails with CKR_HOST_MEMORY: there are as many as there may be, or they keep too much.
  Outcome<std::uint32_t> add(std::unique_ptr<Operation> started, std::uint64_t object, std::uint64_t mechanism);
  /// Fail with CKR_OPERATION_NOT_INITIALIZED.
  Outcome<std::shared_ptr<RunningOperation>> find(std::uint32_t number);
  Outcome<std::shared_ptr<RunningOperation>> take(std::uint32_t number);

 private:
  const std::shared_ptr<MemoryPool> memory_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<RunningOperation>> running_;
  std::uint32_t last_ = 0;
};

}  // namespace sks::token
