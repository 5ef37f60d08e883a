#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "sealed-storage/folder_lock.h"
#include "tests/sealed-storage/failing_sync.h"
#include "tests/sealed-storage/persona_place.h"
#include "tests/sealed-storage/unprivileged.h"

/// Files of exported personas, honest ones and others.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

/// The head with its checksum mended, as somebody would who wants a change to pass for honest.
std::string mend(std::string file) {
  const auto sum = sealed::checksum(as_bytes(file).first(209));
  file.replace(209, sum.size(), to_string(ByteView(sum)));
  return file;
}

constexpr const char* kDamaged = "ERROR_CRYPTO FILE is damaged";
constexpr const char* kForeign = "ERROR_OPTION FILE is not an exported persona";
constexpr const char* kWrong = "ERROR_AUTHORIZATION the passphrase of the exported persona is wrong";

}  // namespace

TEST_CASE("ExportedPersona: a file that another program made becomes the store that is in it") {
  const Place place;
  write_file(place.file, vector_file());
  {
    const auto exported = sealed::ExportedPersona::open(place.file);
    REQUIRE(exported);
    CHECK(exported->head().name == "work");
    CHECK(exported->head().image_size == 20480);
  }
  REQUIRE(place.import_now());
  CHECK(entries(place.dir.path()) == "store");
  CHECK(entries(place.folder) == "lock master.key store.db");
  CHECK(mode_of(place.folder) == 0700);
  CHECK(mode_of(place.folder + "/store.db") == 0600);
  CHECK(mode_of(place.folder + "/master.key") == 0600);
  CHECK(content_of(place.folder) == content_of(VectorStore().folder));
}

TEST_CASE("ExportedPersona: every changed bit of the head is one clear sentence, and nothing is changed") {
  const Place place;
  const std::string good = vector_file();
  for (std::size_t at = 0; at < 213; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      CAPTURE(at);
      CAPTURE(bit);
      std::string file = good;
      file[at] = static_cast<char>(file[at] ^ (1 << bit));
      const std::string refusal = place.refusal(file);
      if (at < 8) {
        CHECK(refusal == kForeign);
      } else if (at == 8 && bit != 0) {
        CHECK(refusal == "ERROR_OPTION FILE is an exported persona of version " +
                             std::to_string(static_cast<int>(static_cast<unsigned char>(file[8]))) +
                             "; this program knows version 1");
      } else {
        CHECK(refusal == kDamaged);
      }
    }
  }
}

TEST_CASE("ExportedPersona: a change of the head by somebody who mended the checksum is refused") {
  const Place place;
  const std::string good = vector_file();
  for (std::size_t at = 9; at < 209; ++at) {
    CAPTURE(at);
    std::string file = good;
    file[at] = static_cast<char>(file[at] ^ 1);
    const std::string refusal = place.refusal(mend(file));
    const bool costs = at >= 130 && at < 133;
    // What the name ends with, or the size of the image, shows before the passphrase is used.
    const bool shows = (at >= 9 && at < 10) || (at >= 14 && at < 74) || (at >= 90 && at < 98);
    if (shows) {
      CHECK(refusal == kDamaged);
    } else {
      CHECK((refusal == kWrong ||
             (costs && refusal.find("demands a key derivation out of all bounds") != std::string::npos)));
    }
  }
}

TEST_CASE("ExportedPersona: every truncated or longer image is refused before the passphrase is asked for") {
  const Place place;
  const std::string good = vector_file();
  const auto check_damaged = [&](const std::string& content, const char* sentence) {
    FixedSecrets secrets(kPassphrase);
    write_file(place.file, content);
    REQUIRE_FALSE(place.import_with(secrets));
    CHECK(secrets.asked == 0);
    CHECK(place.refusal(content) == sentence);
  };
  for (std::size_t size = 0; size < good.size(); size += size < 220 ? 1 : 997) {
    CAPTURE(size);
    check_damaged(good.substr(0, size), size < 8 ? kForeign : kDamaged);
  }
  check_damaged(good + "x", kDamaged);
}

TEST_CASE("ExportedPersona: every changed image is refused, and a wrong passphrase before the image is read") {
  const Place place;
  const std::string good = vector_file();
  for (std::size_t at = 213; at < good.size(); at += 211) {
    CAPTURE(at);
    std::string file = good;
    file[at] = static_cast<char>(file[at] ^ 0x10);
    CHECK(place.refusal(file) == kDamaged);
    if (at < 1000) CHECK(place.refusal(file, "sesam") == kWrong);
  }
}

