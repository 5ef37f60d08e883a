#include "key-user-api/dialog/program_path.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::dialog;

namespace {

/// Another $PATH, as long as this lives.
class PathVariable {
 public:
  explicit PathVariable(const std::string& value) : before_(std::getenv("PATH")) { set(value); }
  ~PathVariable() { set(before_); }
  PathVariable(const PathVariable&) = delete;
  PathVariable& operator=(const PathVariable&) = delete;

  static void set(const std::string& value) { ::setenv("PATH", value.c_str(), 1); }

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("find_in_path: finds programs in absolute folders, and nothing else") {
  const test::TempDir dir;
  const PathVariable path(dir.path());
  test::write_file(dir.file("tool"), "#!/bin/sh\n");
  REQUIRE(::chmod(dir.file("tool").c_str(), 0755) == 0);
  test::write_file(dir.file("data"), "");
  REQUIRE(::mkdir(dir.file("folder").c_str(), 0700) == 0);
  CHECK(find_in_path("tool") == dir.file("tool"));
  CHECK_FALSE(find_in_path("data"));
  CHECK_FALSE(find_in_path("folder"));
  CHECK_FALSE(find_in_path("absent"));
  PathVariable::set("::relative:.:" + dir.path());
  CHECK(find_in_path("tool").has_value());
  PathVariable::set("");
  CHECK_FALSE(find_in_path("tool"));
}
