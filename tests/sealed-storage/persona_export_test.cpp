#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <latch>
#include <thread>

#include "sealed-storage/anchor.h"
#include "sealed-storage/store_state.h"
#include "tests/sealed-storage/failing_sync.h"
#include "tests/sealed-storage/persona_place.h"

/// Stores that become files.
namespace sks::test {

namespace fs = std::filesystem;

namespace {

/// Why the export is refused; it has made no file, and the store is where it was.
Error refusal(const Place& place, const VectorStore& store) {
  const Result<void> refused = export_now(store, place.file);
  REQUIRE_FALSE(refused);
  CHECK(fs::is_empty(place.dir.path()));
  CHECK(fs::exists(store.folder + "/store.db"));
  return refused.error();
}

}  // namespace

TEST_CASE("export: the store becomes a file that only the passphrase opens, and leaves nothing in its place") {
  const VectorStore store;
  const std::string content = content_of(store.folder);
  const std::string master_key = read_file(store.key).substr(10, 32);
  const Place place;
  REQUIRE(export_now(store, place.file));
  CHECK(fs::is_empty(store.dir.path()));
  CHECK(mode_of(place.file) == 0600);
  CHECK(entries(place.dir.path()) == "file");
  const std::string file = read_file(place.file);
  CHECK(file.find(master_key) == std::string::npos);
  CHECK(file.find(kPassphrase) == std::string::npos);
  CHECK_FALSE(place.import_now("another"));
  REQUIRE(place.import_now());
  CHECK(content_of(place.folder) == content);
}

TEST_CASE("export: carries what is only in the log yet") {
  const VectorStore store;
  const Place place;
  {
    const auto open = SqliteStore::open(store.folder);
    REQUIRE(open);
    auto transaction = (*open)->begin();
    REQUIRE(transaction);
    REQUIRE((*transaction)->put({RecordKind{3}, 77}, as_bytes("late")));
    REQUIRE((*transaction)->commit());
    *transaction = nullptr;
    fs::copy(store.folder, place.dir.file("crashed"));
  }
  REQUIRE(fs::file_size(place.dir.file("crashed/store.db-wal")) > 0);
  fs::remove_all(store.folder);
  fs::copy(place.dir.file("crashed"), store.folder);
  fs::permissions(store.folder, fs::perms(0700));
  REQUIRE(export_now(store, place.file));
  REQUIRE(place.import_now());
  CHECK(content_of(place.folder).find("77=late") != std::string::npos);
}

TEST_CASE("export: refuses what is in its way, and the store stays") {
  const VectorStore store;
  const Place place;
  const std::string content = content_of(store.folder);
  const auto refusal = [&](const std::string& file) {
    const Result<void> refused = export_now(store, file);
    REQUIRE_FALSE(refused);
    CHECK(content_of(store.folder) == content);
    return refused.error().detail;
  };
  write_file(place.file, "a letter");
  CHECK(refusal(place.file) == place.file + " is there already, and is not overwritten");
  CHECK(read_file(place.file) == "a letter");
  fs::remove(place.file);
  const std::string unfinished = place.file + ".unfinished-00";
  write_file(unfinished, "half of one");
  CHECK(refusal(place.file).starts_with(unfinished + " is of an export that runs, or was interrupted"));
  CHECK(read_file(unfinished) == "half of one");
  fs::remove(unfinished);
  write_file(place.file, vector_file());
  CHECK(
      refusal(place.file) ==
      place.file +
          " was left by an export of this key store that was interrupted: the key store is whole; remove that file and "
          "export again");
  for (const char* const name : {"", ".removed", ".importing", ".importing/.store"}) {
    const std::string folder = store.folder + name;
    CAPTURE(folder);
    fs::create_directories(folder);
    fs::create_directory_symlink(folder, place.dir.file("link"));
    for (const std::string& file : {folder + "/file", place.dir.file("link/file")})
      CHECK(refusal(file) ==
            file + " lies in " + folder + ", where files of a key store are removed: choose another place");
    CHECK_FALSE(fs::exists(folder + "/file"));
    fs::remove(place.dir.file("link"));
  }
  for (const char* const name : {".removed", ".importing"}) {
    const std::string file = store.folder + name;
    fs::remove_all(file);
    CHECK(refusal(file) == file + " is a name that the key store needs: choose another one");
    CHECK_FALSE(fs::exists(file));
  }
  CHECK(refusal(place.dir.file("no/file")) ==
        "cannot create " + place.dir.file("no/file") + ": No such file or directory");
  write_file(store.folder + "/letter", "to Jo");
  CHECK(refusal(place.dir.file("other")) ==
        store.folder + " holds 'letter', which is not of the key store: move it away first");
  fs::remove(store.folder + "/letter");
  const auto held = SqliteStore::open(store.folder);
  REQUIRE(held);
  CHECK(export_now(store, place.dir.file("other")).error().detail ==
        "store in use by process " + std::to_string(::getpid()));
  CHECK(entries(place.dir.path()) == "file");
}

TEST_CASE("export: of several to one file at once, none destroys a store that is not in it") {
  // The second and the third are past all checks when the first has written its file; then they go on, one after the
  // other, and the third has written its file too before the first gives its own its name.
  const Place place;
  const std::array<StoreFixture, 3> stores;
  std::array<sealed::StoreId, 3> ids{};
  for (std::size_t i = 0; i < stores.size(); ++i)
    ids[i] = sealed::look_at_store(stores[i].folder()).value().store_id.value();
  std::latch all_checked(3);
  std::atomic<bool> first_written = false;
  std::atomic<bool> second_done = false;
  std::atomic<bool> third_written = false;
  std::atomic<bool> first_done = false;
  const auto tell = [](std::atomic<bool>& event) {
    event = true;
    event.notify_all();
  };
  const auto run = [&](std::size_t number, const std::function<void()>& before, const std::function<void()>& written) {
    WatchedSecrets secrets(before, written);
    static_cast<void>(
        sealed::export_store({stores[number].folder(), "work", place.file, {}, kLowCosts}, no_secrets(), secrets));
  };
  {
    const std::jthread first([&] {
      run(
          0, [&] { all_checked.arrive_and_wait(); },
          [&] {
            tell(first_written);
            second_done.wait(false);
            third_written.wait(false);
          });
      tell(first_done);
    });
    const std::jthread second([&] {
      run(
          1,
          [&] {
            all_checked.arrive_and_wait();
            first_written.wait(false);
          },
          [] {});
      tell(second_done);
    });
    const std::jthread third([&] {
      run(
          2,
          [&] {
            all_checked.arrive_and_wait();
            second_done.wait(false);
          },
          [&] {
            tell(third_written);
            first_done.wait(false);
          });
      tell(third_written);
    });
  }
  CHECK(entries(place.dir.path()) == "file");
  const auto exported = sealed::ExportedPersona::open(place.file);
  REQUIRE(exported);
  std::size_t gone = 0;
  for (std::size_t i = 0; i < stores.size(); ++i) {
    CAPTURE(i);
    const auto state = sealed::look_at_store(stores[i].folder());
    if (!state) ++gone;
    CHECK((state || ids[i] == exported->head().store_id));
  }
  CHECK(gone == 1);
}

TEST_CASE("export: a store whose file was replaced before it had its name stays") {
  const VectorStore store;
  const Place place;
  WatchedSecrets secrets([] {},
                         [&] {
                           for (const auto& entry : fs::directory_iterator(place.dir.path())) {
                             fs::remove(entry);
                             write_file(entry.path(), "a letter");
                           }
                         });
  const auto refused = sealed::export_store({store.folder, "work", place.file, {}, kLowCosts}, no_secrets(), secrets);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == place.file + " was replaced by another file meanwhile");
  CHECK(content_of(store.folder) == content_of(VectorStore().folder));
}

