#include "key-user-api/cli/wait_line.h"

#include <unistd.h>

namespace sks::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);
/// A line that a terminal has to break is not taken back by one carriage return.
constexpr std::size_t kMaxNameLength = 50;

}  // namespace

WaitLine::WaitLine(int fd) : fd_(::isatty(fd) == 1 ? fd : -1) {}

void WaitLine::begin(const std::string& whom) {
  text_ = "Waiting for " + (whom.size() > kMaxNameLength ? whom.substr(0, kMaxNameLength) + "..." : whom) + " ...";
  since_ = std::chrono::steady_clock::now();
}

void WaitLine::poll() {
  if (shown_ || std::chrono::steady_clock::now() - since_ < kPatience) return;
  shown_ = true;
  write("\r" + text_);
}

void WaitLine::end() {
  if (!shown_) return;
  shown_ = false;
  write("\r" + std::string(text_.size(), ' ') + "\r");  // every terminal understands blanks
}

void WaitLine::write(const std::string& text) const {
  // A terminal that takes no more misses a courtesy, and nothing else.
  if (fd_ >= 0) static_cast<void>(!::write(fd_, text.data(), text.size()));
}

}  // namespace sks::cli