TEST_CASE("ExportedPersona: an image of more than 2^33 bytes is refused before the passphrase is asked for") {
  const Place place;
  const auto refusal = [&](std::uint64_t size) {
    std::string head = vector_file().substr(0, 213);
    for (std::size_t i = 0; i < 8; ++i) head[90 + i] = static_cast<char>(size >> (56 - 8 * i));
    write_file(place.file, mend(head));
    fs::resize_file(place.file, 213 + size);
    FixedSecrets secrets(kPassphrase);
    const Result<void> refused = place.import_with(secrets);
    REQUIRE_FALSE(refused);
    return std::to_string(secrets.asked) + " " + refused.error().detail;
  };
  CHECK(refusal((std::uint64_t{1} << 33) + 1) == "0 " + place.file + " is damaged");
  CHECK(refusal(std::uint64_t{1} << 33) == "1 the passphrase of the exported persona is wrong");
}

TEST_CASE("ExportedPersona: no other passphrase opens the file, and a wrong one changes nothing") {
  const Place place;
  for (const char* const wrong : {"sesam", "Sesam ", "Sesa", "x"}) CHECK(place.refusal(vector_file(), wrong) == kWrong);
  CHECK(place.refusal(vector_file(), "") == "ERROR_OPTION the passphrase is empty");
}

TEST_CASE("ExportedPersona: what is no exported persona is refused") {
  const Place place;
  CHECK(place.refusal("") == kForeign);
  CHECK(place.refusal(read_file(source_file("tests/vectors/sealed-storage/store-v2/store.db"))) == kForeign);
  CHECK(place.refusal(read_file(source_file("tests/vectors/sealed-storage/store-v2/master.key"))) == kForeign);
  fs::remove(place.file);
  CHECK(place.import_now().error().detail == "there is no file " + place.file);
  fs::create_directory(place.file);
  CHECK(place.import_now().error().detail == place.file + " is not an exported persona");
  fs::remove(place.file);
  REQUIRE(::mkfifo(place.file.c_str(), 0600) == 0);
  CHECK(place.import_now().error().detail == place.file + " is not an exported persona");
  fs::remove(place.file);
  fs::create_symlink(source_file("tests/vectors/sealed-storage/persona-v1.sks"), place.file);
  CHECK(place.import_now().error().detail == place.file + " is a link: name the file that it leads to");
}

TEST_CASE("ExportedPersona: the image of another store, or an older one of the same, does not fit the file") {
  const VectorStore store;
  const Place place;
  REQUIRE(export_now(store, place.file));
  std::string file = read_file(place.file);
  const VectorStore other;
  run_sql(other.folder + "/store.db", "UPDATE store SET generation = 5; PRAGMA wal_checkpoint(TRUNCATE)");
  std::string image = read_file(other.folder + "/store.db");
  REQUIRE(image.size() == file.size() - 213);
  REQUIRE(image != file.substr(213));
  CHECK(place.refusal(file.substr(0, 213) + image) == kDamaged);
  const crypto::Sha256Digest digest = crypto::sha256(as_bytes(image));
  file = file.substr(0, 98) + to_string(ByteView(digest)) + file.substr(130, 83) + image;
  CHECK(place.refusal(mend(file)) == kWrong);
}

TEST_CASE("ExportedPersona: a file is imported by one process at a time, and not after it was destroyed") {
  const Place place;
  write_file(place.file, vector_file());
  auto first = sealed::ExportedPersona::open(place.file);
  REQUIRE(first);
  CHECK(place.import_now().error().detail == place.file + " is in use by another process");
  FixedSecrets secrets(kPassphrase);
  REQUIRE(first->import_to(place.folder, sealed::key_file_provider(), no_secrets(), secrets));
  CHECK(place.import_now().error().detail == "there is no file " + place.file);
}

