#include "provisioning-server/audit/chained_audit_log.h"

#include <algorithm>
#include <utility>

#include "keygen2/distinguished_name.h"
#include "provisioning-server/database/schema_audit.h"
#include "provisioning-server/metrics.h"
#include "sks-core/base/byte_reader.h"

namespace sks::issuer {
namespace {

/// Texts quote what peers have sent. One that a database would refuse must not keep the entry out.
std::string clean(const std::string& text) {
  std::string cleaned = is_utf8(text) ? text : keygen2::decode_utf8(text);
  std::ranges::replace(cleaned, '\0', '?');
  return cleaned;
}

AuditEntry clean(const AuditEntry& entry) {
  return {entry.time,          clean(entry.actor),  clean(entry.action), clean(entry.session),
          clean(entry.policy), clean(entry.result), clean(entry.detail)};
}

}  // namespace

Result<void> insert_chain(SqlTransaction& transaction, const AuditChain& chain) {
  return transaction.enqueue(
      "INSERT INTO audit_chains (chain, node, started, covered, closed) VALUES ($1, $2, $3, 0, 0)",
      {chain.id, chain.node, chain.started});
}

Result<void> insert_entry(SqlTransaction& transaction, const ChainedEntry& at) {
  const AuditEntry& entry = at.entry;
  return transaction.enqueue(
      "INSERT INTO audit (chain, number, time, actor, action, session, policy, result, detail, previous, hash)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
      {at.chain, at.number, entry.time, entry.actor, entry.action, entry.session, entry.policy, entry.result,
       entry.detail, at.previous, at.hash});
}

ChainedAuditLog::ChainedAuditLog(const Database& database, std::string node, const Clock& clock, const Random& random)
    : node_(std::move(node)), clock_(clock), random_(random), lanes_(database.lanes()) {}

Result<void> ChainedAuditLog::begin_chain(SqlTransaction& transaction, Lane& lane) {
  const AuditChain chain{random_id(random_), node_, clock_.now()};
  SKS_TRY(insert_chain(transaction, chain));
  lane = {chain.id, 0, hash_of(chain)};
  note_head(lane);
  return {};
}

void ChainedAuditLog::note_head(const Lane& lane) {
  const std::lock_guard lock(mutex_);
  heads_[lane.chain] = lane;
}

/// Where it is not known what is in the database, nothing may follow it.
void ChainedAuditLog::undo(Lane& lane, const Lane& before, SqlTransaction::Undone how) {
  const std::string chain = std::exchange(lane, how == SqlTransaction::Undone::certainly ? before : Lane{}).chain;
  if (how == SqlTransaction::Undone::perhaps) return;
  const std::lock_guard lock(mutex_);
  if (before.chain.empty()) {
    heads_.erase(chain);
  } else {
    heads_[chain] = before;
  }
}

Result<void> ChainedAuditLog::append(SqlTransaction& transaction, const AuditEntry& entry) {
  Lane& lane = lanes_.at(transaction.lane());
  transaction.when_undone([this, &lane, before = lane](SqlTransaction::Undone how) { undo(lane, before, how); });
  if (lane.chain.empty()) SKS_TRY(begin_chain(transaction, lane));
  ChainedEntry next{lane.chain, lane.number + 1, clean(entry), to_bytes(lane.head), {}};
  const AuditHash hash = hash_of(next);
  next.hash = to_bytes(hash);
  SKS_TRY(insert_entry(transaction, next));
  lane.number = next.number;
  lane.head = hash;
  note_head(lane);
  appended_.fetch_add(1, std::memory_order_relaxed);
  static Counter& entries = Metrics::instance().counter("audit_entries_total");
  entries.add();
  return {};
}

std::vector<std::string> ChainedAuditLog::chains() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> chains;
  for (const auto& [chain, head] : heads_) chains.push_back(chain);
  return chains;
}

ChainHead ChainedAuditLog::head(const std::string& chain) const {
  const std::lock_guard lock(mutex_);
  const auto found = heads_.find(chain);
  if (found == heads_.end()) return {chain, 0, {}};
  return {chain, found->second.number, to_bytes(found->second.head)};
}

Result<void> take_over_audit(SqlTransaction& transaction) {
  constexpr std::int64_t kPage = 1000;
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  ChainedEntry next;
  for (;;) {
    SKS_LET(const SqlRows rows, transaction.query("SELECT id, time, actor, action, session, policy, result, detail"
                                                  " FROM audit_before_chains WHERE id > $1 ORDER BY id LIMIT $2",
                                                  {last, kPage}));
    for (const SqlRow& row : rows) {
      if (next.chain.empty()) {
        const AuditChain chain{random_id(system_random()), "", system_clock().now()};
        SKS_TRY(insert_chain(transaction, chain));
        next.chain = chain.id;
        next.hash = to_bytes(hash_of(chain));
      }
      last = row.integer(0);
      next.previous = std::move(next.hash);
      ++next.number;
      next.entry =
          clean({row.integer(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6), row.text(7)});
      next.hash = to_bytes(hash_of(next));
      SKS_TRY(insert_entry(transaction, next));
    }
    if (rows.size() < static_cast<std::size_t>(kPage)) break;
  }
  SKS_TRY(transaction.run("DROP TABLE audit_before_chains", {}));
  return {};
}

}  // namespace sks::issuer
