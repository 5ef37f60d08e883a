#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "sealed-storage/folder_lock.h"
#include "sealed-storage/persona.h"
#include "sealed-storage/store_state.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sealed-storage/unprivileged.h"
#include "tests/sealed-storage/vector_store.h"

/// Stores that are removed, and what is left of them.
namespace sks::test {

namespace fs = std::filesystem;

TEST_CASE("remove_store: destroys the store, also one that does not open, and nothing else") {
  const VectorStore store;
  const auto refusal = [&] {
    const Result<void> refused = sealed::remove_store(store.folder);
    REQUIRE_FALSE(refused);
    return refused.error().detail;
  };
  {
    const auto held = SqliteStore::open(store.folder);
    REQUIRE(held);
    CHECK(refusal() == "store in use by process " + std::to_string(::getpid()));
  }
  write_file(store.folder + "/letter", "to Jo");
  CHECK(refusal() == store.folder + " holds 'letter', which is not of the key store: move it away first");
  CHECK_FALSE(content_of(store.folder).empty());
  fs::remove(store.folder + "/letter");
  fs::rename(store.key, store.dir.file("elsewhere"));
  fs::create_symlink(store.dir.file("elsewhere"), store.key);
  CHECK(refusal() == store.key + " is a link to a file, which would stay");
  CHECK(sealed::check_removable(store.folder).error().detail == store.key + " is a link to a file, which would stay");
  fs::remove(store.key);
  fs::create_symlink(store.dir.file("nowhere"), store.key);
  CHECK(refusal() == store.key + " is a link to a file, which would stay");
  fs::remove(store.key);
  REQUIRE(sealed::check_removable(store.folder));
  write_file(store.folder + "/store.db", "damaged");
  REQUIRE(sealed::remove_store(store.folder));
  CHECK(entries(store.dir.path()) == "elsewhere");
  CHECK(refusal() == "there is no key store in " + store.folder);
}

TEST_CASE("remove_store: a living store at the name for remains stays, and so does the one that was to go") {
  const VectorStore store;
  const VectorStore living;
  const std::string content = content_of(living.folder);
  const std::string removed = store.folder + ".removed";
  const auto refusal = [&] {
    const Result<void> checked = sealed::check_removable(store.folder);
    const Result<void> refused = sealed::remove_store(store.folder);
    REQUIRE_FALSE(checked);
    REQUIRE_FALSE(refused);
    CHECK(checked.error().detail == refused.error().detail);
    CHECK(content_of(store.folder) == content);
    return refused.error().detail;
  };
  const std::string no_folder = removed + " is not a folder, and in the way of what is removed: move it away first";
  fs::create_directory_symlink(living.folder, removed);
  CHECK(refusal() == no_folder);
  fs::remove(removed);
  write_file(removed, "a letter");
  CHECK(refusal() == no_folder);
  fs::remove(removed);
  CHECK(content_of(living.folder) == content);
  fs::rename(living.folder, removed);
  const std::string lives = removed + " holds a key store with its master key: move it away first";
  CHECK(refusal() == lives);
  CHECK(content_of(removed) == content);
  fs::rename(removed + "/master.key", removed + "/master.key.new");
  CHECK(refusal() == lives);
  // What removals leave is none: without a key, or with one of zeros.
  write_file(removed + "/master.key.new", std::string(46, '\0'));
  CHECK(sealed::check_removable(store.folder));
  fs::remove(removed + "/master.key.new");
  CHECK(sealed::remove_store(store.folder));
  CHECK(fs::is_empty(store.dir.path()));
}

TEST_CASE("remove_store: a link to a store is refused, and leaves it") {
  const VectorStore store;
  const std::string link = store.dir.file("link");
  fs::create_directory_symlink(store.folder, link);
  for (const std::string& name : {link, link + "/"}) {
    CAPTURE(name);
    for (const Result<void>& refused : {sealed::check_removable(name), sealed::remove_store(name)}) {
      REQUIRE_FALSE(refused);
      CHECK(refused.error().detail == link + " is a link to a key store: remove or export that one in its own place");
    }
  }
  CHECK_FALSE(content_of(store.folder).empty());
  CHECK(entries(store.dir.path()) == "link store");
}

TEST_CASE(
    "remove_store: a folder that may not be changed keeps its store, and one that may not be renamed stays empty") {
  const VectorStore store;
  for (const auto& entry : fs::directory_iterator(store.folder))
    if (::geteuid() == 0) REQUIRE(::chown(entry.path().c_str(), kNobody, kNobody) == 0);
  if (::geteuid() == 0) REQUIRE(::chown(store.folder.c_str(), kNobody, kNobody) == 0);
  const auto remove_with = [&](unsigned folder_mode) {
    fs::permissions(store.dir.path(), fs::perms(0555));
    fs::permissions(store.folder, fs::perms(folder_mode));
    const Unprivileged user;
    return sealed::remove_store(store.folder);
  };
  const std::string key = read_file(store.key);
  write_file(store.folder + "/lock", "");
  fs::permissions(store.folder + "/lock", fs::perms(0666));
  const Result<void> refused = remove_with(0500);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail == "cannot remove what is in " + store.folder + ": Permission denied");
  CHECK(read_file(store.key) == key);
  CHECK(remove_with(0700));
  fs::permissions(store.dir.path(), fs::perms(0755));
  CHECK(fs::is_empty(store.folder));
  CHECK(entries(store.dir.path()) == "store");
}

