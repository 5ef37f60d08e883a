#pragma once

#include "sks-core/engine/memory_storage.h"

/// Storage under a test's control.
namespace sks::test {

/// The storage in memory of the product. Can be told to fail its n-th operation from now on, as a full disk would.
class InMemoryStorage final : public Storage {
 public:
  Result<std::unique_ptr<Transaction>> begin() override;
  /// Fails the n-th (1 = next) put, erase or commit with storage; 0 = never.
  void fail_after(int n) { countdown_ = n; }
  std::size_t record_count() const { return records_.record_count(); }
  std::size_t commit_count() const { return commits_; }

 private:
  class FailingTransaction;
  bool fails() { return countdown_ > 0 && --countdown_ == 0; }

  MemoryStorage records_;
  int countdown_ = 0;
  std::size_t commits_ = 0;
};

class InMemoryStorage::FailingTransaction final : public Storage::Transaction {
 public:
  FailingTransaction(InMemoryStorage& storage, std::unique_ptr<Transaction> inner)
      : storage_(storage), inner_(std::move(inner)) {}
  Result<std::optional<SecureBytes>> get(RecordId id) override { return inner_->get(id); }
  Result<void> put(RecordId id, ByteView value) override {
    if (storage_.fails()) return Error{Status::storage, "no space left"};
    return inner_->put(id, value);
  }
  Result<void> erase(RecordId id) override {
    if (storage_.fails()) return Error{Status::storage, "no space left"};
    return inner_->erase(id);
  }
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    return inner_->scan(kind, visit);
  }
  Result<void> commit() override {
    if (storage_.fails()) return Error{Status::storage, "no space left"};
    SKS_TRY(inner_->commit());
    ++storage_.commits_;
    return {};
  }

 private:
  InMemoryStorage& storage_;
  std::unique_ptr<Transaction> inner_;
};

inline Result<std::unique_ptr<Storage::Transaction>> InMemoryStorage::begin() {
  SKS_LET(std::unique_ptr<Transaction> inner, records_.begin());
  return std::unique_ptr<Transaction>(std::make_unique<FailingTransaction>(*this, std::move(inner)));
}

}  // namespace sks::test
