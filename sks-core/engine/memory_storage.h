#pragma once

#include <map>

#include "sks-core/engine/storage.h"

namespace sks {

/// Records in the memory of this process, cleansed when they go: for integrators whose device keeps nothing, and for
/// conformance runs on a fresh store.
class MemoryStorage final : public Storage {
 public:
  /// The storage must outlive its transactions. Fails with storage while there is one.
  Result<std::unique_ptr<Transaction>> begin() override;
  std::size_t record_count() const { return records_.size(); }

 private:
  class Overlay;
  /// Without a value only inside a transaction: erased there.
  using Records = std::map<RecordId, std::optional<SecureBytes>>;

  Records records_;
  bool in_transaction_ = false;
};

}  // namespace sks
