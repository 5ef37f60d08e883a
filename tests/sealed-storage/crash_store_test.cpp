#include <doctest/doctest.h>
#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tests/sealed-storage/child_process.h"
#include "tests/sealed-storage/crash_check.h"
#include "tests/sealed-storage/crash_sweep.h"

/// What happens to a store as a whole when the power goes or the disk fails: its creation, the upgrade of an earlier
/// format, a disk without room and one that can only be read.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kUnsynced = std::to_array<Unsynced>({Unsynced::lost, Unsynced::kept, Unsynced::torn});
constexpr auto kFaults = std::to_array<FaultDisk::Fault>({FaultDisk::Fault::io_error, FaultDisk::Fault::full});
constexpr auto kDurations =
    std::to_array<FaultDisk::Duration>({FaultDisk::Duration::once, FaultDisk::Duration::from_then_on});

StoredIdentity sample() { return {{Bytes(400, 1), Bytes(20, 2)}, SecureBytes::copy_of(as_bytes("PKCS#8"))}; }

std::string outcome(const Result<void>& result) {
  return result ? "done" : std::string(to_string(result.error().status)) + " " + result.error().detail;
}

/// What a store holds, with its identity; ends the test when it does not open.
std::string contents(const std::string& folder) {
  const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  REQUIRE_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
  const Result<StoredIdentity> identity = (*store)->identity();
  REQUIRE(identity);
  std::string all = std::to_string(identity->certificate_path.size()) + " certificates";
  for (const auto& [id, value] : read_records(**store))
    all += " " + std::to_string(static_cast<int>(id.kind)) + "/" + std::to_string(id.handle) + ":" +
           std::to_string(value.size());
  return all;
}

DiskImage earlier_store() {
  DiskImage image = read_folder(source_file("tests/vectors/sealed-storage/store-v1"));
  REQUIRE(image.size() == 2);
  return image;
}

/// What the watched disk holds for sure.
DiskImage synced_so_far() {
  const FaultDisk& disk = FaultDisk::instance();
  DiskModel model(disk.initial());
  for (const DiskOperation& operation : disk.log()) model.apply(operation);
  std::mt19937 unused;
  return model.image(Unsynced::lost, unused);
}

DiskImage with_key(DiskImage image, const Bytes& master_key) {
  image["master.key"] = master_key;
  return image;
}

constexpr const char* kEarlierContents = "2 certificates 1/0:0 3/1:1 3/4294967295:231";

}  // namespace

TEST_CASE("the power goes at any operation of an upgrade: the store is one or the other, and whole") {
  FaultDisk::install();
  FaultDisk& disk = FaultDisk::instance();
  const TempDir dir;
  write_folder(dir.file("store"), earlier_store());
  disk.watch(dir.file("store"));
  CHECK(contents(dir.file("store")) == kEarlierContents);
  const std::vector<DiskOperation> log = disk.log();
  DiskModel model(disk.initial());
  disk.unwatch();
  CHECK(log.size() > 15);
  std::mt19937 random(sweep_seed());
  for (std::size_t cut = 0; cut <= log.size(); ++cut) {
    for (const Unsynced unsynced : kUnsynced) {
      CAPTURE(cut);
      CAPTURE(static_cast<int>(unsynced));
      CAPTURE(sweep_seed());
      write_folder(dir.file("disk"), model.image(unsynced, random));
      CHECK(contents(dir.file("disk")) == kEarlierContents);
      CHECK(contents(dir.file("disk")) == kEarlierContents);
    }
    if (cut < log.size()) model.apply(log[cut]);
  }
  MESSAGE("upgrade: " << log.size() + 1 << " cut points");
}

TEST_CASE("the disk fails at any operation of an upgrade: it is refused, and succeeds later") {
  FaultDisk::install();
  FaultDisk& disk = FaultDisk::instance();
  const TempDir dir;
  std::size_t failures = 0;
  for (const FaultDisk::Fault fault : kFaults) {
    for (const FaultDisk::Duration duration : kDurations) {
      bool reached = true;
      for (std::size_t n = 1; reached; ++n) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(fault));
        write_folder(dir.file("store"), earlier_store());
        disk.watch(dir.file("store"));
        disk.fail_at(n, fault, duration);
        {
          const Result<std::unique_ptr<SqliteStore>> opened = SqliteStore::open(dir.file("store"));
          if (!opened) CHECK(opened.error().status == Status::storage);
        }
        reached = disk.has_failed();
        if (reached) ++failures;
        const DiskImage left = synced_so_far();
        disk.unwatch();
        CHECK(contents(dir.file("store")) == kEarlierContents);
        write_folder(dir.file("disk"), left);
        CHECK(contents(dir.file("disk")) == kEarlierContents);
      }
    }
  }
  MESSAGE("upgrade: " << failures << " failing operations");
}

