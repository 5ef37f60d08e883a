#include "key-user-api/token/operations/operation_set.h"

namespace sks::token {
namespace {

Refusal not_running() { return {CKR_OPERATION_NOT_INITIALIZED, "no such operation, or it has ended"}; }

}  // namespace

std::shared_ptr<OperationSet> make_operation_set(std::shared_ptr<MemoryPool> memory) {
  return std::make_shared<OperationSet>(std::move(memory));
}

Outcome<void> RunningOperation::hold(std::size_t more) {
  if (!memory.resize(operation->held() + more))
    return Refusal{CKR_HOST_MEMORY, "the operations that are running keep too much data"};
  return {};
}

Outcome<std::uint32_t> OperationSet::add(std::unique_ptr<Operation> started, std::uint64_t object,
                                         std::uint64_t mechanism) {
  auto running = std::make_shared<RunningOperation>(std::move(started), memory_, object, mechanism);
  SKS_TRY(running->hold(0));
  const std::lock_guard lock(mutex_);
  if (running_.size() >= kMaxOperations) return Refusal{CKR_HOST_MEMORY, "too many operations at the same time"};
  do {
    ++last_;
  } while (last_ == 0 || running_.contains(last_));
  running_.emplace(last_, std::move(running));
  return last_;
}

Outcome<std::shared_ptr<RunningOperation>> OperationSet::find(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(number);
  if (found == running_.end()) return not_running();
  return found->second;
}

Outcome<std::shared_ptr<RunningOperation>> OperationSet::take(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto node = running_.extract(number);
  if (node.empty()) return not_running();
  return node.mapped();
}

}  // namespace sks::token
