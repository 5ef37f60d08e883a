#pragma once

#include "sks-core/wire/channel.h"
#include "sks-core/wire/socket.h"

namespace sks::wire {

struct SocketTimeouts {
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds send{10'000};
  std::chrono::milliseconds answer{120'000};  ///< making an RSA key of 4096 bits takes its time
};

/// A byte stream to a server.
///
/// After a failure the connection is dropped, for a late answer must not be taken for that of the next request; the
/// next call connects again. No request is ever sent twice.
class SocketChannel final : public Channel {
 public:
  static Result<std::unique_ptr<SocketChannel>> connect(const Address& address, SocketTimeouts timeouts = {});

  Result<SecureBytes> transact(ByteView request) override;

 private:
  SocketChannel(Address address, SocketTimeouts timeouts, Descriptor socket)
      : address_(std::move(address)), timeouts_(timeouts), socket_(std::move(socket)) {}

  bool is_usable() const;
  Result<SecureBytes> exchange(ByteView request) const;

  Address address_;
  SocketTimeouts timeouts_;
  Descriptor socket_;
};

}  // namespace sks::wire
