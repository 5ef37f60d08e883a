#pragma once

#include "key-user-api/pkcs11/daemon_start.h"
#include "key-user-api/pkcs11/descriptors.h"
#include "key-user-api/pkcs11/line.h"

namespace sks::p11 {

/// Connections to the socket of sksd, which is started when nobody is behind it. Spec: spec/sksd.md 1.
///
/// Talks to processes of our own user only.
class SocketExchange final : public Exchange {
 public:
  /// `descriptors` outlives all connections.
  SocketExchange(std::string socket, DaemonStart start, Descriptors& descriptors)
      : socket_(std::move(socket)), start_(std::move(start)), descriptors_(descriptors) {}

  std::unique_ptr<Line> connect() override;

 private:
  std::string socket_;
  DaemonStart start_;
  Descriptors& descriptors_;
};

}  // namespace sks::p11
