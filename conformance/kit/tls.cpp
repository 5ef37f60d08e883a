#include "conformance/kit/tls.h"

#include <netdb.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace sks::conformance {
namespace {

constexpr std::time_t kPatience = 20;  // seconds

void set_timeouts(int socket) {
  const timeval patience{kPatience, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/// A peer that closes its end must not end this process.
void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

Result<FileDescriptor> open_connection(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return Error{Status::not_available, "cannot find " + host};
  const ossl::Ptr<addrinfo, freeaddrinfo> addresses(found);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    FileDescriptor socket(::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol));
    if (socket.get() < 0) continue;
    set_timeouts(socket.get());
    if (::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) return socket;
  }
  return Error{Status::not_available, "cannot connect to " + host + " at port " + std::to_string(port)};
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (value_ >= 0) ::close(value_);
}

TlsContext server_context(const crypto::PrivateKey& key, const crypto::Certificate& certificate) {
  ignore_broken_pipes();
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  SKS_CHECK(context != nullptr);
  const Result<SecureBytes> pkcs8 = key.to_pkcs8();
  SKS_CHECK(static_cast<bool>(pkcs8));
  const Bytes& der = certificate.der();
  SKS_CHECK(SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1);
  SKS_CHECK(SSL_CTX_use_certificate_ASN1(context.get(), static_cast<int>(der.size()), der.data()) == 1);
  SKS_CHECK(SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, context.get(), pkcs8->data(), static_cast<long>(pkcs8->size())) ==
            1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

Result<TlsContext> client_context(const std::string& ca_file) {
  ignore_broken_pipes();
  TlsContext context(SSL_CTX_new(TLS_client_method()));
  SKS_CHECK(context != nullptr && SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1);
  const bool loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get()) == 1
                                      : SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) == 1;
  if (!loaded) return ossl::take_error("no CA certificate can be read from '" + ca_file + "'", Status::option);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

Result<TlsConnection> TlsConnection::accept(FileDescriptor socket, SSL_CTX* context) {
  set_timeouts(socket.get());
  Ssl ssl(SSL_new(context));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.get()) != 1) return ossl::take_error("no TLS");
  if (SSL_accept(ssl.get()) != 1) return ossl::take_error("the TLS handshake failed", Status::not_available);
  return TlsConnection(std::move(socket), std::move(ssl));
}

Result<TlsConnection> TlsConnection::connect(const std::string& host, std::uint16_t port, SSL_CTX* context) {
  SKS_LET(FileDescriptor socket, open_connection(host, port));
  Ssl ssl(SSL_new(context));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.get()) != 1) return ossl::take_error("no TLS");
  X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl.get());
  const bool address =
      host.find_first_not_of("0123456789.") == std::string::npos || host.find(':') != std::string::npos;
  std::string name = host;
  const bool named =
      address ? X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1
              : SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1 &&
                    X509_VERIFY_PARAM_set1_host(verify, host.c_str(), 0) == 1;
  if (!named) return ossl::take_error("no name to verify: " + host);
  if (SSL_connect(ssl.get()) != 1) return ossl::take_error("the TLS handshake with " + host + " failed");
  return TlsConnection(std::move(socket), std::move(ssl));
}

Result<std::string> TlsConnection::read() {
  std::array<char, 16384> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): SSL_read fills it
  const int size = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
  if (size > 0) return std::string(buffer.data(), static_cast<std::size_t>(size));
  if (SSL_get_error(ssl_.get(), size) == SSL_ERROR_ZERO_RETURN) return std::string();
  return ossl::take_error("the connection was cut off", Status::not_available);
}

Result<void> TlsConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    constexpr std::size_t kPortion = 16384;
    const int size = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kPortion)));
    if (size <= 0) return ossl::take_error("the connection was cut off", Status::not_available);
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

void TlsConnection::close() {
  SSL_shutdown(ssl_.get());
  ::shutdown(socket_.get(), SHUT_WR);
}

Bytes TlsConnection::peer_certificate() const {
  const ossl::Cert certificate(SSL_get1_peer_certificate(ssl_.get()));
  unsigned char* der = nullptr;
  const int size = certificate == nullptr ? 0 : i2d_X509(certificate.get(), &der);
  if (size <= 0) return {};
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace sks::conformance
