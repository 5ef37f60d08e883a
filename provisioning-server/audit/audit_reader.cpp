#include "provisioning-server/audit/audit_reader.h"

#include "provisioning-server/audit/checkpoint_keeper.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kPage = 1000;
using Broken = std::function<void(const std::string&, std::int64_t)>;

Result<void> read_checkpoints(SqlTransaction& transaction, const AuditPeriod& period, const AuditVisitor& visitor,
                              const Broken& broken) {
  static const std::string kSelect = "SELECT " + std::string(kCheckpointColumns) +
                                     " FROM audit_checkpoints WHERE (node, number) > ($1, $2)"
                                     " ORDER BY node, number LIMIT $3";
  std::string node;
  std::int64_t number = std::numeric_limits<std::int64_t>::min();
  // Of each node also the first one behind the period: it counts the last entries of the period.
  std::string complete;
  for (;;) {
    SKS_LET(const SqlRows rows, transaction.query(kSelect, {node, number, kPage}));
    for (const SqlRow& row : rows) {
      node = row.text(0);
      number = row.integer(1);
      if (row.integer(2) < period.from || (!complete.empty() && complete == node)) continue;
      if (row.integer(2) >= period.to) complete = node;
      const Result<Checkpoint> checkpoint = checkpoint_of(row);
      if (!checkpoint) {
        broken(node, number);
        continue;
      }
      SKS_TRY(visitor.checkpoint(*checkpoint));
    }
    if (rows.size() < static_cast<std::size_t>(kPage)) return {};
  }
}

/// The numbers of a chain's entries in the period: from the first to the last. None: 0 and 0.
Result<std::pair<std::int64_t, std::int64_t>> find_numbers(SqlTransaction& transaction, const std::string& chain,
                                                           const AuditPeriod& period) {
  SKS_LET(const SqlRows rows,
          transaction.query("SELECT COALESCE(min(number), 0), COALESCE(max(number), 0) FROM audit WHERE chain = $1"
                            " AND time >= $2 AND time < $3",
                            {chain, period.from, period.to}));
  return std::pair(rows.at(0).integer(0), rows.at(0).integer(1));
}

Result<void> read_entries(SqlTransaction& transaction, const std::string& chain,
                          std::pair<std::int64_t, std::int64_t> numbers, const AuditVisitor& visitor) {
  std::int64_t last = numbers.first - 1;
  for (;;) {
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT number, time, actor, action, session, policy, result, detail, previous, hash"
                              " FROM audit WHERE chain = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4",
                              {chain, last, numbers.second, kPage}));
    for (const SqlRow& row : rows) {
      last = row.integer(0);
      SKS_TRY(
          visitor.entry({chain,
                         last,
                         {row.integer(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6), row.text(7)},
                         row.blob(8),
                         row.blob(9)}));
    }
    if (rows.size() < static_cast<std::size_t>(kPage)) return {};
  }
}

Result<void> read_chain(SqlTransaction& transaction, const std::string& id, const AuditPeriod& period,
                        const AuditVisitor& visitor) {
  std::pair<std::int64_t, std::int64_t> numbers{std::numeric_limits<std::int64_t>::min() + 1,
                                                std::numeric_limits<std::int64_t>::max()};
  if (!period.is_everything()) {
    SKS_LET(numbers, find_numbers(transaction, id, period));
    if (numbers.second == 0) return {};
  }
  SKS_LET(const SqlRows starts, transaction.query("SELECT node, started FROM audit_chains WHERE chain = $1", {id}));
  if (starts.empty()) {
    SKS_TRY(visitor.begin_chain(id, nullptr));
  } else {
    const AuditChain chain{id, starts[0].text(0), starts[0].integer(1)};
    SKS_TRY(visitor.begin_chain(id, &chain));
  }
  return read_entries(transaction, id, numbers, visitor);
}

}  // namespace

bool AuditPeriod::is_everything() const {
  return from == std::numeric_limits<std::int64_t>::min() && to == std::numeric_limits<std::int64_t>::max();
}

Result<void> read_audit(Database& database, const AuditPeriod& period, const AuditVisitor& visitor,
                        const Broken& broken) {
  return database.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(read_checkpoints(transaction, period, visitor, broken));
    // From chain to chain: of those that have entries, whether or not their start is there.
    std::string chain;
    for (;;) {
      SKS_LET(const SqlRows next,
              transaction.query("SELECT chain FROM audit WHERE chain > $1 ORDER BY chain LIMIT 1", {chain}));
      if (next.empty()) return {};
      chain = next[0].text(0);
      SKS_TRY(read_chain(transaction, chain, period, visitor));
    }
  });
}

}  // namespace sks::issuer