TEST_CASE("the power goes during the creation of a store: there is none, and the next attempt makes one") {
  FaultDisk::install();
  FaultDisk& disk = FaultDisk::instance();
  const TempDir dir;
  disk.watch_new(dir.file("store.new-"), {{"store.db", {}}});
  REQUIRE(SqliteStore::create(dir.file("store"), sample()));
  const std::vector<DiskOperation> log = disk.log();
  DiskModel model(disk.initial());
  disk.unwatch();
  CHECK(log.size() > 20);
  const Bytes master_key = read_folder(dir.file("store")).at("master.key");
  std::mt19937 random(sweep_seed());
  for (std::size_t cut = 0; cut < log.size(); ++cut) {
    CAPTURE(cut);
    fs::remove_all(dir.file("store"));
    write_folder(dir.file("store.new-abcdef"), model.image(Unsynced::torn, random));
    const auto opened = SqliteStore::open(dir.file("store"));
    REQUIRE_FALSE(opened);
    CHECK(opened.error().detail == "there is no key store in " + dir.file("store"));
    CHECK(outcome(SqliteStore::create(dir.file("store"), sample())) == "done");
    CHECK(contents(dir.file("store")) == "2 certificates");
    model.apply(log[cut]);
  }
  // The folder gets its name after the last operation: whatever was not synced until then is lost with the power.
  for (const Unsynced unsynced : kUnsynced) {
    CAPTURE(static_cast<int>(unsynced));
    write_folder(dir.file("disk"), with_key(model.image(unsynced, random), master_key));
    CHECK(contents(dir.file("disk")) == "2 certificates");
  }
  MESSAGE("creation: " << log.size() + 1 << " cut points");
}

TEST_CASE("the disk fails at any operation of a creation: nothing is left, and the next attempt makes a store") {
  FaultDisk::install();
  FaultDisk& disk = FaultDisk::instance();
  const TempDir dir;
  std::size_t failures = 0;
  for (const FaultDisk::Fault fault : kFaults) {
    for (const FaultDisk::Duration duration : kDurations) {
      bool reached = true;
      for (std::size_t n = 1; reached; ++n) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(static_cast<int>(duration));
        disk.watch_new(dir.file("store.new-"), {{"store.db", {}}});
        disk.fail_at(n, fault, duration);
        const Result<void> created = SqliteStore::create(dir.file("store"), sample());
        reached = disk.has_failed();
        const DiskImage left = synced_so_far();
        disk.unwatch();
        if (reached) ++failures;
        if (!created) {
          CHECK(created.error().status == Status::storage);
          CHECK(fs::is_empty(dir.path()));
          CHECK(outcome(SqliteStore::create(dir.file("store"), sample())) == "done");
        } else {
          // A failure that does not count must not have cost anything that a power cut could reveal.
          const Bytes master_key = read_folder(dir.file("store")).at("master.key");
          write_folder(dir.file("disk"), with_key(left, master_key));
          CHECK(contents(dir.file("disk")) == "2 certificates");
          fs::remove_all(dir.file("disk"));
        }
        CHECK(contents(dir.file("store")) == "2 certificates");
        fs::remove_all(dir.file("store"));
      }
    }
  }
  MESSAGE("creation: " << failures << " failing operations");
}

