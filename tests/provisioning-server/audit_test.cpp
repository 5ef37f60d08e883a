#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "provisioning-server/audit/audit_lines.h"
#include "provisioning-server/audit/checkpoint_keeper.h"
#include "provisioning-server/database/schema.h"
#include "tests/provisioning-server/test_databases.h"
#include "tests/support/fakes.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

crypto::PrivateKey new_key() {
  auto key = crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256"));
  REQUIRE(key);
  return std::move(key).value();
}

crypto::PrivateKey copy_of(const crypto::PrivateKey& key) {
  const auto pkcs8 = key.to_pkcs8();
  REQUIRE(pkcs8);
  auto copy = crypto::PrivateKey::from_pkcs8(pkcs8->view());
  REQUIRE(copy);
  return std::move(copy).value();
}

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 86400;

/// May be set while the thread of a keeper looks at it.
class SetClock final : public Clock {
 public:
  std::int64_t now() const override { return now_; }
  void sleep_seconds(unsigned) const override {}
  void set(std::int64_t now) { now_ = now; }

 private:
  std::atomic<std::int64_t> now_{kNow};
};

/// Long after everything, unless it is said otherwise.
AuditReport verify(const test::TestDatabase& database, const crypto::PrivateKey& key, std::int64_t now = kNow + kDay,
                   const std::vector<Checkpoint>& outside = {}) {
  auto report = verify_database(*database, {key.public_key()}, outside, now);
  REQUIRE(report);
  return std::move(report).value();
}

/// An audit log and what one process does to it.
struct Process {
  Process(const test::TestDatabase& database, const crypto::PrivateKey& key, const std::string& node = "n")
      : target(*database), log(target, node, clock, system_random()), keeper(target, log, copy_of(key), clock) {}

  void append(const std::string& detail) {
    REQUIRE(target.write([&](SqlTransaction& transaction) {
      return log.append(transaction, {clock.now(), "peer", "step", "session", "default abc", "ok", detail});
    }));
  }
  void append(int count) {
    for (int i = 0; i < count; ++i) append("number " + std::to_string(i));
  }
  std::string chain() const { return log.chains().at(0); }

  SetClock clock;
  Database& target;
  ChainedAuditLog log;
  CheckpointKeeper keeper;
};

/// Chain C has six entries: checkpoint 1 of node n counts four of them, checkpoint 2 all. Chain D has two, which
/// checkpoint 3 counts.
struct Fixture {
  explicit Fixture(const std::string& kind) : database(kind) {
    REQUIRE(bring_schema_forward(*database));
    {
      Process first(database, key);
      first.append(4);
      REQUIRE(first.keeper.write());
      first.append(2);
      c = first.chain();
    }
    Process second(database, key);
    second.append(2);
    d = second.chain();
  }

  /// What an attacker who can write the database does: "C" and "D" in quotes are the chains.
  void tamper(std::string sql) const {
    for (const auto& [name, chain] : {std::pair<std::string, std::string>{"'C'", c}, {"'D'", d}})
      for (std::size_t at = sql.find(name); at != std::string::npos; at = sql.find(name, at + 2))
        sql.replace(at, name.size(), "'" + chain + "'");
    database.execute(sql);
  }
  AuditReport verified(const std::vector<Checkpoint>& outside = {}) const {
    return verify(database, key, kNow + kDay, outside);
  }
  /// With the names of the chains in place of their ids.
  std::vector<std::string> findings(const std::vector<Checkpoint>& outside = {}) const {
    std::vector<std::string> named = verified(outside).findings;
    for (std::string& finding : named)
      for (const auto& [name, chain] : {std::pair<std::string, std::string>{"C", c}, {"D", d}})
        if (const std::size_t at = finding.find(chain); at != std::string::npos)
          finding.replace(at, chain.size(), name);
    return named;
  }
  std::vector<ChainedEntry> entries(const std::string& chain) const {
    std::vector<ChainedEntry> found;
    REQUIRE(read_audit(*database, {},
                       {[](const Checkpoint&) { return Result<void>(); },
                        [](const std::string&, const AuditChain*) { return Result<void>(); },
                        [&](const ChainedEntry& entry) {
                          if (entry.chain == chain) found.push_back(entry);
                          return Result<void>();
                        }},
                       [](const std::string&, std::int64_t) {}));
    return found;
  }
  std::vector<Checkpoint> checkpoints() const {
    std::vector<Checkpoint> found;
    REQUIRE(read_audit(*database, {},
                       {[&](const Checkpoint& checkpoint) {
                          found.push_back(checkpoint);
                          return Result<void>();
                        },
                        [](const std::string&, const AuditChain*) { return Result<void>(); },
                        [](const ChainedEntry&) { return Result<void>(); }},
                       [](const std::string&, std::int64_t) {}));
    return found;
  }
  /// Writes chain C again from entry `first` on, with another text there and hashes that fit, up to entry `last`.
  void rewrite(std::int64_t first, std::int64_t last) const {
    std::vector<ChainedEntry> old = entries(c);
    REQUIRE(database->write([&](SqlTransaction& transaction) -> Result<void> {
      for (std::size_t i = static_cast<std::size_t>(first) - 1; i < static_cast<std::size_t>(last); ++i) {
        ChainedEntry& entry = old[i];
        if (entry.number == first) entry.entry.detail = "nothing happened";
        if (entry.number != first) entry.previous = old[i - 1].hash;
        entry.hash = to_bytes(hash_of(entry));
        SKS_TRY(
            transaction.run("UPDATE audit SET detail = $1, previous = $2, hash = $3 WHERE chain = $4 AND number = $5",
                            {entry.entry.detail, entry.previous, entry.hash, c, entry.number}));
      }
      return {};
    }));
  }

