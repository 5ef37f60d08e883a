#include "sks-core/wire/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

namespace sks::wire {

Result<Watch> Watch::open() {
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error(Status::not_available, "Cannot watch sockets", errno);
  return Watch(std::move(epoll));
}

Result<void> Watch::add(int descriptor, Name name) {
  if (control(EPOLL_CTL_ADD, descriptor, name) != 0)
    return system_error(Status::not_available, "Cannot watch a socket", errno);
  return {};
}

void Watch::again(int descriptor, Name name) const { control(EPOLL_CTL_MOD, descriptor, name); }

void Watch::remove(int descriptor) { control(EPOLL_CTL_DEL, descriptor, 0); }

std::optional<Watch::Name> Watch::wait(const std::optional<Patience>& patience) const {
  epoll_event event{};
  if (::epoll_wait(epoll_.number(), &event, 1, patience ? milliseconds_left(*patience) : -1) != 1) return std::nullopt;
  const Name name = event.data.u64;
  return name;
}

int Watch::control(int operation, int descriptor, Name name) const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = name;
  return ::epoll_ctl(epoll_.number(), operation, descriptor, &event);
}

Connection::Connection(Watch& watch, Watch::Name name, Descriptor socket)
    : watch_(watch), name_(name), socket_(std::move(socket)) {
  answers_.reserve(kMostAnswers);
}

Result<std::optional<SecureBytes>> Connection::read(std::chrono::milliseconds frame_timeout) {
  try {
    if (broken_) return Error{Status::external, "The peer does not take its answers"};
    SKS_LET(std::optional<SecureBytes> request, reader_.advance(socket_.number()));
    if (request) {
      patience_.reset();
      const std::lock_guard lock(mutex_);
      in_service_ = true;
      return request;
    }
  } catch (const std::bad_alloc&) {
    return Error{Status::external, "Out of memory"};  // what this connection has becomes that of others
  }
  if (!patience_ && reader_.is_within_frame()) patience_ = patience_for(frame_timeout);
  watch_.again(socket_.number(), name_);
  return std::optional<SecureBytes>();
}

void Connection::put_request(SecureBytes request) {
  const std::lock_guard lock(mutex_);
  request_ = std::move(request);
  changed_.notify_one();
}

void Connection::stop_watching() {
  patience_.reset();
  watch_.remove(socket_.number());
  close();
}

void Connection::put_answer(SecureBytes answer) {
  const std::lock_guard lock(mutex_);
  in_service_ = false;
  answers_.push_back(std::move(answer));
  reads_later_ = answers_.size() == kMostAnswers;
  if (!reads_later_) watch_.again(socket_.number(), name_);
  changed_.notify_one();
}

void Connection::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

std::optional<Connection::Work> Connection::next_work() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !answers_.empty() || request_ || (closed_ && !in_service_); });
  if (!answers_.empty()) return Work{std::move(answers_.front()), true};
  if (!request_) return std::nullopt;
  Work work{std::move(*request_), false};
  request_.reset();
  return work;
}

void Connection::send(ByteView answer, std::chrono::milliseconds timeout) {
  if (!broken_) {
    bool sent = false;
    try {
      // There is no memory for an answer that is empty.
      sent = !answer.empty() && send_frame(socket_.number(), answer, patience_for(timeout));
    } catch (const std::bad_alloc&) {
      sent = false;
    }
    if (!sent) {
      broken_ = true;
      ::shutdown(socket_.number(), SHUT_RDWR);  // the thread that reads notices
    }
  }
  const std::lock_guard lock(mutex_);
  answers_.erase(answers_.begin());
  if (std::exchange(reads_later_, false)) watch_.again(socket_.number(), name_);
}

void Connection::end() {
  socket_.close();
  ended_ = true;
}

}  // namespace sks::wire
