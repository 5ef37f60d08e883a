#include "provisioning-server/audit/audit_verifier.h"

#include <algorithm>

#include "keygen2/time.h"

namespace sks::issuer {
namespace {

/// Places that are tried for an entry that is not where it belongs.
constexpr std::int64_t kPlaces = 10000;
/// How far the time of an entry, which is that of its request, may be before a checkpoint that came first.
constexpr std::int64_t kLate = 3600;

std::string name_of(std::int64_t number, const std::string& node) {
  return "checkpoint " + std::to_string(number) + " of node " + node;
}
std::string name_of(const Checkpoint& checkpoint) { return name_of(checkpoint.number, checkpoint.node); }

std::string of_time(std::int64_t number, std::int64_t time) {
  return "checkpoint " + std::to_string(number) + " (" + keygen2::format_utc_time(time) + ')';
}

std::string range(std::int64_t first, std::int64_t last) {
  if (first == last) return "entry " + std::to_string(first) + " was";
  return "entries " + std::to_string(first) + " to " + std::to_string(last) + " were";
}

std::string uncounted(std::int64_t first, std::int64_t last) {
  if (first == last) return "entry " + std::to_string(first) + " is";
  return "entries " + std::to_string(first) + " to " + std::to_string(last) + " are";
}

}  // namespace

void AuditVerifier::report(const std::string& sentence) {
  if (report_.findings.size() + 1 < kMaxFindings) report_.findings.push_back(sentence);
  if (report_.findings.size() + 1 == kMaxFindings) report_.findings.emplace_back("there is more");
}

void AuditVerifier::note(const std::string& sentence) {
  if (report_.notes.size() < kMaxFindings) report_.notes.push_back(sentence);
}

bool AuditVerifier::is_signed(const Checkpoint& checkpoint) const {
  return std::ranges::any_of(keys_, [&](const crypto::PublicKey& key) { return is_signed_by(checkpoint, key); });
}

void AuditVerifier::expect(const Checkpoint& checkpoint) {
  for (const ChainHead& head : checkpoint.heads)
    expected_[head.chain].try_emplace(head.number, Expected{head.hash, name_of(checkpoint)});
}

void AuditVerifier::outside_checkpoint(const Checkpoint& checkpoint) {
  if (!is_signed(checkpoint))
    return report(name_of(checkpoint) + " that was kept elsewhere is not signed by the key of this issuer");
  outside_.try_emplace({checkpoint.node, checkpoint.number}, hash_of(checkpoint));
  expect(checkpoint);
}

void AuditVerifier::take_good(const Checkpoint& checkpoint) {
  expect(checkpoint);
  NodeCheckpoints& node = nodes_[checkpoint.node];
  if (node.last.number != 0 && checkpoint.time < node.last.time - kClockCorrection)
    note("the clock of node " + checkpoint.node + " went back between " + of_time(node.last.number, node.last.time) +
         " and " + of_time(checkpoint.number, checkpoint.time));
  node.last = {checkpoint.number, checkpoint.time};
  if (checkpoint.time <= now_) node.last_until_now = node.last;
}

void AuditVerifier::checkpoint(const Checkpoint& checkpoint) {
  ++report_.checkpoints;
  const std::string name = name_of(checkpoint);
  const bool is_next = has_checkpoint_ && last_checkpoint_.node == checkpoint.node;
  const std::int64_t before = is_next ? last_checkpoint_.number : 0;
  if (checkpoint.number > before + 1 && (is_next || extent_ == Extent::whole)) {
    for (std::int64_t number = before + 1; number < checkpoint.number && number <= before + 10; ++number)
      report("checkpoint " + std::to_string(number) + " of node " + checkpoint.node + " was removed");
  } else if (is_next && !equal(checkpoint.previous, hash_of(last_checkpoint_))) {
    report(name + " does not follow the one before it: one of them was replaced");
  }
  const bool good = is_signed(checkpoint);
  if (!good) report(name + " was changed, or is not signed by the key of this issuer");
  const auto outside = outside_.find({checkpoint.node, checkpoint.number});
  if (outside != outside_.end()) {
    if (!equal(outside->second, hash_of(checkpoint))) report(name + " is not the one that was kept elsewhere");
    outside_.erase(outside);
  }
  if (good) take_good(checkpoint);
  last_checkpoint_ = checkpoint;
  has_checkpoint_ = true;
}

void AuditVerifier::begin_chain(const std::string& id, const AuditChain* chain) {
  end_chain();
  ++report_.chains;
  chain_ = id;
  in_chain_ = true;
  has_start_ = chain != nullptr;
  has_entry_ = false;
  number_ = 0;
  head_ = chain == nullptr ? Bytes() : to_bytes(hash_of(*chain));
  seen_.insert(id);
  const auto expected = expected_.find(id);
  covered_ = expected == expected_.end() ? 0 : expected->second.rbegin()->first;
  passed_over_ = {};
  counted_until_ = 0;
  node_ = chain == nullptr ? nodes_.end() : nodes_.find(chain->node);
  is_in_last_ = node_ != nodes_.end() && expected != expected_.end() &&
                expected->second.rbegin()->second.by == name_of(node_->second.last.number, node_->first);
  if (chain == nullptr) report("chain " + id + ": its start was removed");
}

/// Whether the entry is what its own hash says.
void AuditVerifier::check_hash(const ChainedEntry& entry) {
  if (equal(hash_of(entry), entry.hash)) return;
  const std::string name = "chain " + entry.chain + ": entry " + std::to_string(entry.number);
  ChainedEntry elsewhere = entry;
  for (elsewhere.number = 1; elsewhere.number <= kPlaces && places_left_ > 0; ++elsewhere.number, --places_left_)
    if (equal(hash_of(elsewhere), entry.hash))
      return report(name + " was moved here from place " + std::to_string(elsewhere.number));
  report(name + " was changed");
}

/// Whether it follows what is before it.
void AuditVerifier::check_link(const ChainedEntry& entry) {
  const std::string chain = "chain " + entry.chain + ": ";
  const bool may_begin_here = !has_entry_ && extent_ == Extent::part;
  if (entry.number > number_ + 1) {
    if (!may_begin_here) report(chain + range(number_ + 1, entry.number - 1) + " removed");
  } else if (entry.number <= number_) {
    report(chain + "entry " + std::to_string(entry.number) + " stands there twice");
  } else if (number_ == 0) {
    if (has_start_ && !equal(entry.previous, head_)) report(chain + "its start or entry 1 was replaced");
  } else if (!equal(entry.previous, head_)) {
    report(chain + "entry " + std::to_string(entry.number) + " does not follow entry " + std::to_string(number_) +
           ": one of them was replaced or moved");
  }
}

/// A node's checkpoint names every chain of the node that has grown: an entry that was there long before and that none
/// counts was hidden from it. Whether it was there before is told by its time, as far as the clock did not go back.
void AuditVerifier::check_passed_over(const ChainedEntry& entry) {
  if (extent_ == Extent::part || node_ == nodes_.end()) return;
  NodeCheckpoints& node = node_->second;
  if (node.last.time - kLate <= entry.entry.time) return;
  // The last entry that the checkpoint counts in this chain is of a later time, though it came before: so the clock
  // went back. An entry that was put aside until the checkpoint was there is not excused by that.
  if (is_in_last_ && entry.entry.time < counted_until_ - kClockCorrection) {
    node.has_set_back = true;
    return;
  }
  // A checkpoint of a time that is still to come says that the clock stood ahead, and nothing about the age of entries.
  if (node.last_until_now.number == 0 || node.last_until_now.time - kLate <= entry.entry.time) return;
  if (passed_over_.first == 0) passed_over_.first = entry.number;
  passed_over_.second = entry.number;
}

void AuditVerifier::entry(const ChainedEntry& entry) {
  ++report_.entries;
  check_hash(entry);
  check_link(entry);
  has_entry_ = true;
  number_ = entry.number;
  head_ = entry.hash;
  if (entry.number <= covered_) counted_until_ = entry.entry.time;
  if (entry.number > covered_) {
    report_.uncovered_since =
        report_.uncovered == 0 ? entry.entry.time : std::min(report_.uncovered_since, entry.entry.time);
    ++report_.uncovered;
    check_passed_over(entry);
  }
  const auto chain = expected_.find(entry.chain);
  if (chain == expected_.end()) return;
  const auto expected = chain->second.find(entry.number);
  if (expected != chain->second.end() && !equal(expected->second.hash, entry.hash))
    report("chain " + entry.chain + ": entry " + std::to_string(entry.number) + " is not the one that " +
           expected->second.by + " has signed");
}

void AuditVerifier::end_chain() {
  if (!in_chain_) return;
  in_chain_ = false;
  if (extent_ == Extent::whole && number_ < covered_)
    report("chain " + chain_ + ": " + range(number_ + 1, covered_) + " removed, which " +
           expected_.at(chain_).rbegin()->second.by + " counts");
  if (passed_over_.first != 0)
    report("chain " + chain_ + ": " + uncounted(passed_over_.first, passed_over_.second) +
           " in no checkpoint, though older than " + name_of(node_->second.last_until_now.number, node_->first) +
           ": somebody has kept it from counting them, or the clock went back just before the process was killed");
}

void AuditVerifier::note_clocks() {
  for (const auto& [name, node] : nodes_) {
    const std::string last = of_time(node.last.number, node.last.time);
    if (node.last.time > now_ + kClockCorrection)
      note("the clock of node " + name + " stood ahead in " + last + ", or the clock here is behind");
    if (node.has_set_back) note("the clock of node " + name + " went back behind " + last);
  }
}

AuditReport AuditVerifier::finish() {
  end_chain();
  note_clocks();
  if (extent_ == Extent::whole) {
    for (const auto& [name, hash] : outside_)
      report("checkpoint " + std::to_string(name.second) + " of node " + name.first +
             " was removed: it was kept elsewhere");
    for (const auto& [chain, heads] : expected_)
      if (!seen_.contains(chain))
        report("chain " + chain + " was removed, which " + heads.rbegin()->second.by + " counts");
  }
  return std::move(report_);
}

}  // namespace sks::issuer
