#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/engine/key_source.h"
#include "sks-core/engine/memory_storage.h"

/// The inputs from the world, under a test's control.
namespace sks::test {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(std::int64_t now) : now_(now) {}
  std::int64_t now() const override { return now_; }
  void sleep_seconds(unsigned seconds) const override { slept_ += seconds; }
  void set(std::int64_t now) { now_ = now; }
  unsigned slept() const { return slept_; }

 private:
  std::int64_t now_;
  mutable unsigned slept_ = 0;
};

/// Hands out the queued answers in turn, each to a request of exactly its size; then falls back on OpenSSL.
class ScriptedRandom final : public Random {
 public:
  void queue(Bytes bytes) { script_.push_back(std::move(bytes)); }
  void fill(std::span<std::uint8_t> out) const override {
    if (script_.empty()) return system_random().fill(out);
    SKS_CHECK(script_.front().size() == out.size());
    std::copy(script_.front().begin(), script_.front().end(), out.begin());
    script_.pop_front();
  }

 private:
  mutable std::deque<Bytes> script_;
};

/// Hands out the queued keys in turn, then real ones.
class ScriptedKeySource final : public KeySource {
 public:
  void queue(crypto::PrivateKey key) { script_.push_back(std::move(key)); }
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
    if (script_.empty()) return system_key_source().generate(algorithm, parameters, seed);
    crypto::PrivateKey key = std::move(script_.front());
    script_.pop_front();
    return key;
  }

 private:
  mutable std::deque<crypto::PrivateKey> script_;
};

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
