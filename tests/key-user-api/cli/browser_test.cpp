#include "key-user-api/cli/browser.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "key-user-api/cli/child_process.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::cli;

namespace {

/// Programs in the place of those of the desktop, as the only ones in $PATH.
class FakePath {
 public:
  FakePath() : before_(std::getenv("PATH")) { ::setenv("PATH", dir_.path().c_str(), 1); }
  ~FakePath() { ::setenv("PATH", before_.c_str(), 1); }
  FakePath(const FakePath&) = delete;
  FakePath& operator=(const FakePath&) = delete;

  void add(const std::string& name, const std::string& script) const {
    test::write_file(dir_.file(name), "#!/bin/sh\n" + script + "\n");
    REQUIRE(::chmod(dir_.file(name).c_str(), 0755) == 0);
  }
  std::string file(const std::string& name) const { return dir_.file(name); }

 private:
  test::TempDir dir_;
  std::string before_;
};

class RecordingBrowser final : public Browser {
 public:
  Result<void> open(const std::string& uri) override {
    opened.push_back(uri);
    return answer;
  }
  std::vector<std::string> opened;
  Result<void> answer;
};

std::string shown(const Termination& termination, Browser* browser) {
  std::ostringstream out;
  show_termination(termination, "about this", browser, out);
  return out.str();
}

}  // namespace

TEST_CASE("DesktopBrowser: xdg-open gets the URI as its one argument, and no shell sees it") {
  const FakePath path;
  const std::string record = path.file("record");
  path.add("xdg-open", "printf '%s|' $# \"$@\" > '" + record + "'");
  const std::string uri = "https://issuer.example/result?a=$(touch%20x)&b='`id`';c|d#e";
  REQUIRE(DesktopBrowser().open(uri));
  CHECK(test::read_file(record) == "1|" + uri + "|");
}

// keygen2.md 9.6: "open Location only if http(s)".
TEST_CASE("DesktopBrowser: what is no web page never reaches xdg-open") {
  const FakePath path;
  const std::string record = path.file("record");
  test::write_file(record, "");
  path.add("xdg-open", "echo \"$@\" > '" + record + "'");
  for (const char* const uri : {"", "file:///etc/passwd", "javascript:alert(1)", "--help", "issuer.example",
                                "keygen2://?x", "httpsx://a", " https://a", "-https://a"}) {
    CAPTURE(uri);
    const auto opened = DesktopBrowser().open(uri);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == Status::option);
  }
  CHECK(test::read_file(record).empty());
}

TEST_CASE("DesktopBrowser: an xdg-open that fails or is not there is told") {
  const FakePath path;
  CHECK(DesktopBrowser().open("https://a.example/").error().detail == "there is no xdg-open");
  path.add("xdg-open", "exit 3");
  CHECK(DesktopBrowser().open("https://a.example/").error().detail == "xdg-open ended with exit code 3");
  test::write_file(path.file("xdg-open"), "no program");
  const auto broken = DesktopBrowser().open("https://a.example/");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().status == Status::not_available);
}

TEST_CASE("run_quietly: a program has no input, no output and no terminal of ours, and may go on") {
  const FakePath path;
  const std::string record = path.file("record");
  path.add("tool",
           "if read line; then exit 9; fi; echo noise; echo noise >&2\n"
           "read pid name state parent group session rest < /proc/self/stat; [ $session = $$ ] || exit 8; exit 7");
  const auto ended = run_quietly(path.file("tool"), {}, std::chrono::seconds(20));
  REQUIRE(ended);
  CHECK(*ended == 7);
  const std::string gate = path.file("gate");
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  path.add("slow", "read line < '" + gate + "'; echo went on > '" + record + "'; echo > '" + gate + "'");
  const auto running = run_quietly(path.file("slow"), {}, std::chrono::milliseconds(0));
  REQUIRE(running);
  CHECK_FALSE(running->has_value());
  test::write_file(gate, "go\n");
  CHECK(test::read_file(gate) == "\n");
  CHECK(test::read_file(record) == "went on\n");
}

TEST_CASE("show_termination: opens the location, or says where it is") {
  const Termination termination{"https://issuer.example/done", ""};
  CHECK(shown(termination, nullptr) == "The issuer's page about this: https://issuer.example/done\n");
  RecordingBrowser browser;
  CHECK(shown(termination, &browser) == "Opened the issuer's page about this: https://issuer.example/done\n");
  CHECK(browser.opened == std::vector<std::string>{"https://issuer.example/done"});
  browser.answer = Error{Status::not_available, "there is no xdg-open"};
  CHECK(shown(termination, &browser) ==
        "The issuer's page about this: https://issuer.example/done (cannot be opened: there is no xdg-open)\n");
}

TEST_CASE("show_termination: the text of a page is shown, and no page at all is not mentioned") {
  RecordingBrowser browser;
  CHECK(shown({"", "Sorry.\nBye."}, &browser) == "The issuer's page about this:\n\nSorry.\nBye.\n\n");
  CHECK(shown({"", ""}, &browser).empty());
  CHECK(browser.opened.empty());
}