TEST_CASE("ExportedPersona: an import where a store is, or other files are, leaves both as they were") {
  const Place place;
  const VectorStore store;
  write_file(place.file, vector_file());
  fs::copy(store.folder, place.folder);
  CHECK(place.import_now().error().detail == "there is a key store in " + place.folder + " already");
  fs::remove(place.folder + "/master.key");
  CHECK(place.import_now().error().detail == missing_key(place.folder));
  write_file(place.folder + "/master.key", std::string(46, '\0'));
  fs::permissions(place.folder + "/master.key", fs::perms(0600));
  CHECK(place.import_now().error().detail == "the master key of " + place.folder +
                                                 " was destroyed by a removal or an export that was interrupted: "
                                                 "delete what is left");
  fs::remove_all(place.folder);
  fs::create_directory(place.folder);
  write_file(place.folder + "/letter", "to Jo");
  CHECK(place.import_now().error().detail == place.folder + " is not empty: a key store needs a folder of its own");
  CHECK(read_file(place.file) == vector_file());
  CHECK(entries(place.dir.path()) == "file store");
  fs::remove(place.folder + "/letter");
  CHECK(place.import_now());
}

TEST_CASE(
    "ExportedPersona: a file that could not be destroyed afterwards is refused before the passphrase is asked for") {
  const Place place;
  const auto refusal = [&] {
    FixedSecrets secrets(kPassphrase);
    const Result<void> refused = place.import_with(secrets);
    REQUIRE_FALSE(refused);
    CHECK(secrets.asked == 0);
    CHECK(read_file(place.file) == vector_file());
    CHECK_FALSE(fs::exists(place.folder));
    return refused.error().detail;
  };
  write_file(place.file, vector_file());
  fs::create_hard_link(place.file, place.dir.file("copy"));
  CHECK(refusal() == place.file + " has another name, under which it would stay");
  fs::remove(place.dir.file("copy"));

  fs::permissions(place.file, fs::perms(0444));
  fs::permissions(place.dir.path(), fs::perms(0755));
  std::string sentence;
  {
    const Unprivileged user;
    sentence = refusal();
  }
  CHECK(sentence == place.file + " is write-protected, so it cannot be destroyed");
}

TEST_CASE("ExportedPersona: of what happens to its file meanwhile is told, and no other file is destroyed") {
  const auto failure = [](const Place& place, const std::function<void()>& meanwhile) {
    write_file(place.file, vector_file());
    WatchedSecrets secrets([] {}, meanwhile);
    const Result<void> imported = place.import_with(secrets);
    REQUIRE_FALSE(imported);
    CHECK(imported.error().status == Status::external);
    CHECK(content_of(place.folder) == content_of(VectorStore().folder));
    return imported.error().detail;
  };
  const auto sentence = [](const Place& place, const std::string& reason) {
    return "the persona is in " + place.folder +
           ", and its file does not open any more, but is not removed: " + place.file + reason;
  };
  const std::string zeros(vector_file().size(), '\0');
  const Place linked;
  CHECK(failure(linked, [&] { fs::create_hard_link(linked.file, linked.dir.file("copy")); }) ==
        sentence(linked, " was given another name meanwhile; it is destroyed, remove that name too"));
  CHECK_FALSE(fs::exists(linked.file));
  CHECK(read_file(linked.dir.file("copy")) == zeros);

  const char* const moved = " was moved meanwhile; it is destroyed, remove it where it is now";
  const auto replace = [](const Place& place) {
    fs::rename(place.file, place.dir.file("moved"));
    write_file(place.file, "a letter");
  };
  const auto check_replaced = [&](const Place& place) {
    CHECK(read_file(place.file) == "a letter");
    CHECK(read_file(place.dir.file("moved")) == zeros);
  };
  const Place replaced;
  CHECK(failure(replaced, [&] { replace(replaced); }) == sentence(replaced, moved));
  check_replaced(replaced);
  // The latest moment at which it can still be noticed: when the file was overwritten.
  const Place late;
  std::optional<AfterSync> hook;
  CHECK(failure(late, [&] { hook.emplace(late.file, [&] { replace(late); }); }) == sentence(late, moved));
  hook.reset();
  check_replaced(late);
}

TEST_CASE("ExportedPersona: a file that cannot be overwritten is told by its name, or to have moved from it") {
  for (const bool moves : {false, true}) {
    CAPTURE(moves);
    const Place place;
    write_file(place.file, vector_file());
    const FailingSync failing(place.file);
    WatchedSecrets secrets([] {},
                           [&] {
                             if (moves) fs::rename(place.file, place.dir.file("moved"));
                             if (moves) write_file(place.file, "a letter");
                           });
    const Result<void> imported = place.import_with(secrets);
    REQUIRE_FALSE(imported);
    CHECK(imported.error().detail == "the persona is in " + place.folder + ", but its file may still open: destroy " +
                                         (moves ? "it where it is now" : place.file) + " (cannot overwrite " +
                                         place.file + ": Input/output error)");
    if (moves) CHECK(read_file(place.file) == "a letter");
  }
}