TEST_CASE("export: a store that would not open elsewhere is not moved") {
  const Place place;
  const VectorStore altered;
  run_sql(altered.folder + "/store.db", "UPDATE store SET root = randomblob(length(root))");
  CHECK(refusal(place, altered).status == Status::crypto);
  const VectorStore anchored;
  const auto anchor = sealed::parse_anchor("file:" + anchored.dir.file("anchor"));
  REQUIRE(anchor);
  REQUIRE(SqliteStore::set_anchor(anchored.folder, *anchor, no_secrets()));
  CHECK(refusal(place, anchored).detail ==
        "the key store in " + anchored.folder +
            " has an anchor, which cannot go with it: take it off with 'sks anchor none' before");
  const VectorStore destroyed;
  write_file(destroyed.key, std::string(46, '\0'));
  CHECK(refusal(place, destroyed).detail.find("was destroyed by a removal or an export") != std::string::npos);
  // Nobody knows where it is: that is no removal.
  const VectorStore without;
  const std::string key = read_file(without.key);
  write_file(without.key, "");
  CHECK(refusal(place, without).detail == missing_key(without.folder));
  fs::remove(without.key);
  CHECK(refusal(place, without).detail == missing_key(without.folder));
  write_file(without.key, key);
  fs::permissions(without.key, fs::perms(0600));
  CHECK(export_now(without, place.file));
}

