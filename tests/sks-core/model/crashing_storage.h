#pragma once

#include <map>
#include <optional>

#include "sks-core/engine/storage.h"
#include "tests/sks-core/model/call.h"

namespace sks::model {

/// A storage in memory that can refuse an operation, as a full disk does, and whose content can be taken at any commit,
/// as a power cut leaves it.
class CrashingStorage final : public Storage {
 public:
  using Records = std::map<RecordId, Bytes>;

  Result<std::unique_ptr<Transaction>> begin() override;

  /// Plans what happens from now on. Fault::refuse and Fault::full count puts, erases and commits; the others
  /// count commits.
  void plan(Fault fault, int at);
  /// Whether the plan has come true.
  bool has_refused() const { return refused_; }
  struct Snapshot {
    Records records;
    int commits;  ///< that had gone through
  };
  /// Forgets the plan and returns what was durable at the planned instant; now, if that instant did not come.
  Snapshot take_snapshot();
  void restore(Records records) { records_ = std::move(records); }
  /// Of commits that went through.
  int commits() const { return commits_; }
  /// How many had gone through when it refused.
  int commits_before_refusal() const { return commits_before_refusal_; }

 private:
  class Overlay;
  bool refuses();

  Records records_;
  Fault fault_ = Fault::none;
  int countdown_ = 0;
  bool refused_ = false;
  int commits_ = 0;
  int commits_before_refusal_ = 0;
  std::optional<Snapshot> snapshot_;
};

}  // namespace sks::model
