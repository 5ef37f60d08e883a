#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "sealed-storage/files.h"
#include "tests/sealed-storage/killed_process.h"
#include "tests/support/temp_dir.h"

/// A file is replaced while the process dies at any of its system calls.
namespace sks::test {
namespace {

namespace fs = std::filesystem;

const std::string kOld = std::string(46, 'o');
const std::string kNew = std::string(98, 'n');

struct Place {
  Place() { REQUIRE(sealed::write_new_file(path, as_bytes(kOld))); }
  Result<void> replace() const { return sealed::replace_file(path, temporary, as_bytes(kNew)); }
  bool has_leftover() const { return fs::exists(temporary); }

  TempDir dir;
  std::string path = dir.file("master.key");
  std::string temporary = dir.file("master.key.new");
};

std::string names_of(const std::vector<std::uint64_t>& calls) {
  struct Name {
    std::uint64_t number;
    const char* name;
  };
  std::string names;
  for (const std::uint64_t call : calls)
    for (const Name& known : {Name{SYS_write, "write"}, Name{SYS_fsync, "sync"}, Name{SYS_rename, "rename"},
                              Name{SYS_pwrite64, "overwrite"}})
      if (call == known.number) names += std::string(names.empty() ? "" : " ") + known.name;
  return names;
}

}  // namespace

TEST_CASE("replace_file: a death at any system call leaves the old file or the new one, and the next try succeeds") {
  std::size_t with_old = 0;
  std::size_t with_new = 0;
  std::size_t leftovers = 0;
  for (std::size_t stop = 1;; ++stop) {
    CAPTURE(stop);
    const Place place;
    std::vector<std::uint64_t> calls;
    if (!killed_at(stop, calls, [&] { return static_cast<bool>(place.replace()); })) {
      CHECK(read_file(place.path) == kNew);
      CHECK_FALSE(place.has_leftover());
      CHECK(names_of(calls) == "write sync rename sync overwrite sync");
      break;
    }
    const std::string found = read_file(place.path);
    REQUIRE((found == kOld || found == kNew));
    if (names_of(calls).find("rename") == std::string::npos) REQUIRE(found == kOld);
    ++(found == kOld ? with_old : with_new);
    if (place.has_leftover()) ++leftovers;
    REQUIRE(place.replace());
    CHECK(read_file(place.path) == kNew);
    CHECK_FALSE(place.has_leftover());
  }
  const std::size_t deaths = with_old + with_new;
  MESSAGE(deaths << " deaths: " << with_old << " left the old file, " << with_new << " the new one, " << leftovers
                 << " a temporary file");
  CHECK(with_old > 5);
  CHECK(with_new > 5);
  CHECK(leftovers > 3);
}

TEST_CASE("replace_file: overwrites what it replaces, but for a copy that somebody keeps under another name") {
  for (const bool linked : {false, true}) {
    CAPTURE(linked);
    const Place place;
    if (linked) fs::create_hard_link(place.path, place.dir.file("copy"));
    const sealed::FileDescriptor old(::open(place.path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(place.replace());
    std::string content(kOld.size(), 'x');
    REQUIRE(::pread(old.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
    CHECK(content == (linked ? kOld : std::string(kOld.size(), '\0')));
    if (linked) CHECK(read_file(place.dir.file("copy")) == kOld);
    CHECK(read_file(place.path) == kNew);
    CHECK((fs::status(place.path).permissions() & fs::perms::mask) == fs::perms(0600));
  }
}

TEST_CASE("replace_file: a full disk leaves the old file and nothing else") {
  const Place place;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{60, 60};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(place.replace() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(read_file(place.path) == kOld);
  CHECK_FALSE(place.has_leftover());
}

TEST_CASE("replace_file: root leaves the file to its owner") {
  if (::geteuid() != 0) return;  // nobody else can give files away
  const Place place;
  REQUIRE(::chown(place.path.c_str(), 12345, 54321) == 0);
  REQUIRE(place.replace());
  struct stat info {};
  REQUIRE(::stat(place.path.c_str(), &info) == 0);
  CHECK(info.st_uid == 12345);
  CHECK(info.st_gid == 54321);
  CHECK((info.st_mode & 07777U) == 0600U);
}

TEST_CASE("replace_file: refuses a link, and takes the place of an old leftover") {
  const Place place;
  fs::rename(place.path, place.dir.file("elsewhere"));
  const Result<void> missing = place.replace();
  REQUIRE_FALSE(missing);
  CHECK(missing.error().detail == "cannot read " + place.path + ": No such file or directory");
  fs::create_symlink(place.dir.file("elsewhere"), place.path);
  const Result<void> link = place.replace();
  REQUIRE_FALSE(link);
  CHECK(link.error().status == Status::storage);
  CHECK(link.error().detail == place.path + " is a link: a file can only be replaced in its place");
  CHECK(read_file(place.dir.file("elsewhere")) == kOld);
  fs::remove(place.path);
  fs::rename(place.dir.file("elsewhere"), place.path);

  write_file(place.temporary, std::string(100000, 'l'));
  REQUIRE(place.replace());
  CHECK(read_file(place.path) == kNew);
  CHECK_FALSE(place.has_leftover());
}

}  // namespace sks::test
