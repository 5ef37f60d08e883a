#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "tests/sealed-storage/child_process.h"
#include "tests/sealed-storage/store_fixture.h"

/// Two processes and one store, and processes that die.
namespace sks::test {
namespace {

constexpr RecordId kKey1{RecordKind::key, 1};
constexpr RecordId kKey2{RecordKind::key, 2};

std::string outcome_of_open(const std::string& folder) {
  const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  return store ? "open" : std::string(to_string(store.error().status)) + " " + store.error().detail;
}

TEST_CASE("a store held by another process does not open, and the message names that process") {
  const StoreFixture fixture;
  Child holder([&](const Child::Report& report) {
    const auto store = SqliteStore::open(fixture.folder());
    report(store ? "open" : "failed");
    ::pause();
  });
  REQUIRE(holder.report() == "open");
  CHECK(outcome_of_open(fixture.folder()) ==
        "ERROR_NOT_AVAILABLE store in use by process " + std::to_string(holder.pid()));
  holder.kill();
  CHECK(outcome_of_open(fixture.folder()) == "open");
}

TEST_CASE("a store held by this process does not open twice") {
  const StoreFixture fixture;
  const auto store = fixture.open();
  CHECK(fixture.open_error().detail == "store in use by process " + std::to_string(::getpid()));
}

TEST_CASE("the lock outlives neither the store nor its own garbage") {
  const StoreFixture fixture;
  fixture.open().reset();
  CHECK(outcome_of_open(fixture.folder()) == "open");
  write_file(fixture.file("lock"), "this is no PID, and it is longer than one");
  const auto store = fixture.open();
  CHECK(read_file(fixture.file("lock")) == std::to_string(::getpid()) + "\n");
  write_file(fixture.file("lock"), "");
  CHECK(fixture.open_error().detail == "store in use by another process");
}

TEST_CASE("a forked child of the holder neither uses the store nor keeps it locked") {
  const StoreFixture fixture;
  auto store = fixture.open();
  auto transaction = store->begin();
  REQUIRE(transaction);
  REQUIRE((*transaction)->put(kKey1, as_bytes("committed")));
  REQUIRE((*transaction)->commit());
  *transaction = nullptr;
  auto open_transaction = store->begin();
  REQUIRE(open_transaction);

  const Child child([&](const Child::Report& report) {
    report((*open_transaction)->put(kKey1, as_bytes("by the child")) ? "written" : "refused");
    *open_transaction = nullptr;
    const auto begun = store->begin();
    report(begun ? "begun" : std::string(to_string(begun.error().status)) + " " + begun.error().detail);
    report(store->identity() ? "identity" : "refused");
    store = nullptr;
    report(outcome_of_open(fixture.folder()));
    std::string outcome = "in use";
    for (int i = 0; i < 500 && outcome != "open"; ++i) {
      ::usleep(10000);
      outcome = outcome_of_open(fixture.folder());
    }
    report(outcome);
    ::pause();
  });
  CHECK(child.report() == "refused");
  CHECK(child.report() == "ERROR_NOT_AVAILABLE this process was forked off by the one that opened the key store");
  CHECK(child.report() == "refused");
  CHECK(child.report() == "ERROR_NOT_AVAILABLE store in use by process " + std::to_string(::getpid()));
  CHECK(std::filesystem::file_size(fixture.file("store.db-wal")) > 0);  // closing the last connection removes it
  REQUIRE((*open_transaction)->put(kKey2, as_bytes("by the parent")));
  REQUIRE((*open_transaction)->commit());
  *open_transaction = nullptr;
  store = nullptr;
  CHECK(child.report() == "open");

  store = fixture.open();  // the child lives, and holds nothing
  const auto last = store->begin();
  REQUIRE(last);
  CHECK(list(**last, RecordKind::key) == "1=committed 2=by the parent");
}

TEST_CASE("kill -9 releases the lock, keeps what was committed and loses what was not") {
  const StoreFixture fixture;
  fixture.put(kKey1, "before");
  Child holder([&](const Child::Report& report) {
    const auto store = SqliteStore::open(fixture.folder());
    auto transaction = (*store)->begin();
    bool ok = static_cast<bool>((*transaction)->put(kKey1, as_bytes("committed"))) && (*transaction)->commit();
    *transaction = nullptr;
    auto lost = (*store)->begin();
    // More than SQLite's cache holds, so that uncommitted pages are in the log when the process dies.
    for (std::uint32_t handle = 1; handle < 4; ++handle) {
      ok = ok && (*lost)->put({RecordKind::key, handle}, Bytes(3 << 20, 'x'));
    }
    report(ok ? "ready" : "failed");
    ::pause();
  });
  REQUIRE(holder.report() == "ready");
  CHECK(std::filesystem::file_size(fixture.file("store.db-wal")) > (2U << 20));
  holder.kill();

  const auto store = fixture.open();
  const auto transaction = store->begin();
  REQUIRE(transaction);
  CHECK(list(**transaction, RecordKind::key) == "1=committed");
  CHECK(store->identity());
}

TEST_CASE("a disk that takes no more fails the transaction and nothing else") {
  const StoreFixture fixture;
  fixture.put(kKey1, "kept");
  Child child([&](const Child::Report& report) {
    const auto store = SqliteStore::open(fixture.folder());
    const rlimit limit{100000, 100000};
    std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto transaction = (*store)->begin();
    Result<void> written = (*transaction)->put(kKey1, as_bytes("lost"));
    if (written) written = (*transaction)->put(kKey2, Bytes(200000, 'x'));
    if (written) written = (*transaction)->commit();
    report(written ? "written" : std::string(to_string(written.error().status)) + " " + written.error().detail);
    const Result<void> again = (*transaction)->commit();
    report(again ? "committed" : again.error().detail);
    *transaction = nullptr;
    auto next = (*store)->begin();
    report(next ? list(**next, RecordKind::key) : next.error().detail);
  });
  CHECK(child.report() == "ERROR_STORAGE cannot use " + fixture.file("store.db") + ": the disk reports an error");
  CHECK_FALSE(child.report() == "committed");
  CHECK(child.report() == "1=kept");
  child.kill();
  const auto store = fixture.open();
  const auto transaction = store->begin();
  REQUIRE(transaction);
  CHECK(list(**transaction, RecordKind::key) == "1=kept");
}

constexpr unsigned kNobody = 65534;

/// Runs `body` as a user whom file permissions bind.
std::string as_ordinary_user(const std::function<std::string()>& body) {
  Child child([&](const Child::Report& report) {
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) return report("cannot change the user");
    report(body());
  });
  return child.report();
}

void give_away(const std::string& path) {
  if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
}

TEST_CASE("a folder that cannot be written is reported with its reason, and nothing is left in it") {
  const TempDir dir;
  std::filesystem::create_directory(dir.file("fixed"));
  std::filesystem::permissions(dir.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(dir.file("fixed"), std::filesystem::perms(0555));
  const std::string outcome = as_ordinary_user([&] {
    const Result<void> created = SqliteStore::create(dir.file("fixed/store"), sample_identity());
    return created ? std::string("created")
                   : std::string(to_string(created.error().status)) + " " + created.error().detail;
  });
  CHECK(outcome == "ERROR_STORAGE cannot create " + dir.file("fixed/store") + ": Permission denied");
  CHECK(entries(dir.file("fixed")).empty());
}

TEST_CASE("create names the store, not its temporary folder, when the disk takes no more") {
  const TempDir dir;
  Child child([&](const Child::Report& report) {
    const rlimit limit{2000, 2000};
    std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const Result<void> created = SqliteStore::create(dir.file("store"), sample_identity());
    report(created ? "created" : std::string(to_string(created.error().status)) + " " + created.error().detail);
  });
  CHECK(child.report() == "ERROR_STORAGE cannot use " + dir.file("store") + "/store.db: the disk reports an error");
  CHECK(entries(dir.path()).empty());
}

TEST_CASE("a full disk cannot keep records that are to be erased") {
  const TempDir dir;
  std::filesystem::create_directory(dir.file("mounted"));
  Child child([&](const Child::Report& report) {
    if (!mount_small_disk(dir.file("mounted"))) return report("no mounts here");
    const std::string folder = dir.file("mounted") + "/store";
    if (!SqliteStore::create(folder, sample_identity())) return report("not created");
    {
      auto opened = SqliteStore::open(folder);
      if (!opened) return report("not opened");
      SqliteStore& store = **opened;
      const auto change = [&store](std::uint32_t handle, bool put) {
        auto transaction = store.begin();
        if (!transaction) return false;
        const RecordId id{RecordKind::session, handle};
        const bool done = static_cast<bool>(put ? (*transaction)->put(id, Bytes(8000, 1)) : (*transaction)->erase(id));
        return done && (*transaction)->commit();
      };
      std::uint32_t handle = 1;
      while (change(handle, true)) ++handle;
      // What is left of the disk goes too.
      write_until_full(dir.file("mounted") + "/other");
      if (change(1, false)) return report("the disk was not full");
      if (!store.make_room()) return report("no room was set aside");
      if (!change(1, false)) return report("not erased");
      if (store.make_room()) return report("room was found twice");
    }
    auto reopened = SqliteStore::open(folder);
    if (!reopened) return report("not reopened: " + reopened.error().detail);
    auto transaction = (*reopened)->begin();
    const bool gone = !(*transaction)->get({RecordKind::session, 1}).value();
    const bool kept = (*transaction)->get({RecordKind::session, 2}).value().has_value();
    report(gone && kept ? "erased" : "wrong records");
  });
  const std::string outcome = child.report();
  if (outcome == "no mounts here") {
    MESSAGE("not tested: this process may not mount");
    return;
  }
  CHECK(outcome == "erased");
}

TEST_CASE("create refuses a mount point with advice") {
  const TempDir dir;
  std::filesystem::create_directory(dir.file("mounted"));
  Child child([&](const Child::Report& report) {
    if (!mount_small_disk(dir.file("mounted"))) return report("no mounts here");
    const Result<void> created = SqliteStore::create(dir.file("mounted"), sample_identity());
    report(created ? "created" : std::string(to_string(created.error().status)) + " " + created.error().detail);
  });
  const std::string outcome = child.report();
  if (outcome == "no mounts here") {
    MESSAGE("not tested: this process may not mount");
    return;
  }
  CHECK(outcome == "ERROR_OPTION " + dir.file("mounted") + " is a mount point: name a folder in it for the key store");
  CHECK(entries(dir.path()) == "mounted");
}

TEST_CASE("a store that may only be read does not open, and the message says so") {
  const StoreFixture fixture;
  std::filesystem::permissions(fixture.beside(""), std::filesystem::perms(0755));
  fixture.open().reset();
  for (const char* name : {"", "lock", "master.key", "store.db"}) give_away(fixture.file(name));
  CHECK(as_ordinary_user([&] { return outcome_of_open(fixture.folder()); }) == "open");

  std::filesystem::permissions(fixture.file("store.db"), std::filesystem::perms(0400));
  CHECK(as_ordinary_user([&] { return outcome_of_open(fixture.folder()); }) ==
        "ERROR_STORAGE cannot use " + fixture.file("store.db") + ": the file or its folder is read-only");

  std::filesystem::permissions(fixture.file("lock"), std::filesystem::perms(0400));
  CHECK(as_ordinary_user([&] { return outcome_of_open(fixture.folder()); }) ==
        "ERROR_STORAGE cannot write " + fixture.file("lock") + ": Permission denied");
  CHECK(as_ordinary_user([&] { return std::string(::geteuid() == 0 ? "root" : "ordinary"); }) == "ordinary");
}

}  // namespace
}  // namespace sks::test
