#pragma once

#include "conformance/kit/authority.h"
#include "conformance/kit/child_process.h"
#include "conformance/kit/http.h"

namespace sks::conformance {

/// An HTTPS server on a free loopback port, which serves one request on each connection.
class IssuerEndpoint {
 public:
  struct Request {
    TlsConnection connection;
    HttpMessage message;
  };

  /// Fails with not_available when no port is free.
  static Result<IssuerEndpoint> open(std::int64_t now);

  std::uint16_t port() const { return port_; }
  const crypto::Certificate& authority() const { return authority_.certificate(); }
  /// DER of the certificate of this name.
  const Bytes& certificate(const std::string& name) const;

  /// The next request, on a connection that shows the certificate of this name. None when the client ended before it
  /// sent one, or when `patience` was over. Connections that end without a request do not count.
  std::optional<Request> next(ChildProcess& client, const std::string& certificate, std::chrono::milliseconds patience);

 private:
  struct Identity {
    TlsContext context;
    Bytes certificate;
  };
  IssuerEndpoint(Authority authority, FileDescriptor socket, std::uint16_t port)
      : authority_(std::move(authority)), socket_(std::move(socket)), port_(port) {}

  Authority authority_;
  FileDescriptor socket_;
  std::uint16_t port_;
  std::map<std::string, Identity> identities_;
};

}  // namespace sks::conformance
