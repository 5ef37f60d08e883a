#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "provisioning-server/audit/chain_format.h"
#include "sks-core/crypto/public_key.h"

namespace sks::issuer {

struct AuditReport {
  std::int64_t chains = 0;
  std::int64_t entries = 0;
  std::int64_t checkpoints = 0;
  /// Entries behind the last checkpoint that counts them: nothing would tell if they were cut off.
  std::int64_t uncovered = 0;
  std::int64_t uncovered_since = 0;  ///< time of the earliest of them
  /// What is wrong, one sentence each; at most kMaxFindings, the last one then says that there are more.
  std::vector<std::string> findings;
  /// What looks strange and is nobody's doing: clocks that went back. As many at most.
  std::vector<std::string> notes;
};
inline constexpr std::size_t kMaxFindings = 1000;
/// Places that are tried, over the whole log, for entries that are not where they belong: a log in which everything was
/// changed is not a reason to search for hours.
inline constexpr std::int64_t kMaxPlaces = 200'000;

/// Checks an audit log as it is handed over: first all checkpoints, then the chains one after the other, each with its
/// entries in order. Spec: spec/issuer-audit.md
class AuditVerifier {
 public:
  /// whole: every chain and entry that a checkpoint counts has to be there. part: only what is there is looked at, as
  /// in an export of some days.
  enum class Extent : std::uint8_t { whole, part };

  /// Signatures count when they verify with one of `keys`. `now` is the time of whoever verifies.
  AuditVerifier(std::vector<crypto::PublicKey> keys, Extent extent, std::int64_t now)
      : keys_(std::move(keys)), extent_(extent), now_(now) {}

  /// One that was kept elsewhere. All of them go before the log's own ones.
  void outside_checkpoint(const Checkpoint& checkpoint);
  /// Node by node, in the order of the numbers.
  void checkpoint(const Checkpoint& checkpoint);
  /// No `chain` known: entries are there whose chain has no start.
  void begin_chain(const std::string& id, const AuditChain* chain);
  void entry(const ChainedEntry& entry);
  AuditReport finish();

 private:
  struct Expected {
    Bytes hash;
    std::string by;  ///< "checkpoint 3 of node n"
  };
  using Name = std::pair<std::string, std::int64_t>;

  struct Moment {
    std::int64_t number = 0;
    std::int64_t time = 0;
  };
  /// Good checkpoints of a node.
  struct NodeCheckpoints {
    Moment last;
    Moment last_until_now;  ///< whose time is not still to come; number 0: there is none
    bool has_set_back = false;
  };

  void report(const std::string& sentence);
  void note(const std::string& sentence);
  bool is_signed(const Checkpoint& checkpoint) const;
  void expect(const Checkpoint& checkpoint);
  void take_good(const Checkpoint& checkpoint);
  void check_hash(const ChainedEntry& entry);
  void check_passed_over(const ChainedEntry& entry);
  void check_link(const ChainedEntry& entry);
  void end_chain();
  void note_clocks();

  std::vector<crypto::PublicKey> keys_;
  Extent extent_;
  std::int64_t now_;
  AuditReport report_;
  std::int64_t places_left_ = kMaxPlaces;

  std::map<Name, AuditHash> outside_;
  Checkpoint last_checkpoint_;
  bool has_checkpoint_ = false;
  std::map<std::string, NodeCheckpoints> nodes_;
  std::map<std::string, std::map<std::int64_t, Expected>> expected_;
  std::set<std::string> seen_;

  std::string chain_;
  bool in_chain_ = false;
  bool has_start_ = false;
  bool has_entry_ = false;
  std::int64_t number_ = 0;
  std::int64_t covered_ = 0;                           ///< by a checkpoint, of the chain at hand
  std::pair<std::int64_t, std::int64_t> passed_over_;  ///< first and last entry; 0: none
  std::map<std::string, NodeCheckpoints>::iterator node_;
  bool is_in_last_ = false;         ///< whether the node's last checkpoint names the chain at hand
  std::int64_t counted_until_ = 0;  ///< time of the last entry of the chain at hand that a checkpoint counts
  Bytes head_;
};

}  // namespace sks::issuer