  crypto::PrivateKey key = new_key();
  test::TestDatabase database;
  std::string c;
  std::string d;
};

using Findings = std::vector<std::string>;

/// From the thread of a keeper, however slow the machine is.
void wait_for_checkpoints(const test::TestDatabase& database, std::int64_t count) {
  for (int wait = 0; wait < 12000 && database.count("SELECT count(*) FROM audit_checkpoints") < count; ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(database.count("SELECT count(*) FROM audit_checkpoints") == count);
}

/// An entry of a process of node n that is killed then.
std::string append_and_die(const test::TestDatabase& database, std::int64_t now) {
  ChainedAuditLog killed(*database, "n", system_clock(), system_random());
  REQUIRE(database->write([&](SqlTransaction& transaction) {
    return killed.append(transaction, {now, "peer", "step", "", "", "ok", ""});
  }));
  return killed.chains().at(0);
}

}  // namespace

SKS_CONTRACT_TEST("audit: a log that nobody has touched verifies, and tells what it holds") {
  const Fixture fixture(kind);
  const AuditReport report = fixture.verified();
  CHECK(report.findings.empty());
  CHECK(report.chains == 2);
  CHECK(report.entries == 8);
  CHECK(report.checkpoints == 3);
  CHECK(report.uncovered == 0);
  CHECK(fixture.findings(fixture.checkpoints()).empty());
}

