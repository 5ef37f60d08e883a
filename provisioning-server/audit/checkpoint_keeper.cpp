#include "provisioning-server/audit/checkpoint_keeper.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "keygen2/time.h"
#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

/// Processes of one node, such as commands beside the server, may write one at the same time.
constexpr int kAttempts = 5;
constexpr std::chrono::seconds kLookAgain{1};

/// The chains of a node that may have grown, and how much of each a checkpoint has covered. Those from before there
/// were nodes belong to whoever comes first.
constexpr const char* kOpenChains =
    "SELECT chain, covered FROM audit_chains WHERE closed = 0 AND node IN ($1, '') ORDER BY chain";

/// The last entry that the database has; number 0 when it has none.
Result<ChainHead> read_head(SqlTransaction& transaction, const std::string& chain) {
  SKS_LET(const SqlRows last,
          transaction.query("SELECT number, hash FROM audit WHERE chain = $1 ORDER BY number DESC LIMIT 1", {chain}));
  if (last.empty()) return ChainHead{chain, 0, {}};
  return ChainHead{chain, last[0].integer(0), last[0].blob(1)};
}

/// Chains of other processes that have grown, by what the database says.
Result<std::vector<ChainHead>> grown_chains(SqlTransaction& transaction, const std::string& node,
                                            const std::vector<std::string>& own) {
  std::vector<ChainHead> heads;
  SKS_LET(const SqlRows chains, transaction.query(kOpenChains, {node}));
  for (const SqlRow& chain : chains) {
    if (std::ranges::find(own, chain.text(0)) != own.end()) continue;
    SKS_LET(ChainHead head, read_head(transaction, chain.text(0)));
    if (head.number > chain.integer(1)) heads.push_back(std::move(head));
  }
  return heads;
}

const std::string& last_of_node() {
  static const std::string kLast = "SELECT " + std::string(kCheckpointColumns) +
                                   " FROM audit_checkpoints WHERE node = $1 ORDER BY number DESC LIMIT 1";
  return kLast;
}

/// Number and `previous` of the node's next checkpoint.
Result<void> follow_last(SqlTransaction& transaction, Checkpoint& next) {
  SKS_LET(const SqlRows rows, transaction.query(last_of_node(), {next.node}));
  next.number = 1;
  next.previous = Bytes(crypto::kSha256Size);
  if (rows.empty()) return {};
  // One that somebody has made unreadable is told by `audit verify`; the next ones are written all the same.
  const Result<Checkpoint> last = checkpoint_of(rows[0]);
  next.number = rows[0].integer(1) + 1;
  if (last) next.previous = to_bytes(hash_of(*last));
  return {};
}

}  // namespace

Result<Checkpoint> checkpoint_of(const SqlRow& row) {
  SKS_LET(std::vector<ChainHead> heads, parse_heads(row.text(4)));
  return Checkpoint{row.text(0), row.integer(1), row.integer(2), row.blob(3), std::move(heads), row.blob(5)};
}

CheckpointKeeper::CheckpointKeeper(Database& database, ChainedAuditLog& log, crypto::PrivateKey key, const Clock& clock)
    : database_(database), log_(log), key_(std::move(key)), clock_(clock) {}

CheckpointKeeper::~CheckpointKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stops_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (log_.appended() == 0) return;
  const Result<void> ended = write(Chains::end);
  if (!ended) log_error("last-checkpoint-not-written", {{"reason", ended.error().detail}});
}

void CheckpointKeeper::start(const AuditConfig& config) {
  configure(config);
  thread_ = std::thread([this] { keep(); });
}

void CheckpointKeeper::configure(const AuditConfig& config) {
  const std::lock_guard lock(mutex_);
  config_ = config;
}

/// Of the node's last checkpoint, also from before this process; now where there is none, or none that this key has
/// signed: what somebody has changed must not put words into the log.
std::int64_t CheckpointKeeper::last_time() const {
  const Result<SqlRows> rows = database_.select(last_of_node(), {log_.node()});
  if (!rows || rows->empty()) return clock_.now();
  const Result<Checkpoint> last = checkpoint_of(rows->front());
  return last && is_signed_by(*last, key_.public_key()) ? last->time : clock_.now();
}

/// Entries of a time that comes again seem to be older than the checkpoints before them. The next checkpoint counts
/// them, and this entry tells whoever reads the log.
Result<void> CheckpointKeeper::note_set_back(std::int64_t from, std::int64_t to) {
  const std::string old_time = keygen2::format_utc_time(from);
  const std::string new_time = keygen2::format_utc_time(to);
  SKS_TRY(database_.write([&](SqlTransaction& transaction) {
    return log_.append(transaction, {to, "issuer", "clock-set-back", "", "", "ok",
                                     "the clock went back from " + old_time + " to " + new_time});
  }));
  log_warning("clock-set-back", {{"from", old_time}, {"to", new_time}});
  return {};
}