TEST_CASE("export: a store that could not be destroyed afterwards makes no file") {
  const Place place;
  const VectorStore linked;
  fs::rename(linked.key, linked.dir.file("elsewhere"));
  fs::create_symlink(linked.dir.file("elsewhere"), linked.key);
  CHECK(refusal(place, linked).detail == linked.key + " is a link to a file, which would stay");
  fs::remove(linked.dir.file("elsewhere"));
  CHECK(refusal(place, linked).detail == linked.key + " is a link to a file, which would stay");
  const VectorStore copied;
  fs::create_hard_link(copied.key, copied.dir.file("copy"));
  CHECK(refusal(place, copied).detail == copied.key + " has another name, under which it would stay");
  const VectorStore blocked;
  fs::create_directory(blocked.folder + ".removed");
  write_file(blocked.folder + ".removed/letter", "to Jo");
  CHECK(refusal(place, blocked).detail ==
        blocked.folder + ".removed holds 'letter', which is not of the key store: move it away first");
  const VectorStore odd;
  fs::create_directory(odd.folder + "/room");
  CHECK(refusal(place, odd).detail == odd.folder + " holds 'room', which is not of the key store: move it away first");
  REQUIRE(fs::remove(odd.folder + "/room"));
  CHECK(export_now(odd, place.file));
}

TEST_CASE("export: one that is asked to stop leaves the store alone, and no file") {
  const VectorStore store;
  const std::string content = content_of(store.folder);
  std::size_t stops = 0;
  for (;; ++stops) {
    CAPTURE(stops);
    const Place place;
    FixedSecrets secrets(kPassphrase, kPassphrase);
    std::size_t asked = 0;
    const auto exported = sealed::export_store(
        {store.folder, "work", place.file, {}, kLowCosts, [&] { return asked++ == stops; }}, no_secrets(), secrets);
    if (exported) break;
    CHECK(exported.error().status == Status::user_abort);
    CHECK(exported.error().detail == "interrupted: nothing was moved");
    CHECK(fs::is_empty(place.dir.path()));
    CHECK(content_of(store.folder) == content);
  }
  CHECK(stops > 3);
}

TEST_CASE("export: the store stays when its file may not survive a power cut") {
  const VectorStore store;
  const Place place;
  {
    const FailingSync failing(place.dir.path());
    const Result<void> exported = export_now(store, place.file);
    REQUIRE_FALSE(exported);
    CHECK(exported.error().status == Status::storage);
    CHECK(exported.error().detail == place.file + " is in its place, but may not survive a power cut: cannot sync " +
                                         place.dir.path() + ": Input/output error; the key store was not removed");
  }
  CHECK(entries(place.dir.path()) == "file");
  CHECK(content_of(store.folder) == content_of(VectorStore().folder));
  fs::remove(place.file);
  CHECK(export_now(store, place.file));
}

}  // namespace sks::test
