#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "tests/integrators/ram_flash.h"

using namespace sks;
using namespace sks::test;

namespace {

using Id = std::pair<std::uint8_t, std::uint32_t>;
using Records = std::map<Id, Bytes>;

/// A log on a chip, driven through the callbacks that the library gets.
class Log {
 public:
  explicit Log(RamFlash& flash) : flash_(flash) {}

  int open() {
    const int result = flash_log_open(log_.get(), &flash_.chip.flash);
    calls_ = flash_log_storage(log_.get());
    return result;
  }

  int begin() { return calls_.begin(calls_.context); }
  int put(Id id, ByteView value) { return calls_.put(calls_.context, to_c(id), value.data(), value.size()); }
  int erase(Id id) { return calls_.erase(calls_.context, to_c(id)); }
  int commit() { return calls_.commit(calls_.context); }
  void rollback() { calls_.rollback(calls_.context); }
  int make_room() { return calls_.make_room(calls_.context); }

  std::optional<Bytes> get(Id id) {
    std::optional<Bytes> found;
    REQUIRE(calls_.get(calls_.context, to_c(id), keep, &found) == FLASH_LOG_OK);
    return found;
  }

  /// What the open transaction sees, in the order of visiting.
  Records all() {
    Records records;
    for (std::uint8_t kind = 0; kind < 5; ++kind) {
      Visited visited{kind, {}, -1};
      REQUIRE(calls_.scan(calls_.context, kind, visit, &visited) == FLASH_LOG_OK);
      records.merge(visited.records);
    }
    return records;
  }
  Records committed() {
    REQUIRE(begin() == FLASH_LOG_OK);
    Records records = all();
    rollback();
    return records;
  }

 private:
  struct Visited {
    std::uint8_t kind;
    Records records;
    std::int64_t last;
  };
  static sks_record_id to_c(Id id) { return {id.second, id.first}; }
  static int keep(void* visitor, std::uint32_t, const std::uint8_t* value, std::size_t size) {
    *static_cast<std::optional<Bytes>*>(visitor) = Bytes(value, value + size);
    return 0;
  }
  static int visit(void* visitor, std::uint32_t handle, const std::uint8_t* value, std::size_t size) {
    auto& visited = *static_cast<Visited*>(visitor);
    CHECK(visited.last < handle);
    visited.last = handle;
    visited.records.emplace(Id{visited.kind, handle}, Bytes(value, value + size));
    return 0;
  }

  RamFlash& flash_;
  std::unique_ptr<flash_log> log_ = std::make_unique<flash_log>();
  sks_storage calls_{};
};

Bytes value(std::size_t size, std::uint8_t fill) { return Bytes(size, fill); }

int put_alone(Log& log, Id id, ByteView bytes) {
  if (const int result = log.begin(); result != FLASH_LOG_OK) return result;
  if (const int result = log.put(id, bytes); result != FLASH_LOG_OK) {
    log.rollback();
    return result;
  }
  return log.commit();
}

}  // namespace

TEST_CASE("flash log: a transaction sees its own writes; others see them after commit") {
  RamFlash flash(64);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  REQUIRE(log.begin() == FLASH_LOG_OK);
  REQUIRE(log.put({1, 7}, value(3, 0xAA)) == FLASH_LOG_OK);
  REQUIRE(log.put({1, 3}, {}) == FLASH_LOG_OK);
  CHECK(log.get({1, 7}) == value(3, 0xAA));
  CHECK(log.get({1, 3}) == Bytes());
  CHECK(log.get({1, 4}) == std::nullopt);
  REQUIRE(log.put({1, 7}, value(5, 0xBB)) == FLASH_LOG_OK);
  CHECK(log.get({1, 7}) == value(5, 0xBB));
  REQUIRE(log.erase({1, 3}) == FLASH_LOG_OK);
  REQUIRE(log.erase({1, 99}) == FLASH_LOG_OK);
  CHECK(log.all() == Records{{{1, 7}, value(5, 0xBB)}});
  log.rollback();
  CHECK(log.committed().empty());

  REQUIRE(put_alone(log, {1, 7}, value(3, 0xAA)) == FLASH_LOG_OK);
  REQUIRE(put_alone(log, {2, 0xFFFFFFFF}, value(1, 0xCC)) == FLASH_LOG_OK);
  Log again(flash);
  REQUIRE(again.open() == FLASH_LOG_OK);
  CHECK(again.committed() == Records{{{1, 7}, value(3, 0xAA)}, {{2, 0xFFFFFFFF}, value(1, 0xCC)}});
}

