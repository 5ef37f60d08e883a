#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include "key-user-api/daemon/dialog_protocol.h"
#include "key-user-api/dialog/question_text.h"
#include "key-user-api/dialog/secret_entry.h"
#include "key-user-api/ssh_agent/consent.h"
#include "sks-core/wire/socket.h"

namespace sks::daemon {
namespace {

volatile std::sig_atomic_t g_asked_to_stop = 0;
void note_stop(int /*signal*/) { g_asked_to_stop = 1; }

constexpr auto kStopSignals = std::to_array({SIGTERM, SIGINT, SIGHUP});
sigset_t stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : kStopSignals) ::sigaddset(&signals, signal);
  return signals;
}

/// The terminal that a process is at: its person may have no other window. Empty: none, or not to be seen.
std::string terminal_of(std::uint32_t pid) {
  for (const char* const stream : {"0", "1", "2"}) {
    std::array<char, PATH_MAX> name{};
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + stream;
    const ssize_t size = ::readlink(link.c_str(), name.data(), name.size());
    const std::string_view target(name.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (target.starts_with("/dev/pts/") || target.starts_with("/dev/tty")) return std::string(target);
  }
  return {};
}

std::string description_of(const token::TrustedDialog::Question& question) {
  const std::string program = question.program.executable.empty() ? "A program" : question.program.executable;
  return dialog::for_window(program + " (process " + std::to_string(question.program.pid) + ") wants the " +
                            question.what + " of the token \"" + question.token_label + "\".");
}

Result<std::optional<SecureBytes>> ask(const DialogRequest& request) {
  const token::TrustedDialog::Question& question = request.question;
  dialog::PinentrySettings settings;
  SKS_LET(settings.program, dialog::find_pinentry());
  settings.terminal = terminal_of(question.program.pid);
  settings.stop_requested = [] { return g_asked_to_stop != 0; };
  if (request.consent) {
    SKS_LET(const bool agreed, ssh::ask_consent(settings, question));
    return agreed ? std::optional(SecureBytes()) : std::nullopt;
  }
  const std::string complaint = question.problem.empty() ? "" : dialog::for_window(question.problem);
  const bool is_new = question.what.starts_with("new ");
  const dialog::SecretQuestion asked{description_of(question), dialog::for_window(question.what) + ":", complaint,
                                     is_new};
  if (is_new) return dialog::enter_secret_twice(settings, asked);
  SKS_LET(dialog::SecretEntry entry, dialog::enter_secret(settings, asked));
  return std::move(entry.typed);
}

void send_packet(int socket, const SecureBytes& packet) {
  static_cast<void>(::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL));
}

/// In a process of its own, so that it can be ended at any time.
[[noreturn]] void ask_and_exit(int socket, const DialogRequest& request) {
  struct sigaction action {};
  action.sa_handler = note_stop;
  for (const int signal : kStopSignals) ::sigaction(signal, &action, nullptr);
  const sigset_t signals = stop_signals();
  ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  DialogAnswer answer{request.number};
  auto asked = ask(request);
  if (asked)
    answer.secret = std::move(*asked);
  else
    answer.failure = asked.error().detail;
  send_packet(socket, encode(answer));
  answer.secret.reset();
  ::_exit(0);
}

/// The question that is being asked.
struct Asked {
  std::uint32_t number;
  pid_t process;
  wire::Descriptor ending;  ///< readable when the process has ended
};

class Desk {
 public:
  explicit Desk(int socket) : socket_(socket) {}
  ~Desk() { end(SIGTERM); }

  /// False when sksd is gone.
  bool serve_next() {
    std::array<pollfd, 2> watched{pollfd{socket_, POLLIN, 0}, pollfd{asked_ ? asked_->ending.number() : -1, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0) return errno == EINTR;
    if (watched[1].revents != 0) end(0);
    return watched[0].revents == 0 || take_packet();
  }

 private:
  bool take_packet() {
    std::array<std::uint8_t, kMaxDialogPacket> packet{};
    const ssize_t size = ::recv(socket_, packet.data(), packet.size(), 0);
    if (size <= 0) return size < 0 && errno == EINTR;
    const std::optional<DialogRequest> request = decode_request({packet.data(), static_cast<std::size_t>(size)});
    if (!request) return false;
    if (request->cancels) {
      if (asked_ && asked_->number == request->number) end(SIGTERM);
      return true;
    }
    end(SIGTERM);
    begin(*request);
    return true;
  }

  void begin(const DialogRequest& request) {
    const pid_t process = ::fork();
    if (process == 0) ask_and_exit(socket_, request);
    if (process < 0) return refuse(request.number);
    const auto ending = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
    asked_ = Asked{request.number, process, wire::Descriptor(ending)};
    if (ending < 0) end(SIGTERM);
  }

  /// Waits for the end of the process, which has answered unless it was ended in some other way.
  void end(int signal) {
    if (!asked_) return;
    if (signal != 0) ::kill(asked_->process, signal);
    int status = 0;
    while (::waitpid(asked_->process, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) refuse(asked_->number);
    asked_.reset();
  }

  void refuse(std::uint32_t number) const {
    send_packet(socket_, encode(DialogAnswer{number, std::nullopt, "the dialog has ended unexpectedly"}));
  }

  const int socket_;
  std::optional<Asked> asked_;
};

}  // namespace

void serve_dialogs(int socket) {
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  std::signal(SIGPIPE, SIG_IGN);
  // What ends sksd closes the socket, and nothing else ends us: a key at its terminal asks both to end. Blocked, and
  // not ignored: what is sent to the process of a question before it is ready must not be lost.
  const sigset_t signals = stop_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  for (Desk desk(socket); desk.serve_next();) {
  }
}

}  // namespace sks::daemon