SKS_CONTRACT_TEST("audit: each way to tamper with the tables is found and named") {
  struct Case {
    const char* name;
    const char* sql;
    Findings findings;
  };
  const Case cases[] = {
      {"removal", "DELETE FROM audit WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was removed"}},
      {"removal of several",
       "DELETE FROM audit WHERE chain = 'C' AND number IN (2, 3)",
       {"chain C: entries 2 to 3 were removed"}},
      {"removal of the first", "DELETE FROM audit WHERE chain = 'C' AND number = 1", {"chain C: entry 1 was removed"}},
      {"removal of the tail",
       "DELETE FROM audit WHERE chain = 'C' AND number > 4",
       {"chain C: entries 5 to 6 were removed, which checkpoint 2 of node n counts"}},
      {"removal of a chain",
       "DELETE FROM audit WHERE chain = 'C'; DELETE FROM audit_chains WHERE chain = 'C'",
       {"chain C was removed, which checkpoint 2 of node n counts"}},
      {"removal of a start", "DELETE FROM audit_chains WHERE chain = 'C'", {"chain C: its start was removed"}},
      {"another node",
       "UPDATE audit_chains SET node = 'm' WHERE chain = 'C'",
       {"chain C: its start or entry 1 was replaced"}},
      {"another start",
       "UPDATE audit_chains SET started = 1 WHERE chain = 'C'",
       {"chain C: its start or entry 1 was replaced"}},
      {"time", "UPDATE audit SET time = 5 WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"actor", "UPDATE audit SET actor = 'x' WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"action", "UPDATE audit SET action = 'x' WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"session", "UPDATE audit SET session = '' WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"policy", "UPDATE audit SET policy = 'x' WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"result", "UPDATE audit SET result = 'x' WHERE chain = 'C' AND number = 3", {"chain C: entry 3 was changed"}},
      {"detail", "UPDATE audit SET detail = 'x' WHERE chain = 'C' AND number = 6", {"chain C: entry 6 was changed"}},
      {"text from one field to the next",
       "UPDATE audit SET actor = 'peers', action = 'tep' WHERE chain = 'C' AND number = 3",
       {"chain C: entry 3 was changed"}},
      {"reordering",
       "UPDATE audit SET number = 99 WHERE chain = 'C' AND number = 2;"
       "UPDATE audit SET number = 2 WHERE chain = 'C' AND number = 3;"
       "UPDATE audit SET number = 3 WHERE chain = 'C' AND number = 99",
       {"chain C: entry 2 was moved here from place 3",
        "chain C: entry 2 does not follow entry 1: one of them was replaced or moved",
        "chain C: entry 3 was moved here from place 2",
        "chain C: entry 3 does not follow entry 2: one of them was replaced or moved",
        "chain C: entry 4 does not follow entry 3: one of them was replaced or moved"}},
      {"removal of a checkpoint",
       "DELETE FROM audit_checkpoints WHERE number = 2",
       {"checkpoint 2 of node n was removed"}},
      {"removal of the first checkpoint",
       "DELETE FROM audit_checkpoints WHERE number = 1",
       {"checkpoint 1 of node n was removed"}},
      {"changed checkpoint",
       "UPDATE audit_checkpoints SET time = 5 WHERE number = 3",
       {"checkpoint 3 of node n was changed, or is not signed by the key of this issuer"}},
      {"checkpoint without chains",
       "UPDATE audit_checkpoints SET heads = '' WHERE number = 3",
       {"checkpoint 3 of node n was changed, or is not signed by the key of this issuer"}},
      {"checkpoint with the signature of another one",
       "UPDATE audit_checkpoints SET signature = (SELECT signature FROM audit_checkpoints WHERE number = 1)"
       " WHERE number = 3",
       {"checkpoint 3 of node n was changed, or is not signed by the key of this issuer"}},
      {"unreadable checkpoint",
       "UPDATE audit_checkpoints SET heads = 'x' WHERE number = 3",
       {"checkpoint 3 of node n was changed: it cannot be read"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Fixture fixture(kind);
    fixture.tamper(c.sql);
    CHECK(fixture.findings() == c.findings);
  }
}

SKS_CONTRACT_TEST("audit: an entry that was moved into another chain is found") {
  const Fixture fixture(kind);
  fixture.tamper("UPDATE audit SET chain = 'D', number = 3 WHERE chain = 'C' AND number = 6");
  const Findings findings = fixture.findings();
  CHECK(std::ranges::count(findings, "chain D: entry 3 was changed") == 1);
  CHECK(std::ranges::count(findings, "chain C: entry 6 was removed, which checkpoint 2 of node n counts") == 1);
}

SKS_CONTRACT_TEST("audit: an edit with hashes that fit is found by what follows it, or by a checkpoint") {
  {
    const Fixture fixture(kind);
    fixture.rewrite(2, 2);
    CHECK(fixture.findings() ==
          Findings{"chain C: entry 3 does not follow entry 2: one of them was replaced or moved"});
  }
  {
    const Fixture fixture(kind);
    fixture.rewrite(2, 6);
    CHECK(fixture.findings() == Findings{"chain C: entry 4 is not the one that checkpoint 1 of node n has signed",
                                         "chain C: entry 6 is not the one that checkpoint 2 of node n has signed"});
  }
}

SKS_CONTRACT_TEST("audit: a checkpoint that another key has signed does not count") {
  const Fixture fixture(kind);
  Checkpoint forged = fixture.checkpoints().at(2);
  const crypto::PrivateKey other = new_key();
  forged.heads.clear();
  const auto raw = other.sign(bytes_of(forged));
  REQUIRE(raw);
  const auto signature = crypto::ecdsa_raw_to_der(Curve::p256, *raw);
  REQUIRE(signature);
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run("UPDATE audit_checkpoints SET heads = '', signature = $1 WHERE number = 3", {*signature}));
    return {};
  }));
  CHECK(fixture.findings() ==
        Findings{"checkpoint 3 of node n was changed, or is not signed by the key of this issuer"});
}

