#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "provisioning-server/audit/chain_format.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"

namespace sks::issuer {

/// An AuditLog whose heads are in memory: an entry costs one INSERT. No other process extends a chain of this one, so
/// nobody waits for anybody. A chain ends, and another one begins, where a transaction of its lane was undone.
class ChainedAuditLog final : public AuditLog {
 public:
  /// `node` names this server among those that share the database.
  ChainedAuditLog(const Database& database, std::string node, const Clock& clock, const Random& random);

  Result<void> append(SqlTransaction& transaction, const AuditEntry& entry) override;

  const std::string& node() const { return node_; }
  /// The chains that this process has begun.
  std::vector<std::string> chains() const;
  /// The last entry of one of them; number 0 when it has none. The database may not have it yet, or never get it, but
  /// what it has shown before this was asked is not ahead of it.
  ChainHead head(const std::string& chain) const;
  /// Entries appended so far; some of them may have been undone.
  std::uint64_t appended() const { return appended_.load(std::memory_order_relaxed); }

 private:
  struct Lane {
    std::string chain;  ///< empty: the next entry begins one
    std::int64_t number = 0;
    AuditHash head{};
  };
  Result<void> begin_chain(SqlTransaction& transaction, Lane& lane);
  void undo(Lane& lane, const Lane& before, SqlTransaction::Undone how);
  void note_head(const Lane& lane);

  const std::string node_;
  const Clock& clock_;
  const Random& random_;
  std::vector<Lane> lanes_;
  std::atomic<std::uint64_t> appended_{0};
  mutable std::mutex mutex_;
  std::map<std::string, Lane> heads_;  ///< by chain
};

/// An entry as it stands in table audit. Fails with storage.
Result<void> insert_entry(SqlTransaction& transaction, const ChainedEntry& entry);
Result<void> insert_chain(SqlTransaction& transaction, const AuditChain& chain);

}  // namespace sks::issuer
