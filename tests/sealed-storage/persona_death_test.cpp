#include <doctest/doctest.h>

#include <filesystem>

#include "sealed-storage/persona.h"
#include "sealed-storage/store_state.h"
#include "tests/sealed-storage/killed_process.h"
#include "tests/sealed-storage/secrets.h"
#include "tests/sealed-storage/store_fixture.h"
#include "tests/sealed-storage/vector_store.h"

/// A persona is moved or removed while the process dies at any of its system calls.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

constexpr crypto::ScryptCosts kLowCosts{10, 8, 1};
constexpr const char* kPassphrase = "Sesam";

/// All that may be beside the store.
struct Places {
  explicit Places(const VectorStore& store)
      : folder(store.folder), file(store.dir.file("file")), back(store.dir.file("back")) {}

  std::string folder;
  std::string file;
  std::string back;

  bool export_now() const {
    FixedSecrets secrets(kPassphrase, kPassphrase);
    return static_cast<bool>(sealed::export_store({folder, "work", file, {}, kLowCosts}, no_secrets(), secrets));
  }
  Result<void> import_now() const {
    FixedSecrets secrets(kPassphrase);
    SKS_LET(sealed::ExportedPersona exported, sealed::ExportedPersona::open(file));
    return exported.import_to(back, sealed::key_file_provider(), no_secrets(), secrets);
  }
};

/// Whether a store has its master key. One without is no store any more.
bool alive(const std::string& folder) {
  const auto state = sealed::look_at_store(folder);
  return state && !state->destroyed && !state->key_missing;
}

/// No folder with a master key but those that are known.
void check_no_other_store(const std::string& dir, const std::string& known) {
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.is_directory() && entry.path() != known) CHECK_FALSE(alive(entry.path()));
}

void remove_unfinished(const std::string& dir) {
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.path().string().find(".unfinished-") != std::string::npos) fs::remove(entry);
}

struct Deaths {
  std::size_t before = 0;  ///< only the old place opened
  std::size_t both = 0;
  std::size_t after = 0;  ///< only the new place opened

  void count(bool old_place, bool new_place) {
    REQUIRE((old_place || new_place));
    ++(old_place && new_place ? both : old_place ? before : after);
  }
  void report(const std::string& what) const {
    const std::size_t deaths = before + both + after;
    MESSAGE(deaths << " deaths " << what << ": " << before << " before, " << both << " with both, " << after
                   << " after");
    CHECK(before > 50);
    CHECK(both > 0);
    CHECK(after > 5);
  }
};

}  // namespace

TEST_CASE("export: a death at any system call leaves the store or the file, whole") {
  const std::string content = content_of(VectorStore().folder);
  Deaths deaths;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const VectorStore store;
    const Places places(store);
    std::vector<std::uint64_t> calls;
    const bool killed = killed_at(stop, calls, [&] { return places.export_now(); });
    const bool there = alive(store.folder);
    const bool exported = fs::exists(places.file);
    check_no_other_store(store.dir.path(), store.folder);
    deaths.count(there, exported);
    if (there) REQUIRE(content_of(store.folder) == content);
    if (exported) {
      REQUIRE(places.import_now());
      REQUIRE(content_of(places.back) == content);
    }
    if (!killed) {
      CHECK_FALSE(there);
      break;
    }
    // Whatever was left: the store can be exported again when the sentence was followed, or removed.
    if (there) {
      remove_unfinished(store.dir.path());
      REQUIRE(places.export_now());
    } else if (sealed::look_at_store(store.folder)) {
      REQUIRE(sealed::remove_store(store.folder));
    }
    CHECK_FALSE(fs::exists(store.folder));
  }
  deaths.report("of an export");
}

TEST_CASE("import: a death at any system call leaves the store or the file, whole") {
  const std::string content = content_of(VectorStore().folder);
  Deaths deaths;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const VectorStore store;
    const Places places(store);
    fs::copy(source_file("tests/vectors/sealed-storage/persona-v1.sks"), places.file);
    std::vector<std::uint64_t> calls;
    const bool killed = killed_at(stop, calls, [&] { return static_cast<bool>(places.import_now()); });
    const bool there = alive(places.back);
    const bool file_opens = static_cast<bool>(sealed::ExportedPersona::open(places.file));
    deaths.count(file_opens, there);
    if (there) REQUIRE(content_of(places.back) == content);
    if (!killed) {
      CHECK_FALSE(fs::exists(places.file));
      break;
    }
    if (there) continue;
    REQUIRE(places.import_now());
    REQUIRE(content_of(places.back) == content);
    CHECK_FALSE(fs::exists(places.back + ".importing"));
  }
  deaths.report("of an import");
}

TEST_CASE("delete: a death at any system call leaves a whole store, or one that never opens") {
  const std::string content = content_of(VectorStore().folder);
  std::size_t whole = 0;
  std::size_t destroyed = 0;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const VectorStore store;
    std::vector<std::uint64_t> calls;
    const bool killed = killed_at(stop, calls, [&] { return static_cast<bool>(sealed::remove_store(store.folder)); });
    check_no_other_store(store.dir.path(), store.folder);
    const bool there = alive(store.folder);
    if (there) REQUIRE(content_of(store.folder) == content);
    if (!there) REQUIRE_FALSE(SqliteStore::open(store.folder));
    if (!killed) {
      CHECK(fs::is_empty(store.dir.path()));
      break;
    }
    ++(there ? whole : destroyed);
    // A second try ends what the first has begun.
    if (sealed::look_at_store(store.folder)) REQUIRE(sealed::remove_store(store.folder));
    CHECK_FALSE(fs::exists(store.folder));
  }
  const std::size_t deaths = whole + destroyed;
  MESSAGE(deaths << " deaths: " << whole << " left the store, " << destroyed << " none");
  CHECK(whole > 10);
  CHECK(destroyed > 10);
}

}  // namespace sks::test