TEST_CASE("flash log: what is replaced, erased or given up is not left in the cells") {
  RamFlash flash(64);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  const Bytes first = value(40, 0xA1);
  const Bytes second = value(40, 0xA2);
  const Bytes third = value(40, 0xA3);
  REQUIRE(put_alone(log, {1, 1}, first) == FLASH_LOG_OK);
  CHECK(is_in(flash, first));
  REQUIRE(put_alone(log, {1, 1}, second) == FLASH_LOG_OK);
  CHECK_FALSE(is_in(flash, first));
  REQUIRE(log.begin() == FLASH_LOG_OK);
  REQUIRE(log.put({1, 2}, third) == FLASH_LOG_OK);
  log.rollback();
  CHECK_FALSE(is_in(flash, third));
  REQUIRE(log.begin() == FLASH_LOG_OK);
  REQUIRE(log.put({1, 2}, third) == FLASH_LOG_OK);
  SUBCASE("power fails before the commit") {}
  SUBCASE("power fails after the commit, before the old value is overwritten") {
    REQUIRE(log.put({1, 1}, first) == FLASH_LOG_OK);
    REQUIRE(log.erase({1, 2}) == FLASH_LOG_OK);
    flash.fail_after(24);  // the commit mark
    CHECK(log.commit() == FLASH_LOG_OK);
    CHECK(is_in(flash, second));
  }
  flash.restore_power();
  Log again(flash);
  REQUIRE(again.open() == FLASH_LOG_OK);
  CHECK_FALSE(is_in(flash, third));
  const Records records = again.committed();
  REQUIRE(records.size() == 1);
  CHECK(is_in(flash, first) == (records.begin()->second == first));
  CHECK(is_in(flash, second) == (records.begin()->second == second));
}

TEST_CASE("flash log: a full log is copied to the other area, over and over") {
  RamFlash flash(64);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  Records expected;
  for (std::uint32_t i = 0; i < 600; ++i) {
    const Id id{static_cast<std::uint8_t>(i % 3), i % 11};
    const Bytes bytes = value(i % 200, static_cast<std::uint8_t>(i));
    REQUIRE(put_alone(log, id, bytes) == FLASH_LOG_OK);
    expected.insert_or_assign(id, bytes);
  }
  CHECK(flash.erasures() > 40);
  CHECK(log.committed() == expected);
  Log again(flash);
  REQUIRE(again.open() == FLASH_LOG_OK);
  CHECK(again.committed() == expected);
}

