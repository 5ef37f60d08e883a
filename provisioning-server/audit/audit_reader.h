#pragma once

#include <functional>
#include <limits>

#include "provisioning-server/audit/chain_format.h"

namespace sks::issuer {

/// What stands in an audit log, in the order that AuditVerifier asks for: all checkpoints, then chain by chain. Each
/// may fail, which ends the reading.
struct AuditVisitor {
  std::function<Result<void>(const Checkpoint&)> checkpoint;
  /// Null: there are entries whose chain has no start.
  std::function<Result<void>(const std::string& id, const AuditChain*)> begin_chain;
  std::function<Result<void>(const ChainedEntry&)> entry;
};

/// Times in seconds since 1970; `to` is exclusive. Of each chain everything from the first entry in this time to the
/// last one is read, also where a clock was set back in between.
struct AuditPeriod {
  std::int64_t from = std::numeric_limits<std::int64_t>::min();
  std::int64_t to = std::numeric_limits<std::int64_t>::max();

  bool is_everything() const;
};

/// Reads the database in one consistent state. A checkpoint that cannot be read goes to `broken` with its node and
/// number. Fails with storage.
Result<void> read_audit(Database& database, const AuditPeriod& period, const AuditVisitor& visitor,
                        const std::function<void(const std::string& node, std::int64_t number)>& broken);

}  // namespace sks::issuer