SKS_CONTRACT_TEST("audit: what was cut off with its checkpoints is found with checkpoints that were kept elsewhere") {
  const Fixture fixture(kind);
  const std::vector<Checkpoint> outside = fixture.checkpoints();
  fixture.tamper(
      "DELETE FROM audit WHERE chain = 'D'; DELETE FROM audit_chains WHERE chain = 'D';"
      "DELETE FROM audit WHERE chain = 'C' AND number > 4; DELETE FROM audit_checkpoints WHERE number > 1");
  CHECK(fixture.findings().empty());
  Findings found = fixture.findings(outside);
  CHECK(found == Findings{"chain C: entries 5 to 6 were removed, which checkpoint 2 of node n counts",
                          "checkpoint 2 of node n was removed: it was kept elsewhere",
                          "checkpoint 3 of node n was removed: it was kept elsewhere",
                          "chain D was removed, which checkpoint 3 of node n counts"});

  // The file, too, may have been in wrong hands.
  std::vector<Checkpoint> changed = outside;
  changed[2].time += 1;
  found = fixture.findings({changed[2]});
  CHECK(found == Findings{"checkpoint 3 of node n that was kept elsewhere is not signed by the key of this issuer"});
}

SKS_CONTRACT_TEST("audit: a checkpoint that was replaced is found with one that was kept elsewhere") {
  const Fixture fixture(kind);
  const std::vector<Checkpoint> outside = fixture.checkpoints();
  // By somebody who has the key.
  Checkpoint again = outside[2];
  again.time += 1;
  const auto raw = fixture.key.sign(bytes_of(again));
  REQUIRE(raw);
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run("UPDATE audit_checkpoints SET time = $1, signature = $2 WHERE number = 3",
                            {again.time, crypto::ecdsa_raw_to_der(Curve::p256, *raw).value()}));
    return {};
  }));
  CHECK(fixture.findings().empty());
  CHECK(fixture.findings(outside) == Findings{"checkpoint 3 of node n is not the one that was kept elsewhere"});
}

SKS_CONTRACT_TEST("audit: a chain goes on behind transactions that were undone") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  Process process(database, key);
  const auto undo_entries = [&] {
    const auto undone = database->write([&](SqlTransaction& transaction) -> Result<void> {
      for (int i = 0; i < 2; ++i) SKS_TRY(process.log.append(transaction, {kNow, "peer", "never", "", "", "ok", ""}));
      return Error{Status::not_allowed, "no"};
    });
    REQUIRE_FALSE(undone);
    // One whose failure shows behind the entry.
    const auto unchanged = database->swap([&](SqlTransaction& transaction) -> Result<void> {
      SKS_TRY(transaction.require("UPDATE sessions SET version = 2 WHERE id = 'none'", {}));
      return process.log.append(transaction, {kNow, "peer", "never", "", "", "ok", ""});
    });
    REQUIRE_FALSE(unchanged);
  };
  undo_entries();
  CHECK(process.log.chains().empty());
  process.append(2);
  undo_entries();
  process.append(2);
  CHECK(process.log.chains().size() == 1);
  REQUIRE(process.keeper.write());
  const AuditReport report = verify(database, key);
  CHECK(report.findings.empty());
  CHECK(report.entries == 4);
  CHECK(report.uncovered == 0);
  CHECK(database.count("SELECT count(*) FROM audit WHERE action = 'never'") == 0);
}

SKS_CONTRACT_TEST("audit: many threads of several processes keep every chain whole") {
  constexpr int kEach = 40;
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  std::atomic<int> failed = 0;
  {
    Process first(database, key, "first");
    Process second(database, key, "second");
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&, i] {
        Process& process = i % 2 == 0 ? first : second;
        for (int round = 0; round < kEach; ++round) {
          const auto done = process.target.write([&](SqlTransaction& transaction) -> Result<void> {
            SKS_TRY(process.log.append(transaction, {kNow, "peer", "step", "", "", "ok", std::to_string(round)}));
            return round % 10 == 7 ? Result<void>(Error{Status::not_allowed, "no"}) : Result<void>();
          });
          if (!done) ++failed;
          if (round % 16 == 0 && !process.keeper.write()) ++failed;
        }
      });
  }
  CHECK(failed == 6 * 4);
  const AuditReport report = verify(database, key);
  CHECK(report.findings.empty());
  CHECK(report.entries == 6 * (kEach - 4));
  CHECK(report.uncovered == 0);
}