TEST_CASE("remove_store: whoever waits for the lock of a store that goes does not get that of the next one") {
  const VectorStore store;
  const std::string lock_file = store.folder + "/lock";
  const auto opened = [&] {
    std::size_t count = 0;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd"))
      if (fs::read_symlink(entry, gone) == lock_file) ++count;
    return count;
  };
  auto lock = std::make_unique<sealed::FolderLock>(sealed::FolderLock::acquire(lock_file).value());
  std::string outcome;
  {
    const std::jthread waiting([&] {
      const auto got = sealed::FolderLock::acquire(lock_file, std::chrono::minutes(5));
      outcome = got ? "locked" : got.error().detail;
    });
    while (opened() < 2) std::this_thread::yield();
    fs::remove_all(store.folder);
    lock.reset();
  }
  CHECK(outcome == "there is no " + lock_file + ": the store is gone");
}

TEST_CASE("look_at_store: tells protection and use without a secret, and what is left of a removal") {
  const VectorStore store;
  auto state = sealed::look_at_store(store.folder);
  REQUIRE(state);
  CHECK(state->store_id.has_value());
  CHECK(state->protection == "file");
  CHECK_FALSE(state->holder);
  CHECK_FALSE(state->destroyed);
  CHECK(state->problem.empty());
  {
    const auto held = SqliteStore::open(store.folder);
    REQUIRE(held);
    const auto used = sealed::look_at_store(store.folder);
    CHECK(used->holder == "process " + std::to_string(::getpid()));
    CHECK(used->store_id == state->store_id);
  }
  const std::string before = entries(store.folder);
  CHECK(sealed::look_at_store(store.folder)->problem.empty());
  CHECK(entries(store.folder) == before);
  write_file(store.key, std::string(46, '\0'));
  CHECK(sealed::look_at_store(store.folder)->destroyed);
  fs::rename(store.key, store.dir.file("zeros"));
  for (const std::string& target : {store.dir.file("nowhere"), store.dir.file("zeros")}) {
    fs::create_symlink(target, store.key);
    CHECK_FALSE(sealed::look_at_store(store.folder)->destroyed);
    fs::remove(store.key);
  }
  for (const bool empty : {false, true}) {
    if (empty) write_file(store.key, "");
    state = sealed::look_at_store(store.folder);
    CHECK_FALSE(state->destroyed);
    CHECK(state->key_missing);
    CHECK(state->store_id.has_value());
    CHECK(state->problem ==
          "its master key is missing: bring it back; if the store was being removed, 'sks persona delete store' "
          "finishes that");
  }
  fs::rename(store.dir.file("zeros"), store.key);
  write_file(store.key, "x");
  state = sealed::look_at_store(store.folder);
  CHECK_FALSE(state->destroyed);
  CHECK(state->problem == store.key + " is not a master key file");
  CHECK_FALSE(sealed::look_at_store(store.dir.file("absent")));
}

TEST_CASE("look_at_store: does not wait at a pipe") {
  const VectorStore store;
  for (const char* const name : {"/lock", "/store.db"}) {
    fs::remove(store.folder + name);
    REQUIRE(::mkfifo((store.folder + name).c_str(), 0600) == 0);
  }
  const auto state = sealed::look_at_store(store.folder);
  REQUIRE(state);
  CHECK_FALSE(state->holder);
  CHECK_FALSE(state->store_id);
  CHECK(state->problem == store.folder + "/store.db is not a file");
}

TEST_CASE("look_at_store: a folder that may not be looked into is a store with a problem, not an absent one") {
  const VectorStore store;
  fs::permissions(store.dir.path(), fs::perms(0755));
  if (::geteuid() == 0) REQUIRE(::chown(store.folder.c_str(), kNobody, kNobody) == 0);
  fs::permissions(store.folder, fs::perms(0));
  std::optional<sealed::StoreState> state;
  {
    const Unprivileged user;
    state = sealed::look_at_store(store.folder);
  }
  fs::permissions(store.folder, fs::perms(0700));
  REQUIRE(state);
  CHECK_FALSE(state->store_id);
  CHECK_FALSE(state->destroyed);
  CHECK(state->problem == "cannot read " + store.key + ": Permission denied");
}

}  // namespace sks::test
