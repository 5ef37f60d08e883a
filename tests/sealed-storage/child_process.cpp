#include "tests/sealed-storage/child_process.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>

namespace sks::test {

Child::Child(const std::function<void(const Report&)>& body) {
  std::array<int, 2> pipe_ends{};
  REQUIRE(::pipe(pipe_ends.data()) == 0);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    body([&](const std::string& text) {
      const std::string line = text + "\n";
      if (::write(pipe_ends[1], line.data(), line.size()) < 0) ::_exit(1);
    });
    ::_exit(0);
  }
  ::close(pipe_ends[1]);
  read_end_ = pipe_ends[0];
}

Child::~Child() {
  kill();
  ::close(read_end_);
}

std::string Child::report() const {
  std::string line;
  for (char c = 0; ::read(read_end_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

void Child::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

bool mount_small_disk(const std::string& folder) {
  return ::unshare(::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m") == 0;
}

void write_until_full(const std::string& path) {
  std::ofstream out(path, std::ios::binary);
  const std::string block(4096, 'x');
  while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
}

}  // namespace sks::test