namespace {

/// Runs a step that is to succeed; the reason when it does not.
std::string run(World& world, const Step& step) {
  const Result<void> done = step.run(world);
  if (!done) return step.name + ": " + done.error().detail;
  world.model = all_states(step, world.model).back();
  return observe(world.engine()) == world.model.text() ? "" : step.name + " shows\n" + observe(world.engine());
}

/// What a program finds that opens a copy of the folder, as after the death of the one that has it open.
std::string text_of_copy(const std::string& folder, const std::string& copy) {
  write_folder(copy, read_folder(folder));
  World world(copy, {});
  if (const Result<void> opened = world.open(); !opened) return opened.error().detail;
  return observe(world.engine());
}

/// The whole story on a disk of 1 MiB; empty when all went well.
std::string use_full_disk(const std::string& disk, const std::string& elsewhere, bool prepay) {
  const std::string folder = disk + "/store";
  if (const auto created = SqliteStore::create(folder, sample()); !created) return created.error().detail;
  EngineConfig config;
  config.prepay_pin_attempts = prepay;
  World world(folder, config);
  if (!world.open()) return "does not open";
  for (const Step& step : {open_session("S"), puk_policy("g"), pin_policy("g"), create_key("S", "A", "g"),
                           set_certificate("A"), create_key("S", "B"), set_certificate("B"), close_session("S"),
                           sign_with_pin("A", kFirstPin), open_session("T"), create_key("T", "C")})
    if (std::string problem = run(world, step); !problem.empty()) return problem;
  write_until_full(disk + "/other");

  // Wrong PINs are judged as long as they can be counted. The log has room for so many.
  Result<void> answer;
  while (!world.model.group_of("A").locked()) {
    const Step step = try_pin("A", kWrongPin);
    answer = step.run(world);
    if (!answer) break;
    world.model = step.states(world.model).back();
  }
  if (answer || answer.error().status != Status::storage) return "a PIN was judged that could not be counted";
  if (observe(world.engine()) != world.model.text()) return "found\n" + observe(world.engine());
  for (const Step& step : {try_pin("A", kFirstPin), try_puk("A", kPuk), set_pin("A", kPuk, "5678"), delete_key("B")})
    if (const auto done = step.run(world); done || done.error().status != Status::storage) return step.name;
  if (observe(world.engine()) != world.model.text()) return "a refused change is seen";
  if (text_of_copy(folder, elsewhere) != world.model.after_crash().text()) return text_of_copy(folder, elsewhere);
  if (std::string problem = run(world, abort_session("T")); !problem.empty()) return problem;
  if (text_of_copy(folder, elsewhere) != world.model.after_crash().text()) return "the aborted session is back";

  fs::remove(disk + "/other");
  for (const Step& step : {try_pin("A", kFirstPin), delete_key("B")})
    if (std::string problem = run(world, step); !problem.empty()) return problem;
  const std::string text = world.model.after_end().text();
  world.close();
  return text_of_copy(folder, elsewhere) == text ? "" : "after the end " + text_of_copy(folder, elsewhere);
}

/// Runs `body` with a disk of 1 MiB mounted; false where that is not allowed.
bool with_small_disk(const std::string& folder, const std::function<std::string()>& body, std::string& result) {
  const Child child([&](const Child::Report& report) {
    if (!mount_small_disk(folder)) return report("no mounts here");
    report("outcome: " + body());
  });
  result = child.report();
  if (result == "no mounts here") MESSAGE("not tested: this process may not mount");
  return result != "no mounts here";
}

}  // namespace

TEST_CASE("a full disk refuses what it cannot count, and keeps what it answered") {
  for (const bool prepay : {false, true}) {
    CAPTURE(prepay);
    const TempDir dir;
    fs::create_directory(dir.file("disk"));
    std::string result;
    if (!with_small_disk(
            dir.file("disk"), [&] { return use_full_disk(dir.file("disk"), dir.file("copy"), prepay); }, result))
      return;
    CHECK(result == "outcome: ");
  }
}

TEST_CASE("a store on a read-only file system does not open, says so, and opens when that has changed") {
  const TempDir dir;
  const std::string disk = dir.file("disk");
  fs::create_directory(disk);
  const auto use = [&]() -> std::string {
    if (const auto created = SqliteStore::create(disk + "/store", sample()); !created) return created.error().detail;
    const auto remount = [&](unsigned long flags) {
      return ::mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | flags, "size=1m") == 0;
    };
    if (!remount(MS_RDONLY)) return "no remount";
    const DiskImage before = read_folder(disk + "/store");
    const auto opened = SqliteStore::open(disk + "/store");
    const std::string created = outcome(SqliteStore::create(disk + "/new", sample()));
    if (read_folder(disk + "/store") != before) return "the store has changed";
    if (!remount(0)) return "no remount";
    const auto later = SqliteStore::open(disk + "/store");
    return std::string(opened ? "opened" : opened.error().detail) + "; " + created + "; " +
           (later ? "opened" : later.error().detail);
  };
  std::string result;
  if (!with_small_disk(disk, use, result)) return;
  CHECK(result == "outcome: cannot write " + disk + "/store/lock: Read-only file system; ERROR_STORAGE cannot create " +
                      disk + "/new: Read-only file system; opened");
}

}  // namespace sks::test