TEST_CASE("ExportedPersona: a file in a folder that may not be changed is destroyed, and what is left of it is told") {
  const Place place;
  const TempDir stick;
  const std::string file = stick.file("file");
  write_file(file, vector_file());
  for (const std::string& path : {file, place.dir.path()})
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
  fs::permissions(stick.path(), fs::perms(0555));
  Result<void> imported;
  {
    const Unprivileged user;
    FixedSecrets secrets(kPassphrase);
    auto exported = sealed::ExportedPersona::open(file);
    REQUIRE(exported);
    imported = exported->import_to(place.folder, sealed::key_file_provider(), no_secrets(), secrets);
  }
  fs::permissions(stick.path(), fs::perms(0755));
  REQUIRE_FALSE(imported);
  CHECK(imported.error().detail == "the persona is in " + place.folder +
                                       ", and its file does not open any more, but is not removed: cannot remove " +
                                       file + ", which was overwritten: Permission denied");
  CHECK(read_file(file) == std::string(vector_file().size(), '\0'));
}

TEST_CASE("ExportedPersona: an import that is asked to stop leaves the file alone, and makes the master key last") {
  const std::string image = vector_file().substr(213);
  std::size_t keys_seen = 0;
  std::size_t stops = 0;
  for (;; ++stops) {
    CAPTURE(stops);
    const Place place;
    write_file(place.file, vector_file());
    FixedSecrets secrets(kPassphrase);
    std::size_t asked = 0;
    const Result<void> imported = place.import_with(secrets, [&] {
      const std::string staging = place.folder + ".importing/.store";
      if (fs::exists(staging + "/master.key")) {
        ++keys_seen;
        CHECK(read_file(staging + "/store.db") == image);
      }
      return asked++ == stops;
    });
    if (imported) break;
    CHECK(imported.error().status == Status::user_abort);
    CHECK(imported.error().detail == "interrupted: nothing was moved");
    CHECK(entries(place.dir.path()) == "file");
    CHECK(read_file(place.file) == vector_file());
  }
  CHECK(stops > 3);
  CHECK(keys_seen > 1);
}

TEST_CASE("ExportedPersona: an import removes what interrupted ones have left, and nothing else") {
  const Place place;
  const auto leave = [&](const std::string& name) {
    fs::create_directories(place.dir.file(name));
    for (const char* const file : {"store.db", "master.key", "lock"})
      write_file(place.dir.file(name) + "/" + file, "left");
    return place.dir.file(name);
  };
  leave("another.importing/.store");
  leave("store.importing/.store");
  const std::vector<std::string> left{place.dir.file("another.importing"), place.dir.file("store.importing")};
  const auto running = sealed::FolderLock::acquire(leave("running.importing/.store") + "/lock");
  REQUIRE(running);
  write_file(leave("letters.importing/.store") + "/letter", "to Jo");
  leave("mixed.importing/.store");
  leave("mixed.importing");
  leave("default");
  leave("living.importing");
  write_file(place.dir.file("file.importing"), "a letter");
  fs::create_directory(place.dir.file("inner.importing"));
  fs::create_directory_symlink("../default", place.dir.file("inner.importing/.store"));
  leave("elsewhere/.store");
  fs::create_directory_symlink("elsewhere", place.dir.file("link.importing"));
  CHECK(sealed::interrupted_imports(place.dir.path()) == left);
  write_file(place.file, vector_file());
  CHECK_FALSE(place.import_now("wrong"));
  CHECK(sealed::interrupted_imports(place.dir.path()) == left);
  REQUIRE(place.import_now());
  CHECK(sealed::interrupted_imports(place.dir.path()).empty());
  CHECK(entries(place.dir.path()) ==
        "default elsewhere file.importing inner.importing letters.importing link.importing living.importing "
        "mixed.importing running.importing store");
  for (const char* const kept : {"default", "elsewhere/.store", "living.importing"}) {
    CAPTURE(kept);
    CHECK(entries(place.dir.file(kept)) == "lock master.key store.db");
    CHECK(read_file(place.dir.file(kept) + "/master.key") == "left");
  }
  CHECK(entries(place.dir.file("letters.importing/.store")) == "letter lock master.key store.db");
  CHECK(entries(place.dir.file("mixed.importing")) == ".store lock master.key store.db");
  CHECK(sealed::interrupted_imports(place.dir.file("absent")).empty());
}