SKS_CONTRACT_TEST("audit: the next process of a node covers what one that was killed has left") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  ChainedAuditLog killed(*database, "n", system_clock(), system_random());
  REQUIRE(database->write([&](SqlTransaction& transaction) {
    return killed.append(transaction, {kNow, "peer", "step", "", "", "ok", ""});
  }));
  const AuditReport before = verify(database, key);
  CHECK(before.uncovered == 1);
  CHECK(before.uncovered_since == kNow);
  Process next(database, key);
  REQUIRE(next.keeper.write());
  const AuditReport report = verify(database, key);
  CHECK(report.findings.empty());
  CHECK(report.uncovered == 0);
  CHECK(report.checkpoints == 1);
  // Nothing has happened since.
  REQUIRE(next.keeper.write());
  CHECK(database.count("SELECT count(*) FROM audit_checkpoints") == 1);
}

SKS_CONTRACT_TEST("audit: what the database says about its chains keeps no process from counting its own entries") {
  for (const char* const lie : {"closed = 1", "covered = 99", "node = 'm'"}) {
    CAPTURE(lie);
    const crypto::PrivateKey key = new_key();
    const test::TestDatabase database(kind);
    REQUIRE(bring_schema_forward(*database));
    Process process(database, key);
    process.append(2);
    REQUIRE(process.keeper.write());
    database.execute(std::string("UPDATE audit_chains SET ") + lie);
    process.append(2);
    REQUIRE(process.keeper.write());
    REQUIRE(process.keeper.write());
    CHECK(database.count("SELECT count(*) FROM audit_checkpoints") == 2);
    CHECK(verify(database, key).uncovered == 0);
  }
}

