#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "provisioning-server/audit/audit_config.h"
#include "provisioning-server/audit/chained_audit_log.h"
#include "sks-core/crypto/private_key.h"

namespace sks::issuer {

/// Writes signed checkpoints of how long the chains of one node are, so that entries cannot be cut off behind one.
/// A checkpoint names the chains that have grown since the node's last one, also those of processes that were killed.
/// About its own process's chains it believes the database nothing: what differs from what was written reaches the log.
class CheckpointKeeper {
 public:
  /// `database` and `log` must outlive it.
  CheckpointKeeper(Database& database, ChainedAuditLog& log, crypto::PrivateKey key, const Clock& clock);
  /// Ends the process's chains with a last checkpoint, if it has any; a failure reaches the log only.
  ~CheckpointKeeper();
  CheckpointKeeper(const CheckpointKeeper&) = delete;
  CheckpointKeeper& operator=(const CheckpointKeeper&) = delete;

  /// From here on a thread writes one when there are so many new entries, or some after so many seconds; and when the
  /// clock has gone back, with an entry that says so.
  void start(const AuditConfig& config);
  /// The same thread by other numbers from here on.
  void configure(const AuditConfig& config);

  /// Writes one if a chain has grown. Fails with storage.
  Result<void> write() { return write(Chains::stay_open); }

 private:
  enum class Chains : std::uint8_t { stay_open, end };
  Result<void> write(Chains chains);
  /// The heads that it has signed.
  Result<std::vector<ChainHead>> write_in(SqlTransaction& transaction, Chains chains) const;
  Result<std::vector<ChainHead>> grown_heads(SqlTransaction& transaction) const;
  Result<ChainHead> own_head(SqlTransaction& transaction, const std::string& chain) const;
  std::int64_t covered(const std::string& chain) const;
  void keep();
  std::int64_t last_time() const;
  Result<void> note_set_back(std::int64_t from, std::int64_t to);

  Database& database_;
  ChainedAuditLog& log_;
  const crypto::PrivateKey key_;
  const Clock& clock_;
  mutable std::mutex covered_mutex_;
  std::map<std::string, std::int64_t> covered_;  ///< by chain: its last entry that a checkpoint of ours has signed
  std::mutex mutex_;
  std::condition_variable stops_;
  bool stopping_ = false;
  AuditConfig config_;
  std::thread thread_;
};

/// Columns of table audit_checkpoints in the order that checkpoint_of() reads.
inline constexpr const char* kCheckpointColumns = "node, number, time, previous, heads, signature";
/// Fails with option: the heads are malformed.
Result<Checkpoint> checkpoint_of(const SqlRow& row);

}  // namespace sks::issuer
