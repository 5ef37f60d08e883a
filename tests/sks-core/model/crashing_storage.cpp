#include "tests/sks-core/model/crashing_storage.h"

namespace sks::model {

class CrashingStorage::Overlay final : public Storage::Transaction {
 public:
  explicit Overlay(CrashingStorage& storage) : storage_(storage), records_(storage.records_) {}

  Result<std::optional<SecureBytes>> get(RecordId id) override {
    const auto found = records_.find(id);
    if (found == records_.end()) return std::optional<SecureBytes>();
    return std::optional<SecureBytes>(SecureBytes::copy_of(found->second));
  }

  Result<void> put(RecordId id, ByteView value) override {
    if (storage_.refuses()) return Error{Status::storage, "no space left"};
    records_[id] = to_bytes(value);
    return {};
  }

  Result<void> erase(RecordId id) override {
    if (storage_.refuses()) return Error{Status::storage, "no space left"};
    records_.erase(id);
    return {};
  }

  Result<void> scan(RecordKind kind, const std::function<Result<void>(std::uint32_t, ByteView)>& visit) override {
    for (const auto& [id, value] : records_)
      if (id.kind == kind) SKS_TRY(visit(id.handle, value));
    return {};
  }

  Result<void> commit() override {
    if (storage_.refuses()) return Error{Status::storage, "no space left"};
    const bool kills = storage_.fault_ == Fault::kill_before || storage_.fault_ == Fault::kill_after;
    const bool now = kills && storage_.countdown_ > 0 && --storage_.countdown_ == 0;
    if (now && storage_.fault_ == Fault::kill_before) storage_.snapshot_ = {storage_.records_, storage_.commits_};
    storage_.records_ = std::move(records_);
    ++storage_.commits_;
    if (now && storage_.fault_ == Fault::kill_after) storage_.snapshot_ = {storage_.records_, storage_.commits_};
    return {};
  }

 private:
  CrashingStorage& storage_;
  Records records_;
};

Result<std::unique_ptr<Storage::Transaction>> CrashingStorage::begin() {
  return std::unique_ptr<Transaction>(std::make_unique<Overlay>(*this));
}

void CrashingStorage::plan(Fault fault, int at) {
  fault_ = fault;
  countdown_ = at;
  refused_ = false;
  snapshot_.reset();
}

CrashingStorage::Snapshot CrashingStorage::take_snapshot() {
  Snapshot taken = snapshot_ ? *std::move(snapshot_) : Snapshot{records_, commits_};
  plan(Fault::none, 0);
  return taken;
}

bool CrashingStorage::refuses() {
  if (fault_ != Fault::refuse && fault_ != Fault::full) return false;
  if (countdown_ == 0 || --countdown_ > 0) return false;
  if (fault_ == Fault::full) countdown_ = 1;
  refused_ = true;
  commits_before_refusal_ = commits_;
  return true;
}

}  // namespace sks::model
