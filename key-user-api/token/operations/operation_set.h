#pragma once

#include <map>
#include <mutex>

#include "key-user-api/token/application.h"
#include "key-user-api/token/operations/operation.h"

namespace sks::token {

inline constexpr std::size_t kMaxOperations = 1'024;

/// An operation between begin and its end. Two requests of one application take turns with it.
struct RunningOperation {
  RunningOperation(std::unique_ptr<Operation> started, std::uint64_t object, std::uint64_t type)
      : operation(std::move(started)), subject(object), mechanism(type) {}

  std::mutex mutex;
  std::unique_ptr<Operation> operation;  ///< null: ended
  const std::uint64_t subject;           ///< for the log
  const std::uint64_t mechanism;
};

/// The running operations of one application. Thread-safe.
class OperationSet {
 public:
  /// Fails with CKR_HOST_MEMORY: there are as many as there may be.
  Outcome<std::uint32_t> add(std::shared_ptr<RunningOperation> running);
  /// Fail with CKR_OPERATION_NOT_INITIALIZED.
  Outcome<std::shared_ptr<RunningOperation>> find(std::uint32_t number);
  Outcome<std::shared_ptr<RunningOperation>> take(std::uint32_t number);

 private:
  std::mutex mutex_;
  std::map<std::uint32_t, std::shared_ptr<RunningOperation>> running_;
  std::uint32_t last_ = 0;
};

}  // namespace sks::token
