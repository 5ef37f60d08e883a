#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <optional>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/x509.h"

/// HTTPS as the kit needs it: one request on each connection, and every byte in its hands.
namespace sks::conformance {

using TlsContext = ossl::Ptr<SSL_CTX, SSL_CTX_free>;

/// TLS 1.2 or later. Without resumption: each connection shows the certificate anew.
TlsContext server_context(const crypto::PrivateKey& key, const crypto::Certificate& certificate);
/// Trusts the certificates of a PEM file alone. Fails with option when there are none.
Result<TlsContext> client_context(const std::string& ca_file);

class FileDescriptor {
 public:
  explicit FileDescriptor(int value = -1) : value_(value) {}
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~FileDescriptor();
  int get() const { return value_; }

 private:
  int value_;
};

/// A TLS connection of which each read and write waits a few seconds at most.
class TlsConnection {
 public:
  /// Fails with not_available: the peer does not go on.
  static Result<TlsConnection> accept(FileDescriptor socket, SSL_CTX* context);
  /// Verifies the chain and the name. Fails with not_available or crypto.
  static Result<TlsConnection> connect(const std::string& host, std::uint16_t port, SSL_CTX* context);

  /// Some bytes; none at the end. Fails with not_available.
  Result<std::string> read();
  Result<void> write(std::string_view bytes);
  void close();
  /// DER of the peer's certificate.
  Bytes peer_certificate() const;

 private:
  using Ssl = ossl::Ptr<SSL, SSL_free>;
  TlsConnection(FileDescriptor socket, Ssl ssl) : socket_(std::move(socket)), ssl_(std::move(ssl)) {}

  FileDescriptor socket_;
  Ssl ssl_;
};

}  // namespace sks::conformance
