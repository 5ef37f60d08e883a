#include "key-user-api/dialog/attendant.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "tests/key-user-api/protection/program_run.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::dialog;
using namespace sks::test;

namespace {

struct Surroundings {
  std::string display;
  std::string wayland_display;
  std::string path;
  std::string pinentry;
};

void surround(const Surroundings& with) {
  const auto set = [](const char* name, const std::string& value) {
    value.empty() ? ::unsetenv(name) : ::setenv(name, value.c_str(), 1);
  };
  set("DISPLAY", with.display);
  set("WAYLAND_DISPLAY", with.wayland_display);
  set("PATH", with.path);
  set("SKS_PINENTRY", with.pinentry);
}

/// What the dialog is in a process without terminal.
std::string found(const char* kind, const Surroundings& with) {
  return run_program_process(ASK_PERSON, {kind, "none"}, [&] { surround(with); }).out;
}

void make_program(const std::string& path) {
  write_file(path, "#!/bin/sh\n");
  REQUIRE(::chmod(path.c_str(), 0700) == 0);
}

}  // namespace

TEST_CASE("Attendant: without a terminal there is pinentry on a desktop only, and only where there is a program") {
  const TempDir dir;
  make_program(dir.file("pinentry"));
  make_program(dir.file("mine"));
  const TempDir empty;
  CHECK(found("auto", {"", "", dir.path(), ""}) == "dialog: none\n");
  CHECK(found("auto", {":0", "", dir.path(), ""}) == "dialog: pinentry\n");
  CHECK(found("auto", {"", "wayland-0", dir.path(), ""}) == "dialog: pinentry\n");
  CHECK(found("auto", {":0", "", empty.path(), ""}) == "dialog: none\n");
  CHECK(found("auto", {":0", "", empty.path(), dir.file("mine")}) == "dialog: pinentry\n");
  CHECK(found("pinentry", {"", "", dir.path(), ""}) == "dialog: pinentry\n");
  CHECK(found("pinentry", {"", "", empty.path() + ":" + dir.path(), "mine"}) == "dialog: pinentry\n");
}

TEST_CASE("Attendant: a dialog that was asked for and is not there is refused in one sentence") {
  const TempDir dir;
  write_file(dir.file("pinentry"), "not executable");
  const auto refusal = [&](const char* kind, const std::string& pinentry) {
    return found(kind, {":0", "", dir.path(), pinentry});
  };
  CHECK(refusal("terminal", "") == "failure: there is no terminal to ask at\n");
  CHECK(refusal("pinentry", "") == "failure: there is no pinentry program in the folders of PATH\n");
  CHECK(refusal("pinentry", "absent") == "failure: there is no program absent, which SKS_PINENTRY names\n");
  CHECK(refusal("pinentry", dir.file("pinentry")) ==
        "failure: there is no program " + dir.file("pinentry") + ", which SKS_PINENTRY names\n");
  REQUIRE(::mkdir(dir.file("folder").c_str(), 0700) == 0);
  for (const std::string& folder : {std::string("folder"), dir.file("folder")})
    CHECK(refusal("pinentry", folder) == "failure: there is no program " + folder + ", which SKS_PINENTRY names\n");
  CHECK(refusal("pinentry", "./mine") == "failure: SKS_PINENTRY is neither an absolute path nor a name: ./mine\n");
}

TEST_CASE("Attendant: folders of PATH that depend on where one stands are not searched") {
  const TempDir dir;
  make_program(dir.file("pinentry"));
  const auto run = run_program_process(ASK_PERSON, {"pinentry", "none"}, [&] {
    surround({"", "", ".::bin", ""});
    if (::chdir(dir.path().c_str()) != 0) ::_exit(99);
  });
  CHECK(run.out == "failure: there is no pinentry program in the folders of PATH\n");
}

TEST_CASE("Attendant: at a terminal the terminal is asked, whatever else there is") {
  ::setenv("DISPLAY", ":0", 1);
  const auto run = run_at_terminal(ASK_PERSON, {"auto", "none"}, {});
  ::unsetenv("DISPLAY");
  CHECK(run.out == "dialog: terminal\r\n");
}
