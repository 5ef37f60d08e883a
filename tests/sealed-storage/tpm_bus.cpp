#include "tests/sealed-storage/tpm_bus.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace sks::test {
namespace {

using sealed::FileDescriptor;

constexpr std::size_t kHeader = 10;  // tag, size, code
constexpr std::size_t kSizeOffset = 2;
constexpr std::size_t kCodeOffset = 6;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

FileDescriptor listen_at(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), 8) == 0);
  return fd;
}

FileDescriptor connect_to(const std::string& path) {
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

std::uint32_t number_at(const Bytes& message, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | message[offset + i];
  return value;
}

bool fill(int fd, Bytes& message, std::size_t size) {
  while (message.size() < size) {
    std::array<std::uint8_t, 4096> chunk{};
    const ssize_t count = ::read(fd, chunk.data(), std::min(chunk.size(), size - message.size()));
    if (count <= 0) return false;
    message.insert(message.end(), chunk.begin(), chunk.begin() + count);
  }
  return true;
}

/// One command or answer; empty at the end.
Bytes read_message(int fd) {
  Bytes message;
  if (!fill(fd, message, kHeader) || !fill(fd, message, number_at(message, kSizeOffset))) return {};
  return message;
}

bool write_message(int fd, const Bytes& message) {
  return ::send(fd, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size());
}

/// Carries bytes in both directions until one side has no more.
void carry(int a, int b) {
  std::array<pollfd, 2> ends{{{a, POLLIN, 0}, {b, POLLIN, 0}}};
  while (::poll(ends.data(), ends.size(), -1) > 0) {
    for (const auto& [from, to] : {std::pair(0U, 1U), std::pair(1U, 0U)}) {
      if (ends[from].revents == 0) continue;
      std::array<char, 4096> chunk{};
      const ssize_t count = ::read(ends[from].fd, chunk.data(), chunk.size());
      if (count <= 0 || ::send(ends[to].fd, chunk.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) != count)
        return;
    }
  }
}

}  // namespace

TpmBus::TpmBus(std::string target)
    : target_(std::move(target)), commands_(listen_at(socket())), control_(listen_at(socket() + ".ctrl")) {
  command_thread_ = std::thread([this] { serve_commands(); });
  control_thread_ = std::thread([this] { serve_control(); });
}

TpmBus::~TpmBus() {
  ::shutdown(commands_.get(), SHUT_RDWR);
  ::shutdown(control_.get(), SHUT_RDWR);
  command_thread_.join();
  control_thread_.join();
}

std::string TpmBus::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

void TpmBus::note(const Bytes& message) {
  const std::lock_guard lock(mutex_);
  heard_ += to_string(message);
}

void TpmBus::serve_commands() {
  while (true) {
    const FileDescriptor client(::accept4(commands_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    const FileDescriptor tpm = connect_to(target_);
    for (Bytes command = read_message(client.get()); !command.empty(); command = read_message(client.get())) {
      note(command);
      if (!write_message(tpm.get(), command)) break;
      Bytes answer = read_message(tpm.get());
      if (answer.empty()) break;
      note(answer);
      if (alter) alter(number_at(command, kCodeOffset), answer);
      if (!write_message(client.get(), answer)) break;
    }
  }
}

void TpmBus::serve_control() {
  while (true) {
    const FileDescriptor client(::accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    const FileDescriptor tpm = connect_to(target_ + ".ctrl");
    carry(client.get(), tpm.get());
  }
}

}  // namespace sks::test