TEST_CASE("ExportedPersona: of two imports at once, one looks at the other stores after the other has made its own") {
  const Place place;
  const std::string other_file = place.dir.file("other_file");
  const std::string other_folder = place.dir.file("other");
  write_file(place.file, vector_file());
  write_file(other_file, vector_file());
  std::atomic<bool> second_looks = false;
  std::atomic<bool> second_saw_first = false;
  std::jthread second;
  FixedSecrets secrets(kPassphrase);
  auto exported = sealed::ExportedPersona::open(place.file);
  REQUIRE(exported);
  const auto import_second = [&] {
    FixedSecrets second_secrets(kPassphrase);
    auto copy = sealed::ExportedPersona::open(other_file);
    static_cast<void>(copy->import_to(other_folder, sealed::key_file_provider(), no_secrets(), second_secrets,
                                      sealed::never, [&]() -> Result<void> {
                                        second_looks = true;
                                        second_saw_first = fs::exists(place.folder);
                                        return Error{Status::option, "here already"};
                                      }));
  };
  REQUIRE(exported->import_to(place.folder, sealed::key_file_provider(), no_secrets(), secrets, sealed::never,
                              [&]() -> Result<void> {
                                second = std::jthread(import_second);
                                while (!fs::exists(other_folder + ".importing/.store/master.key"))
                                  std::this_thread::yield();
                                std::this_thread::sleep_for(std::chrono::milliseconds(200));
                                CHECK_FALSE(second_looks);
                                return {};
                              }));
  second.join();
  CHECK(second_saw_first);
  CHECK(entries(place.dir.path()) == "other_file store");
  CHECK(read_file(other_file) == vector_file());
}

TEST_CASE("ExportedPersona: what is at the name of an import, and was left by none, is in its way and stays") {
  const Place place;
  const VectorStore living;
  const std::string content = content_of(living.folder);
  const std::string importing = place.folder + ".importing";
  const auto refusal = [&] {
    write_file(place.file, vector_file());
    const Result<void> refused = place.import_now();
    REQUIRE_FALSE(refused);
    CHECK(read_file(place.file) == vector_file());
    CHECK_FALSE(fs::exists(place.folder));
    return refused.error().detail;
  };
  const std::string no_folder = importing + " is not a folder, and in the way of an import: move it away first";
  write_file(importing, "a letter");
  CHECK(refusal() == no_folder);
  CHECK(read_file(importing) == "a letter");
  fs::remove(importing);
  fs::create_directory_symlink(living.folder, importing);
  CHECK(refusal() == no_folder);
  fs::remove(importing);
  fs::create_directory(importing);
  fs::create_directory_symlink(living.folder, importing + "/.store");
  CHECK(refusal() == importing + " holds '.store', which no import has left: move it away first");
  fs::remove_all(importing);
  CHECK(content_of(living.folder) == content);

  fs::rename(living.folder, importing);
  CHECK(refusal().find(", which no import has left: move it away first") != std::string::npos);
  CHECK(content_of(importing) == content);
  fs::rename(importing, living.folder);
  fs::create_directories(importing + "/.store");
  write_file(importing + "/.store/letter", "to Jo");
  CHECK(refusal() == importing + "/.store holds 'letter', which is not of the key store: move it away first");
  CHECK(read_file(importing + "/.store/letter") == "to Jo");
  fs::remove(importing + "/.store/letter");
  CHECK(place.import_now());
  CHECK(entries(place.dir.path()) == "store");
}

TEST_CASE("ExportedPersona: the file stays when the store in its place may not survive a power cut") {
  const Place place;
  write_file(place.file, vector_file());
  {
    const FailingSync failing(place.dir.path());
    const Result<void> imported = place.import_now();
    REQUIRE_FALSE(imported);
    CHECK(imported.error().status == Status::external);
    CHECK(imported.error().detail == place.folder + " is in its place, but may not survive a power cut: cannot sync " +
                                         place.dir.path() + ": Input/output error; " + place.file +
                                         " was not destroyed");
  }
  CHECK(content_of(place.folder) == content_of(VectorStore().folder));
  CHECK(read_file(place.file) == vector_file());
}

}  // namespace sks::test
