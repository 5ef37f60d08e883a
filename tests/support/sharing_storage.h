#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/support/storage_fakes.h"

namespace sks::test {

/// Storage whose shared commits become durable by make_durable() and nothing else, when the test lets it. Counts what
/// it is asked for.
class SharingStorage final : public Storage {
 public:
  InMemoryStorage memory;

  Result<std::unique_ptr<Transaction>> begin() override { return begin(false); }
  Result<std::unique_ptr<Transaction>> begin_shared() override { return begin(true); }
  Result<void> make_durable() override;

  /// Keeps syncs from going on until release().
  void hold() { set(held_, true); }
  void release() { set(held_, false); }
  /// From now on: how many syncs fail.
  void fail_syncs(int n) { set(failures_, n); }
  /// Waits until so many threads wait for a sync. False when that takes forever.
  bool reaches_waiting(int threads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return waiting_ >= threads; });
  }
  /// Waits until there have been so many shared commits. False when that takes forever.
  bool reaches_shared(int commits) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return shared_ >= commits; });
  }

  bool is_durable() const { return look(committed_) == look(durable_); }
  int shared_commits() const { return look(shared_); }
  int syncs() const { return look(syncs_); }

 private:
  class CountingTransaction;
  Result<std::unique_ptr<Transaction>> begin(bool shared);
  void note_commit(bool shared);
  template <class T>
  void set(T& value, T to) {
    const std::lock_guard lock(mutex_);
    value = to;
    changed_.notify_all();
  }
  template <class T>
  T look(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool held_ = false;
  int failures_ = 0;
  int waiting_ = 0;
  int committed_ = 0;
  int durable_ = 0;
  int failed_ = 0;  ///< the last commit that a failed sync should have covered
  int shared_ = 0;
  int syncs_ = 0;
};

class SharingStorage::CountingTransaction final : public Storage::Transaction {
 public:
  CountingTransaction(SharingStorage& storage, std::unique_ptr<Transaction> inner, bool shared)
      : storage_(storage), inner_(std::move(inner)), shared_(shared) {}
  Result<std::optional<SecureBytes>> get(RecordId id) override { return inner_->get(id); }
  Result<void> put(RecordId id, ByteView value) override { return inner_->put(id, value); }
  Result<void> erase(RecordId id) override { return inner_->erase(id); }
  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    return inner_->scan(kind, visit);
  }
  Result<void> commit() override {
    SKS_TRY(inner_->commit());
    storage_.note_commit(shared_);
    return {};
  }

 private:
  SharingStorage& storage_;
  std::unique_ptr<Transaction> inner_;
  bool shared_;
};

inline Result<std::unique_ptr<Storage::Transaction>> SharingStorage::begin(bool shared) {
  SKS_LET(std::unique_ptr<Transaction> inner, memory.begin());
  return std::unique_ptr<Transaction>(std::make_unique<CountingTransaction>(*this, std::move(inner), shared));
}

inline void SharingStorage::note_commit(bool shared) {
  const std::lock_guard lock(mutex_);
  ++committed_;
  if (shared)
    ++shared_;
  else
    durable_ = committed_;
  changed_.notify_all();
}

inline Result<void> SharingStorage::make_durable() {
  std::unique_lock lock(mutex_);
  const int wanted = committed_;
  ++waiting_;
  changed_.notify_all();
  while (durable_ < wanted && failed_ < wanted) {
    if (held_) {
      changed_.wait(lock);
      continue;
    }
    ++syncs_;
    const int covered = committed_;
    const bool fails = failures_ > 0 && failures_-- > 0;
    (fails ? failed_ : durable_) = covered;
    changed_.notify_all();
  }
  --waiting_;
  if (failed_ >= wanted) return Error{Status::storage, "the disk does not answer"};
  return {};
}

}  // namespace sks::test