SKS_CONTRACT_TEST("audit: a checkpoint signs what the process has written, not what it finds") {
  struct Case {
    const char* name;
    std::int64_t number;  ///< of the last entry that the process has written
    std::int64_t forged;  ///< of the one that somebody has put in the place of it, or behind it
    Findings findings;
  };
  const Case cases[] = {
      {"another last entry", 4, 4, {"entry 4 is not the one that checkpoint 2 of node n has signed"}},
      {"an entry more", 4, 5, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const crypto::PrivateKey key = new_key();
    const test::TestDatabase database(kind);
    REQUIRE(bring_schema_forward(*database));
    Process process(database, key);
    process.append(2);
    REQUIRE(process.keeper.write());
    process.append(2);
    const std::string chain = process.chain();
    REQUIRE(database->write([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(const SqlRows before,
              transaction.query("SELECT hash FROM audit WHERE chain = $1 AND number = $2", {chain, c.forged - 1}));
      SKS_TRY(transaction.run("DELETE FROM audit WHERE chain = $1 AND number = $2", {chain, c.forged}));
      ChainedEntry forged{chain, c.forged, {kNow, "x", "y", "", "", "ok", ""}, before.at(0).blob(0), {}};
      forged.hash = to_bytes(hash_of(forged));
      return insert_entry(transaction, forged);
    }));
    REQUIRE(process.keeper.write());
    Findings findings = verify(database, key).findings;
    for (std::string& finding : findings) finding.erase(0, ("chain " + chain + ": ").size());
    CHECK(findings == c.findings);
    CHECK(database.count("SELECT count(*) FROM audit_checkpoints WHERE heads LIKE '" + chain + " " +
                         std::to_string(c.number) + " %'") == 1);
  }
}

SKS_CONTRACT_TEST("audit: entries of a killed process that were hidden from later checkpoints are found") {
  struct Case {
    const char* lie;     ///< told about the chain of the killed process; empty: none
    std::int64_t later;  ///< seconds from its entries to the checkpoint
    bool is_found;
  };
  const Case cases[] = {
      {"", 7200, false}, {"closed = 1", 7200, true}, {"covered = 99", 7200, true}, {"closed = 1", 3600, false}};
  for (const Case& c : cases) {
    CAPTURE(c.lie);
    CAPTURE(c.later);
    const crypto::PrivateKey key = new_key();
    const test::TestDatabase database(kind);
    REQUIRE(bring_schema_forward(*database));
    ChainedAuditLog killed(*database, "n", system_clock(), system_random());
    for (int i = 0; i < 2; ++i)
      REQUIRE(database->write([&](SqlTransaction& transaction) {
        return killed.append(transaction, {kNow, "peer", "step", "", "", "ok", ""});
      }));
    if (*c.lie != '\0') database.execute(std::string("UPDATE audit_chains SET ") + c.lie);
    Process next(database, key);
    next.clock.set(kNow + c.later);
    next.append(1);
    REQUIRE(next.keeper.write());
    const AuditReport report = verify(database, key);
    CHECK(report.findings ==
          (c.is_found ? Findings{"chain " + killed.chains().at(0) +
                                 ": entries 1 to 2 are in no checkpoint, though older than"
                                 " checkpoint 1 of node n: somebody has kept it from counting them, or the clock"
                                 " went back just before the process was killed"}
                      : Findings{}));
  }
}

SKS_CONTRACT_TEST("audit: a clock that stood ahead and was set right is told as that") {
  const std::string ahead = "checkpoint 1 (2027-01-15T10:00:00Z)";  // kNow is 08:00:00
  struct Case {
    const char* name;
    bool same_process;   ///< writes the entry behind the jump
    std::int64_t later;  ///< seconds from kNow to the verification
    Findings notes;
  };
  const Case cases[] = {
      {"at once",
       true,
       60,
       {"the clock of node n stood ahead in " + ahead + ", or the clock here is behind",
        "the clock of node n went back behind " + ahead}},
      {"after hours", true, 5 * kHour, {"the clock of node n went back behind " + ahead}},
      {"at once, from another process",
       false,
       60,
       {"the clock of node n stood ahead in " + ahead + ", or the clock here is behind"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const crypto::PrivateKey key = new_key();
    const test::TestDatabase database(kind);
    REQUIRE(bring_schema_forward(*database));
    Process process(database, key);
    process.clock.set(kNow + 2 * kHour);
    process.append(2);
    REQUIRE(process.keeper.write());
    process.clock.set(kNow + 10);
    if (c.same_process) process.append(1);
    if (!c.same_process) append_and_die(database, kNow + 10);
    AuditReport report = verify(database, key, kNow + c.later);
    CHECK(report.findings.empty());
    CHECK(report.notes == c.notes);
    CHECK(report.uncovered == 1);

    REQUIRE(process.keeper.write());
    report = verify(database, key, kNow + c.later);
    CHECK(report.findings.empty());
    CHECK(report.notes ==
          Findings{"the clock of node n went back between " + ahead + " and checkpoint 2 (2027-01-15T08:00:10Z)"});
    CHECK(report.uncovered == 0);
  }
}

SKS_CONTRACT_TEST("audit: a clock that goes back hides nothing from those who verify") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  const std::string hidden = append_and_die(database, kNow);
  database.execute("UPDATE audit_chains SET closed = 1");
  Process process(database, key);
  process.clock.set(kNow + 2 * kHour);
  process.append(4);
  REQUIRE(process.keeper.write());
  process.clock.set(kNow + 9 * kHour);
  process.append(1);
  REQUIRE(process.keeper.write());
  process.clock.set(kNow + 3 * kHour);
  process.append(2);
  const std::string chain = process.chain();
  const std::string finding = "chain " + hidden +
                              ": entry 1 is in no checkpoint, though older than checkpoint 1 of node n: somebody has"
                              " kept it from counting them, or the clock went back just before the process was killed";
  CHECK(verify(database, key, kNow + 3 * kHour).findings == Findings{finding});

  database.execute("DELETE FROM audit_chains WHERE chain = '" + hidden + "'; DELETE FROM audit WHERE chain = '" +
                   hidden + "'; UPDATE audit SET detail = 'x' WHERE chain = '" + chain + "' AND number = 7");
  CHECK(verify(database, key, kNow + 3 * kHour).findings == Findings{"chain " + chain + ": entry 7 was changed"});
  database.execute("DELETE FROM audit WHERE chain = '" + chain + "' AND number >= 5");
  CHECK(verify(database, key, kNow + 3 * kHour).findings ==
        Findings{"chain " + chain + ": entry 5 was removed, which checkpoint 2 of node n counts"});
}

SKS_CONTRACT_TEST("audit: entries that were put aside while a checkpoint was written are no work of a clock") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  ChainedAuditLog killed(*database, "n", system_clock(), system_random());
  for (int i = 0; i < 4; ++i)
    REQUIRE(database->write([&](SqlTransaction& transaction) {
      return killed.append(transaction, {kNow + i, "peer", "step", "", "", "ok", ""});
    }));
  database.execute("CREATE TABLE aside AS SELECT * FROM audit WHERE number > 2; DELETE FROM audit WHERE number > 2");
  Process next(database, key);
  next.clock.set(kNow + 2 * kHour);
  REQUIRE(next.keeper.write());
  database.execute("UPDATE audit_chains SET closed = 1; INSERT INTO audit SELECT * FROM aside");
  const AuditReport report = verify(database, key, kNow + 3 * kHour);
  CHECK(report.findings == Findings{"chain " + killed.chains().at(0) +
                                    ": entries 3 to 4 are in no checkpoint, though older than checkpoint 1 of node n:"
                                    " somebody has kept it from counting them, or the clock went back just before the"
                                    " process was killed"});
  CHECK(report.notes.empty());
}

SKS_CONTRACT_TEST("audit: a clock that goes back is put on record and counted, also where it went back in between") {
  for (const bool is_running : {true, false}) {
    CAPTURE(is_running);
    const crypto::PrivateKey key = new_key();
    const test::TestDatabase database(kind);
    REQUIRE(bring_schema_forward(*database));
    {
      Process before(database, key);
      before.clock.set(kNow + 2 * kHour);
      before.append(1);
    }
    AuditConfig config;
    config.checkpoint_entries = 1000;
    config.checkpoint_seconds = 86400;
    Process process(database, key);
    if (is_running) {
      process.clock.set(kNow + 2 * kHour);
      process.keeper.start(config);
      process.append(3);
      REQUIRE(process.keeper.write());
      process.clock.set(kNow);
    } else {
      process.keeper.start(config);
    }
    wait_for_checkpoints(database, is_running ? 3 : 2);
    CHECK(database.count("SELECT count(*) FROM audit WHERE actor = 'issuer' AND action = 'clock-set-back' AND detail ="
                         " 'the clock went back from 2027-01-15T10:00:00Z to 2027-01-15T08:00:00Z' AND time = " +
                         std::to_string(kNow)) == 1);
    append_and_die(database, kNow + 1);
    CHECK(verify(database, key).findings.empty());
    CHECK(verify(database, key).notes.size() == 1);
  }
}

TEST_CASE("audit: that the clock went back is put on record once the database takes it, and on no other's word") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database;
  REQUIRE(bring_schema_forward(*database));
  {
    Process before(database, key);
    before.append(1);
  }
  AuditConfig config;
  config.checkpoint_entries = 1000;
  config.checkpoint_seconds = 86400;
  const char* const entries = "SELECT count(*) FROM audit WHERE action = 'clock-set-back'";
  // What somebody has written there is not signed.
  database.execute("UPDATE audit_checkpoints SET time = time + 86400");
  Process process(database, key);
  process.keeper.start(config);
  process.append(1);
  process.clock.set(kNow + 2 * kHour);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // two looks at the clock
  CHECK(database.count(entries) == 0);

  database.execute("ALTER TABLE audit RENAME TO away");
  process.clock.set(kNow);
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  database.execute("ALTER TABLE away RENAME TO audit");
  wait_for_checkpoints(database, 2);
  CHECK(database.count(entries) == 1);
}

