#include "key-user-api/daemon/dialog_helper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "key-user-api/daemon/dialog_protocol.h"
#include "key-user-api/daemon/peer.h"

namespace sks::daemon {

DialogHelper::DialogHelper(pid_t process, wire::Descriptor socket, wire::Descriptor stopped)
    : process_(process), socket_(std::move(socket)), stopped_(std::move(stopped)) {}

Result<std::unique_ptr<DialogHelper>> DialogHelper::start() {
  const auto failed = [] { return wire::system_error(Status::not_available, "No process for dialogs", errno); };
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed();
  wire::Descriptor ours(ends[0]);
  wire::Descriptor theirs(ends[1]);
  wire::Descriptor stopped(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopped) return failed();
  const pid_t process = ::fork();
  if (process < 0) return failed();
  if (process == 0) {
    // Nothing else of ours: whoever waits for the end of some pipe must not wait for that of this process.
    const int kept = ::dup2(theirs.number(), STDERR_FILENO + 1);
    static_cast<void>(::close_range(STDERR_FILENO + 2, ~0U, 0));
    serve_dialogs(kept);
    ::_exit(0);
  }
  return std::unique_ptr<DialogHelper>(new DialogHelper(process, std::move(ours), std::move(stopped)));
}

DialogHelper::~DialogHelper() {
  socket_.close();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void DialogHelper::stop() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stopped_.number(), &one, sizeof(one));
}

std::string DialogHelper::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

/// Whether nobody waits for an answer any more.
bool DialogHelper::is_over() const {
  std::array<pollfd, 2> watched{pollfd{current_client(), POLLRDHUP, 0}, pollfd{stopped_.number(), POLLIN, 0}};
  return ::poll(watched.data(), watched.size(), 0) > 0;
}

std::optional<SecureBytes> DialogHelper::ask(const Question& question) { return transact(question, false); }

bool DialogHelper::confirm(const Question& question) { return transact(question, true).has_value(); }

std::optional<SecureBytes> DialogHelper::transact(const Question& question, bool consent) {
  const std::lock_guard lock(mutex_);
  if (is_over() || !send_question(question, consent)) return std::nullopt;
  return await_answer();
}

bool DialogHelper::send_question(const Question& question, bool consent) {
  const SecureBytes packet = encode(DialogRequest{++number_, false, question, consent});
  return ::send(socket_.number(), packet.data(), packet.size(), MSG_NOSIGNAL) > 0;
}

/// Also waits for the end of a question that was cancelled: it is gone from the screen before the next one is there.
std::optional<SecureBytes> DialogHelper::await_answer() {
  bool cancelled = false;
  for (;;) {
    std::array<pollfd, 3> watched{pollfd{socket_.number(), POLLIN, 0},
                                  pollfd{cancelled ? -1 : current_client(), POLLRDHUP, 0},
                                  pollfd{cancelled ? -1 : stopped_.number(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return std::nullopt;
    if (watched[1].revents != 0 || watched[2].revents != 0) {
      cancelled = true;
      const SecureBytes packet = encode(DialogRequest{number_, true, {}});
      static_cast<void>(::send(socket_.number(), packet.data(), packet.size(), MSG_NOSIGNAL));
    }
    if (watched[0].revents == 0) continue;
    SecureBytes packet(kMaxDialogPacket);
    const ssize_t size = ::recv(socket_.number(), packet.data(), packet.size(), 0);
    if (size <= 0) return std::nullopt;  // the process is gone
    std::optional<DialogAnswer> answer = decode_answer(packet.view().first(static_cast<std::size_t>(size)));
    if (!answer || answer->number != number_) continue;
    {
      const std::lock_guard lock(failure_mutex_);
      failure_ = std::move(answer->failure);
    }
    if (cancelled) return std::nullopt;
    return std::move(answer->secret);
  }
}

}  // namespace sks::daemon
