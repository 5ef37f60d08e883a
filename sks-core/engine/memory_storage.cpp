#include "sks-core/engine/memory_storage.h"

#include <limits>

namespace sks {

/// The writes of one transaction, over the records of the storage.
class MemoryStorage::Overlay final : public Storage::Transaction {
 public:
  explicit Overlay(MemoryStorage& storage) : records_(storage.records_), in_transaction_(storage.in_transaction_) {
    in_transaction_ = true;
  }
  ~Overlay() override { in_transaction_ = false; }

  Result<std::optional<SecureBytes>> get(RecordId id) override {
    const auto written = written_.find(id);
    if (written != written_.end()) return copy_of(written->second);
    const auto kept = records_.find(id);
    if (kept != records_.end()) return copy_of(kept->second);
    return std::optional<SecureBytes>();
  }

  Result<void> put(RecordId id, ByteView value) override {
    SKS_TRY(check_open());
    written_.insert_or_assign(id, SecureBytes::copy_of(value));
    return {};
  }

  Result<void> erase(RecordId id) override {
    SKS_TRY(check_open());
    written_.insert_or_assign(id, std::nullopt);
    return {};
  }

  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    auto kept = records_.lower_bound(first(kind));
    auto written = written_.lower_bound(first(kind));
    const auto kept_end = records_.upper_bound(last(kind));
    const auto written_end = written_.upper_bound(last(kind));
    while (kept != kept_end || written != written_end) {
      const bool from_overlay = kept == kept_end || (written != written_end && written->first <= kept->first);
      if (from_overlay && kept != kept_end && kept->first == written->first) ++kept;  // overwritten
      const auto& [id, value] = from_overlay ? *written++ : *kept++;
      if (value) SKS_TRY(visit(id.handle, value->view()));
    }
    return {};
  }

  /// Moves nodes and values only: memory cannot run out halfway.
  Result<void> commit() override {
    SKS_TRY(check_open());
    committed_ = true;
    while (!written_.empty()) {
      auto node = written_.extract(written_.begin());
      if (!node.mapped()) {
        records_.erase(node.key());
      } else if (const auto kept = records_.find(node.key()); kept != records_.end()) {
        kept->second = std::move(node.mapped());
      } else {
        records_.insert(std::move(node));
      }
    }
    return {};
  }

 private:
  static constexpr RecordId first(RecordKind kind) { return {kind, 0}; }
  static constexpr RecordId last(RecordKind kind) { return {kind, std::numeric_limits<std::uint32_t>::max()}; }
  Result<void> check_open() const {
    if (committed_) return Error{Status::storage, "the transaction has ended before"};
    return {};
  }
  static std::optional<SecureBytes> copy_of(const std::optional<SecureBytes>& value) {
    if (!value) return std::nullopt;
    return SecureBytes::copy_of(value->view());
  }

  Records& records_;
  bool& in_transaction_;
  Records written_;
  bool committed_ = false;
};

Result<std::unique_ptr<Storage::Transaction>> MemoryStorage::begin() {
  if (in_transaction_) return Error{Status::storage, "a transaction is open already"};
  return std::unique_ptr<Transaction>(std::make_unique<Overlay>(*this));
}

}  // namespace sks
