#include "key-user-api/daemon/use_log.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::daemon;
using namespace std::chrono_literals;

namespace {

Use use_of(std::string executable, std::uint64_t subject = 5377) {
  Use use;
  use.time = std::chrono::system_clock::time_point(1'700'000'000'042ms);  // date -u -d @1700000000
  use.peer = std::make_shared<Peer>(Peer{1000, {std::move(executable), 4711}});
  use.application = 3;
  use.record.method = "operate";
  use.record.subject = subject;
  use.record.mechanism = 0x1041;
  use.record.result = 0xA0;
  use.duration = 34us;
  return use;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> lines;
  std::istringstream in(test::read_file(file));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("log: a line is a JSON object") {
  CHECK(line_of(use_of("/usr/bin/ssh")) ==
        R"({"time":"2023-11-14T22:13:20.042Z","uid":1000,"pid":4711,"program":"/usr/bin/ssh","application":3,)"
        R"("method":"operate","subject":5377,"mechanism":4161,"result":160,"us":34})");
}

TEST_CASE("log: names of programs cannot forge lines or reach a terminal") {
  for (const std::string& name :
       {std::string("/tmp/a\n{\"time\":\"x\"}"), std::string("/tmp/\x1b[2J\"\\\x7f"), std::string("/tmp/\xff\xfe"),
        // U+009B, which is ESC [ in one, U+0080 and U+009F
        std::string("/tmp/\xc2\x9b"
                    "2J\xc2\x80\xc2\x9f")}) {
    const std::string line = line_of(use_of(name));
    CAPTURE(line);
    CHECK(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
    const auto parsed = nlohmann::json::parse(line);
    CHECK(parsed["pid"] == 4711);
    if (name[5] != '\xff') CHECK(parsed["program"] == name);
  }
  CHECK(line_of(use_of("/home/jürgen/x")).find("jürgen") != std::string::npos);
  CHECK(line_of(use_of("/\xc2\xa0\xe2\x82\xac")).find("/\xc2\xa0\xe2\x82\xac") != std::string::npos);
}

TEST_CASE("log: lines are in the file, which is for the user alone, in the order in which they came") {
  const test::TempDir folder;
  const std::string file = folder.path() + "/state/sks/default.log";
  {
    auto log = UseLog::open({.file = file});
    REQUIRE(log);
    for (std::uint64_t i = 0; i < 5000; ++i) (*log)->add(use_of("/bin/x", i));
    (*log)->note("ending");
  }
  const std::vector<std::string> lines = lines_of(file);
  REQUIRE(lines.size() == 5001);
  for (std::uint64_t i = 0; i < 5000; ++i) REQUIRE(nlohmann::json::parse(lines[i])["subject"] == i);
  CHECK(nlohmann::json::parse(lines[5000])["note"] == "ending");
  struct stat made {};
  REQUIRE(::stat(file.c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0600);
}

TEST_CASE("log: a line is there soon, and a file that is full makes way") {
  const test::TempDir folder;
  const std::string file = folder.file("log");
  auto log = UseLog::open({.file = file, .rotate_at = 4000});
  REQUIRE(log);
  for (int i = 0; i < 60; ++i) {
    (*log)->add(use_of("/bin/x"));
    if (i % 10 == 9) std::this_thread::sleep_for(120ms);
  }
  const std::size_t now = std::filesystem::file_size(file);
  CHECK(now > 0);
  CHECK(now < 4000 + 3000);
  REQUIRE(std::filesystem::exists(file + ".1"));
  CHECK(std::filesystem::file_size(file + ".1") < 4000 + 3000);
  CHECK_FALSE(std::filesystem::exists(file + ".2"));
}

TEST_CASE("log: what cannot be a log is refused") {
  const test::TempDir folder;
  test::write_file(folder.file("target"), "mine");
  std::filesystem::create_symlink(folder.file("target"), folder.file("link"));
  CHECK_FALSE(UseLog::open({.file = folder.file("link")}));
  CHECK_FALSE(UseLog::open({.file = folder.path()}));
  CHECK_FALSE(UseLog::open({.file = folder.file("target") + "/x"}));
  CHECK(test::read_file(folder.file("target")) == "mine");
}

TEST_CASE("log: a reader that does not read costs lines, and nobody waits for long") {
  std::array<int, 2> log_ends{};
  std::array<int, 2> done_ends{};
  REQUIRE(::pipe(log_ends.data()) == 0);
  REQUIRE(::pipe(done_ends.data()) == 0);
  const pid_t process = ::fork();
  if (process == 0) {
    ::close(log_ends[0]);
    ::dup2(log_ends[1], STDERR_FILENO);
    ::close(log_ends[1]);
    auto log = UseLog::open({.file = "", .most_waiting = 100, .patience = 2ms});
    if (!log) ::_exit(2);
    for (int i = 0; i < 2000; ++i) (*log)->add(use_of("/bin/x"));
    static_cast<void>(::write(done_ends[1], "d", 1) == 1);
    log->reset();
    ::_exit(0);
  }
  ::close(log_ends[1]);
  ::close(done_ends[1]);
  char done = 0;
  REQUIRE(::read(done_ends[0], &done, 1) == 1);  // all was said before anything was read
  std::string all;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(log_ends[0], part.data(), part.size())) > 0;)
    all.append(part.data(), static_cast<std::size_t>(got));
  int status = 1;
  REQUIRE(::waitpid(process, &status, 0) == process);
  CHECK(status == 0);
  long written = 0;
  long missing = 0;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) {
    const auto parsed = nlohmann::json::parse(line);
    parsed.contains("note") ? missing += std::stol(parsed["note"].get<std::string>()) : ++written;
  }
  CHECK(missing > 0);
  CHECK(written + missing == 2000);
  ::close(log_ends[0]);
  ::close(done_ends[0]);
}
