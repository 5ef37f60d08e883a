#include "key-user-api/dialog/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <utility>

#include "key-user-api/dialog/held_signals.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/question_text.h"

namespace sks::dialog {
namespace {

constexpr std::size_t kMaxLine = 512;

/// Switches the echo off and puts everything back as it was.
class SilentInput {
 public:
  explicit SilentInput(int fd) : fd_(fd), active_(tcgetattr(fd, &before_) == 0) {
    if (!active_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    silent.c_lflag |= ECHONL;
    active_ = tcsetattr(fd, TCSAFLUSH, &silent) == 0;
  }
  ~SilentInput() {
    if (active_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  SilentInput(const SilentInput&) = delete;
  SilentInput& operator=(const SilentInput&) = delete;

  bool active() const { return active_; }

 private:
  int fd_;
  termios before_{};
  bool active_;
};

}  // namespace

Result<Terminal> Terminal::open(StopRequested stop_requested) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return Error{Status::not_available, "there is no terminal to ask at"};
  return Terminal(fd, stop_requested);
}

Terminal::Terminal(Terminal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), stop_requested_(other.stop_requested_) {}

Terminal::~Terminal() {
  if (fd_ >= 0) ::close(fd_);
}

void Terminal::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Terminal::discard_input() { tcflush(fd_, TCIFLUSH); }

std::optional<SecureBytes> Terminal::read_line() {
  const HeldSignals signals;
  SecureBytes line(kMaxLine);
  std::size_t size = 0;
  while (size < line.size()) {
    if ((stop_requested_ != nullptr && stop_requested_()) || signals.wait(fd_) != HeldSignals::Waited::readable)
      return std::nullopt;
    const ssize_t got = ::read(fd_, line.data() + size, 1);
    if (got <= 0) return std::nullopt;
    if (line.data()[size] == '\n') {
      line.truncate(size);
      return line;
    }
    ++size;
  }
  return std::nullopt;
}

std::optional<SecureBytes> Terminal::read_secret(std::string_view prompt) {
  const SilentInput silent(fd_);
  if (!silent.active()) return std::nullopt;
  write(prompt);
  return read_line();
}

bool ask_yes_no(Terminal& terminal, std::string_view question) {
  terminal.discard_input();
  terminal.write(std::string(question) + " [y/N] ");
  const std::optional<SecureBytes> answer = terminal.read_line();
  return answer && (equal(answer->view(), as_bytes("y")) || equal(answer->view(), as_bytes("yes")));
}

bool TerminalDialog::consent(const keygen2::ConsentRequest& request) {
  terminal_.write(describe_consent(request) + "\n");
  for (const std::string& consequence : request.consequences)
    terminal_.write("- " + describe_consequence(consequence) + "\n");
  // A long list may have pushed the issuer out of sight.
  return ask_yes_no(terminal_, request.consequences.empty() ? "Go on?" : "Go on with " + printable(request.host) + "?");
}

std::optional<SecureBytes> TerminalDialog::choose_pin(const keygen2::PinRequest& request, const std::string& problem) {
  std::string complaint = problem;
  if (complaint.empty())
    terminal_.write("Choose the " + request.label + " for: " + describe_keys(request) + ".\nIt has " +
                    describe_policy(request) + ".\n");
  while (true) {
    if (!complaint.empty()) terminal_.write("Not accepted: " + printable(complaint) + ".\n");
    const auto first = terminal_.read_secret("New " + request.label + ": ");
    if (!first || first->empty()) return std::nullopt;
    const auto second = terminal_.read_secret("Once more: ");
    if (!second) return std::nullopt;
    if (!equal_constant_time(first->view(), second->view())) {
      complaint = "the two entries differ";
      continue;
    }
    auto pin = new_pin_from_text(first->view(), request.format);
    if (pin) return std::move(*pin);
    complaint = pin.error().detail;
  }
}

bool TerminalDialog::accept_many_keys(std::size_t count) {
  return ask_yes_no(terminal_, describe_many_keys(count) + " Go on?");
}

bool TerminalDialog::disclose(const std::vector<std::string>& attributes) {
  terminal_.write("The issuer wants to learn this about the device:\n");
  for (const std::string& attribute : attributes) terminal_.write("- " + describe_attribute(attribute) + "\n");
  return ask_yes_no(terminal_, "Tell it?");
}

void TerminalDialog::alert(const std::string& sentence) { terminal_.write("Note: " + printable(sentence) + "\n"); }

void TerminalDialog::creating_key(const keygen2::KeyCreationProgress& progress) {
  terminal_.write(describe_progress(progress) + "\n");
}

}  // namespace sks::dialog