TEST_CASE("flash log: the limits are reported, and nothing has changed") {
  RamFlash flash(256);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  REQUIRE(log.begin() == FLASH_LOG_OK);
  for (std::uint32_t i = 0; i < FLASH_LOG_MAX_CHANGES; ++i) REQUIRE(log.put({1, i}, value(1, 1)) == FLASH_LOG_OK);
  CHECK(log.put({1, 1000}, value(1, 1)) == FLASH_LOG_TOO_MANY);
  log.rollback();
  CHECK(log.committed().empty());
  for (std::uint32_t i = 0; i < FLASH_LOG_MAX_RECORDS; ++i)
    REQUIRE(put_alone(log, {1, i}, value(1, 1)) == FLASH_LOG_OK);
  CHECK(put_alone(log, {1, 1000}, value(1, 1)) == FLASH_LOG_TOO_MANY);
  CHECK(log.committed().size() == FLASH_LOG_MAX_RECORDS);
  // One in, one out is no growth, whichever comes first.
  REQUIRE(log.begin() == FLASH_LOG_OK);
  REQUIRE(log.put({0, 5}, value(1, 2)) == FLASH_LOG_OK);
  REQUIRE(log.erase({1, 200}) == FLASH_LOG_OK);
  CHECK(log.commit() == FLASH_LOG_OK);
  Log again(flash);
  REQUIRE(again.open() == FLASH_LOG_OK);
  CHECK(again.committed().size() == FLASH_LOG_MAX_RECORDS);
}

TEST_CASE("flash log: a full chip refuses, and make_room opens the reserve for one transaction") {
  RamFlash flash(64);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  std::uint32_t stored = 0;
  while (put_alone(log, {1, stored}, value(1000, 7)) == FLASH_LOG_OK) ++stored;
  CHECK(stored >= 5);
  CHECK(put_alone(log, {1, stored}, value(1000, 7)) == FLASH_LOG_FULL);
  CHECK(put_alone(log, {1, stored}, value(1 << 20, 7)) == FLASH_LOG_FULL);
  CHECK(log.make_room() == 1);
  CHECK(log.make_room() == 0);
  REQUIRE(log.begin() == FLASH_LOG_OK);
  CHECK(log.put({1, stored}, value(1000, 7)) == FLASH_LOG_OK);
  for (std::uint32_t i = 0; i < stored; ++i) CHECK(log.erase({1, i}) == FLASH_LOG_OK);
  CHECK(log.commit() == FLASH_LOG_OK);
  CHECK(log.committed() == Records{{{1, stored}, value(1000, 7)}});
  CHECK(put_alone(log, {1, 0}, value(1000, 7)) == FLASH_LOG_OK);
}

TEST_CASE("flash log: a chip that holds something else is left as it is") {
  RamFlash flash(64);
  flash.cells[1000] = 0x12;
  const Bytes before = flash.cells;
  Log log(flash);
  CHECK(log.open() == FLASH_LOG_DAMAGED);
  CHECK(flash.cells == before);
}

TEST_CASE("flash log: a value that has changed in the flash is not handed out") {
  RamFlash flash(64);
  Log log(flash);
  REQUIRE(log.open() == FLASH_LOG_OK);
  REQUIRE(put_alone(log, {1, 1}, value(40, 0xA1)) == FLASH_LOG_OK);
  const Bytes stored = value(40, 0xA1);
  const auto at = std::search(flash.cells.begin(), flash.cells.end(), stored.begin(), stored.end());
  REQUIRE(at != flash.cells.end());
  *at = 0;
  REQUIRE(log.begin() == FLASH_LOG_OK);
  const sks_storage calls = [&] {
    static flash_log reopened;
    REQUIRE(flash_log_open(&reopened, &flash.chip.flash) == FLASH_LOG_OK);
    return flash_log_storage(&reopened);
  }();
  bool visited = false;
  const auto visit = [](void* visitor, std::uint32_t, const std::uint8_t*, std::size_t) {
    *static_cast<bool*>(visitor) = true;
    return 0;
  };
  CHECK(calls.get(calls.context, {1, 1}, visit, &visited) == FLASH_LOG_DAMAGED);
  CHECK(calls.scan(calls.context, 1, visit, &visited) == FLASH_LOG_DAMAGED);
  CHECK_FALSE(visited);
}

namespace {

/// Transactions of puts and erasures, some given up: the same for the same seed.
class Scenario {
 public:
  enum class Watch { commits, every_step };
  explicit Scenario(std::uint32_t seed, Watch watch = Watch::commits) : random_(seed), watch_(watch) {}