SKS_CONTRACT_TEST("audit: checkpoints come by themselves after so many entries") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  Process process(database, key);
  AuditConfig config;
  config.checkpoint_entries = 3;
  config.checkpoint_seconds = 86400;
  process.keeper.start(config);
  process.append(3);
  wait_for_checkpoints(database, 1);
  CHECK(verify(database, key).uncovered == 0);
}

SKS_CONTRACT_TEST("audit: checkpoints come by the numbers that were set last") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  Process process(database, key);
  AuditConfig config;
  config.checkpoint_entries = 1000;
  config.checkpoint_seconds = 86400;
  process.keeper.start(config);
  process.append(3);
  config.checkpoint_entries = 3;
  process.keeper.configure(config);
  wait_for_checkpoints(database, 1);
}

SKS_CONTRACT_TEST("audit: a verification ends when it is asked to stop") {
  const Fixture fixture(kind);
  std::stop_source stop;
  const std::vector<crypto::PublicKey> keys{fixture.key.public_key()};
  CHECK(verify_database(*fixture.database, keys, {}, kNow, stop.get_token()));
  stop.request_stop();
  const auto report = verify_database(*fixture.database, keys, {}, kNow, stop.get_token());
  REQUIRE_FALSE(report);
  CHECK(report.error().status == Status::storage);
}

SKS_CONTRACT_TEST("audit: texts that are no texts are kept as far as a database takes them") {
  const crypto::PrivateKey key = new_key();
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  Process process(database, key);
  process.append(std::string("zero \0 and \xff\xfe", 13));
  CHECK(verify(database, key).findings.empty());
  CHECK(database.count("SELECT count(*) FROM audit WHERE detail LIKE 'zero ? and %'") == 1);
}

