#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "sealed-storage/files.h"
#include "tests/sealed-storage/failing_sync.h"
#include "tests/sealed-storage/killed_process.h"
#include "tests/support/temp_dir.h"

/// A file at a path that a person chose.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

const std::string kContent(5000, 'c');

struct Place {
  Result<void> write() const { return sealed::write_whole_file(path, as_bytes(kContent)); }
  std::size_t count_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()));
  }

  TempDir dir;
  std::string path = dir.file("keys.sks");
};

}  // namespace

TEST_CASE("write_whole_file: makes a closed file and leaves nothing else, also without a folder in its name") {
  const Place place;
  REQUIRE(place.write());
  struct stat info {};
  REQUIRE(::stat(place.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600U);
  CHECK(read_file(place.path) == kContent);
  CHECK(place.count_files() == 1);

  const fs::path before = fs::current_path();
  fs::current_path(place.dir.path());
  const auto written = sealed::write_whole_file("second", as_bytes(kContent));
  fs::current_path(before);
  CHECK(written);
  CHECK(read_file(place.dir.file("second")) == kContent);
}

TEST_CASE("write_whole_file: leaves what is there, also a link to nowhere") {
  const Place place;
  write_file(place.path, "mine");
  auto refused = place.write();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::option);
  CHECK(refused.error().detail == place.path + " is there already, and is not overwritten");
  CHECK(read_file(place.path) == "mine");
  fs::remove(place.path);
  fs::create_symlink(place.dir.file("nowhere"), place.path);
  CHECK_FALSE(place.write());
  CHECK(place.count_files() == 1);
}

TEST_CASE("write_whole_file: a name that may not last is told, and the file is there") {
  const Place place;
  const FailingSync failing(place.dir.path());
  const auto written = place.write();
  REQUIRE_FALSE(written);
  CHECK(written.error().status == Status::storage);
  CHECK(written.error().detail == place.path + " is in its place, but may not survive a power cut: cannot sync " +
                                      place.dir.path() + ": Input/output error");
  CHECK(read_file(place.path) == kContent);
  CHECK(place.count_files() == 1);
}

TEST_CASE("write_whole_file: a death at any system call leaves the whole file or none") {
  std::size_t none = 0;
  std::size_t whole = 0;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const Place place;
    std::vector<std::uint64_t> calls;
    if (!killed_at(stop, calls, [&] { return static_cast<bool>(place.write()); })) break;
    const bool there = fs::exists(place.path);
    if (there) REQUIRE(read_file(place.path) == kContent);
    ++(there ? whole : none);
  }
  MESSAGE((none + whole) << " deaths: " << none << " left no file, " << whole << " the whole one");
  CHECK(none > 5);
  CHECK(whole > 3);
}

}  // namespace sks::test