  /// Runs until power fails or `transactions` are done. `before` and `after`: what holds if the last transaction has
  /// not, or has, been committed.
  void run(Log& log, const RamFlash& flash, unsigned transactions) {
    for (unsigned i = 0; i < transactions && !flash.has_failed(); ++i) run_one(log);
  }

  Records before;
  Records after;

 private:
  void run_one(Log& log) {
    before = after;
    Records next = after;
    if (log.begin() != FLASH_LOG_OK) return;
    const unsigned steps = 1 + random_() % 4;
    for (unsigned step = 0; step < steps; ++step) {
      const Id id{static_cast<std::uint8_t>(random_() % 3), random_() % 6};
      const Bytes bytes = value(random_() % 150, static_cast<std::uint8_t>(random_()));
      const bool puts = random_() % 3 != 0;
      const int result = puts ? log.put(id, bytes) : log.erase(id);
      if (result != FLASH_LOG_OK) return log.rollback();
      if (puts)
        next.insert_or_assign(id, bytes);
      else
        next.erase(id);
      if (watch_ == Watch::every_step) CHECK(log.all() == next);
    }
    if (random_() % 5 == 0) return log.rollback();
    after = next;
    if (log.commit() == FLASH_LOG_OK) before = after;
  }

  std::mt19937 random_;
  Watch watch_;
};

}  // namespace

TEST_CASE("flash log: power may fail at any byte and nothing that was committed is lost") {
  constexpr unsigned kTransactions = 15;
  constexpr std::uint32_t kSeed = 20240611;
  RamFlash whole(36);
  Log uncut(whole);
  REQUIRE(uncut.open() == FLASH_LOG_OK);
  Scenario(kSeed, Scenario::Watch::every_step).run(uncut, whole, kTransactions);
  REQUIRE(whole.erasures() > 0);

  unsigned undecided = 0;
  for (std::size_t cut = 1; cut < whole.work_done(); ++cut) {
    CAPTURE(cut);
    RamFlash flash(36);
    flash.fail_after(cut);
    Scenario scenario(kSeed);
    {
      Log log(flash);
      if (log.open() == FLASH_LOG_OK) scenario.run(log, flash, kTransactions);
    }
    // Power fails again while the log is being opened, and a third time.
    for (const std::size_t again : {cut % 50, cut % 700}) {
      flash.fail_after(again);
      Log log(flash);
      static_cast<void>(log.open());
    }
    flash.restore_power();
    Log log(flash);
    REQUIRE(log.open() == FLASH_LOG_OK);
    const Records found = log.committed();
    const bool is_one_of_both = found == scenario.before || found == scenario.after;
    REQUIRE(is_one_of_both);
    if (scenario.before != scenario.after) ++undecided;
    REQUIRE(put_alone(log, {4, 1}, value(10, 1)) == FLASH_LOG_OK);
  }
  CHECK(undecided > 0);
}

TEST_CASE("flash log: a driver that fails for a while costs the transaction and no other") {
  constexpr unsigned kTransactions = 40;
  unsigned failures = 0;
  for (std::size_t cut = 1; cut < 4000; cut += 23) {
    CAPTURE(cut);
    RamFlash flash(48);
    Log log(flash);
    REQUIRE(log.open() == FLASH_LOG_OK);
    Scenario scenario(77);
    flash.fail_after(cut);
    scenario.run(log, flash, kTransactions);
    if (flash.has_failed()) ++failures;
    flash.restore_power();
    // The same log goes on: what was not acknowledged is gone for good.
    CHECK(log.committed() == scenario.before);
    scenario.after = scenario.before;
    scenario.run(log, flash, 3);  // so few that the log is not copied on this account
    CHECK(log.committed() == scenario.after);
    Log again(flash);
    REQUIRE(again.open() == FLASH_LOG_OK);
    CHECK(again.committed() == scenario.after);
  }
  CHECK(failures > 0);
}