SKS_CONTRACT_TEST("audit: an export verifies without the database, as a whole and in part") {
  const Fixture fixture(kind);
  const auto exported = [&](const AuditPeriod& period) {
    std::ostringstream out;
    REQUIRE(export_audit(*fixture.database, period, out));
    return out.str();
  };
  const test::TempDir folder;
  const auto findings = [&](const std::string& content) {
    test::write_file(folder.file("export"), content);
    const auto report = verify_file(folder.file("export"), {fixture.key.public_key()}, kNow);
    REQUIRE(report);
    return report->findings;
  };
  const std::string whole = exported({});
  CHECK(findings(whole).empty());
  CHECK(read_checkpoints(folder.file("export"))->size() == 3);
  CHECK(std::ranges::count(whole, '\n') == 1 + 3 + 2 + 8);

  fixture.tamper("UPDATE audit SET time = 5 WHERE chain = 'C' AND number <= 2");  // as if it were of another day
  const std::string part = exported({kNow, kNow + 1});
  CHECK(std::ranges::count(part, '\n') == 1 + 3 + 2 + 6);
  CHECK(findings(part).empty());

  // Edits of the file itself.
  std::string edited = whole;
  edited.replace(edited.find("number 1"), 8, "number 7");
  CHECK(findings(edited).size() == 1);
  std::string shorter = whole;
  const std::size_t last = shorter.rfind('\n', shorter.size() - 2);
  shorter.erase(last + 1);
  CHECK(findings(shorter).size() == 1);
}

TEST_CASE("audit: the places of moved entries are looked for in the first changed ones of a log only") {
  const auto finding_behind = [](int changed) {
    AuditVerifier verifier({}, AuditVerifier::Extent::part, kNow);
    const AuditChain start{"c", "n", kNow};
    verifier.begin_chain("c", &start);
    ChainedEntry entry{"c", 20'001, {kNow, "a", "b", "", "", "ok", ""}, Bytes(32), Bytes(32)};
    for (int i = 0; i < changed; ++i) verifier.entry(entry);
    entry.number = 1;
    entry.hash = to_bytes(hash_of(entry));
    entry.number = 20'002;
    verifier.entry(entry);
    const AuditReport report = verifier.finish();
    return std::ranges::count(report.findings, "chain c: entry 20002 was moved here from place 1") == 1;
  };
  constexpr int kSearchedInVain = kMaxPlaces / 10'000;
  CHECK(finding_behind(kSearchedInVain - 1));
  CHECK_FALSE(finding_behind(kSearchedInVain));
}

TEST_CASE("audit: a file that is no export is refused with its line") {
  const test::TempDir folder;
  struct Case {
    const char* name;
    std::string content;
    std::string sentence;
  };
  const std::string header = to_line(ExportHeader{});
  const std::string entry = to_line(ChainedEntry{"c", 1, {1, "a", "b", "", "", "ok", ""}, Bytes(32), Bytes(32)});
  const std::string checkpoint = to_line(Checkpoint{"n", 1, 1, Bytes(32), {{"c", 1, Bytes(32)}}, {1}});
  const auto without = [](std::string line, const std::string& member) {
    const std::size_t at = line.find("\"" + member + "\"");
    REQUIRE(at != std::string::npos);
    return line.replace(at + 1, 1, "X");
  };
  const Case cases[] = {
      {"empty", "", " holds no export"},
      {"no JSON", "hello\n", ":1: this is no line of an audit log"},
      {"array", "[]\n", ":1: this is no line of an audit log"},
      {"unknown kind", "{\"kind\":\"x\"}\n", ":1: this is no line of an audit log"},
      {"no header", entry + "\n", ":1: this is not the beginning of an export"},
      {"two headers", header + "\n" + header + "\n", ":2: a second export begins here"},
      {"member missing", header + "\n" + without(entry, "detail") + "\n", ":2: this is no line of an audit log"},
      {"hash too short", header + "\n" + to_line(ChainedEntry{"c", 1, {}, Bytes(32), Bytes(31)}) + "\n",
       ":2: this is no line of an audit log"},
      {"head malformed", header + "\n" + without(checkpoint, "hash") + "\n", ":2: this is no line of an audit log"},
      {"checkpoint behind entries", header + "\n" + entry + "\n" + checkpoint + "\n",
       ":3: checkpoints come before the chains"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::string file = folder.file("export");
    test::write_file(file, c.content);
    const auto report = verify_file(file, {}, kNow);
    REQUIRE_FALSE(report);
    CHECK(report.error().status == Status::option);
    CHECK(report.error().detail == file + c.sentence);
  }
  CHECK(verify_file(folder.file("absent"), {}, kNow).error().status == Status::not_available);
}