void CheckpointKeeper::keep() {
  std::uint64_t covered = 0;
  auto last = std::chrono::steady_clock::now();
  std::int64_t time = last_time();
  bool has_failed = false;
  std::unique_lock lock(mutex_);
  while (!stops_.wait_for(lock, kLookAgain, [this] { return stopping_; })) {
    const std::uint64_t entries = log_.appended();
    const auto now = std::chrono::steady_clock::now();
    const std::int64_t time_now = clock_.now();
    const bool is_set_back = time_now + kClockCorrection < time;
    if (!is_set_back) time = time_now;
    // A clock that went back is put on record as soon as the database takes it.
    const bool is_due = is_set_back || entries - covered >= static_cast<std::uint64_t>(config_.checkpoint_entries) ||
                        now - last >= std::chrono::seconds(config_.checkpoint_seconds);
    if (!is_due) continue;
    lock.unlock();
    Result<void> written = is_set_back ? note_set_back(time, time_now) : Result<void>();
    if (written) {
      time = time_now;
      written = write();
    }
    if (!written && !has_failed) log_error("checkpoint-not-written", {{"reason", written.error().detail}});
    has_failed = !written;
    lock.lock();
    // After a failure it is tried again when the next one is due.
    last = now;
    covered = entries;
  }
}

Result<void> CheckpointKeeper::write(Chains chains) {
  Result<void> done;
  std::vector<ChainHead> heads;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(heads, write_in(transaction, chains));
      return {};
    });
    if (done || done.error().status != Status::not_allowed) break;
  }
  if (!done) return done;
  const std::lock_guard lock(covered_mutex_);
  for (const ChainHead& head : heads) covered_[head.chain] = std::max(covered_[head.chain], head.number);
  return {};
}

std::int64_t CheckpointKeeper::covered(const std::string& chain) const {
  const std::lock_guard lock(covered_mutex_);
  const auto found = covered_.find(chain);
  return found == covered_.end() ? 0 : found->second;
}

/// Of a chain of this process, which knows better than the database how far it has come.
Result<ChainHead> CheckpointKeeper::own_head(SqlTransaction& transaction, const std::string& chain) const {
  SKS_LET(ChainHead stored, read_head(transaction, chain));
  ChainHead known = log_.head(chain);
  const bool is_other = stored.number == known.number && !equal(stored.hash, known.hash);
  if (!is_other && stored.number <= known.number && stored.number >= covered(chain)) return stored;
  log_error("audit-log-altered", {{"chain", chain},
                                  {"stored-entry", std::to_string(stored.number)},
                                  {"written-entry", std::to_string(known.number)}});
  // So that `audit verify` finds it, too.
  return known;
}

Result<std::vector<ChainHead>> CheckpointKeeper::grown_heads(SqlTransaction& transaction) const {
  const std::vector<std::string> own = log_.chains();
  SKS_LET(std::vector<ChainHead> heads, grown_chains(transaction, log_.node(), own));
  for (const std::string& chain : own) {
    SKS_LET(ChainHead head, own_head(transaction, chain));
    if (head.number > covered(chain)) heads.push_back(std::move(head));
  }
  std::ranges::sort(heads, {}, &ChainHead::chain);
  return heads;
}

Result<std::vector<ChainHead>> CheckpointKeeper::write_in(SqlTransaction& transaction, Chains chains) const {
  Checkpoint next;
  next.node = log_.node();
  next.time = clock_.now();
  SKS_LET(next.heads, grown_heads(transaction));
  for (const ChainHead& head : next.heads)
    SKS_TRY(
        transaction.run("UPDATE audit_chains SET covered = $1, closed = CASE node WHEN '' THEN 1 ELSE closed END"
                        " WHERE chain = $2",
                        {head.number, head.chain}));
  if (!next.heads.empty()) {
    SKS_TRY(follow_last(transaction, next));
    SKS_LET(const Bytes raw, key_.sign(bytes_of(next)));
    SKS_LET(next.signature, crypto::ecdsa_raw_to_der(Curve::p256, raw));
    SKS_TRY(
        transaction.run("INSERT INTO audit_checkpoints (node, number, time, previous, heads, signature)"
                        " VALUES ($1, $2, $3, $4, $5, $6)",
                        {next.node, next.number, next.time, next.previous, heads_text(next.heads), next.signature}));
  }
  if (chains == Chains::stay_open) return next.heads;
  for (const std::string& chain : log_.chains())
    SKS_TRY(transaction.run("UPDATE audit_chains SET closed = 1 WHERE chain = $1", {chain}));
  return next.heads;
}

}  // namespace sks::issuer
