#include "tests/key-user-api/cli/tls_server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>

#include "sks-core/crypto/ossl.h"

namespace sks::test {
namespace {

using Context = ossl::Ptr<SSL_CTX, SSL_CTX_free>;
using Connected = ossl::Ptr<SSL, SSL_free>;

const std::string kNames = "subjectAltName=DNS:localhost,IP:127.0.0.1";

/// Head and body of one request; empty when the client has gone.
std::string read_request(const std::function<int(char*, int)>& read) {
  std::string request;
  std::array<char, 4096> buffer{};
  while (true) {
    const std::size_t head = request.find("\r\n\r\n");
    if (head != std::string::npos) {
      const std::size_t length = request.find("Content-Length: ");
      const std::size_t body = length == std::string::npos ? 0 : std::stoul(request.substr(length + 16));
      if (request.size() >= head + 4 + body) return request;
    }
    const int got = read(buffer.data(), static_cast<int>(buffer.size()));
    if (got <= 0) return {};
    request.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void write_all(std::string_view text, const std::function<int(const char*, int)>& write) {
  while (!text.empty()) {
    const int sent = write(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 16384)));
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// Asks for another handshake, and gives what has become of it: 0, or OpenSSL's reason why there is none.
int renegotiate(SSL* ssl) {
  SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);  // or reading goes on behind the handshake
  if (SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1) return ERR_GET_REASON(ERR_peek_last_error());
  while (SSL_renegotiate_pending(ssl) == 1) {
    std::array<char, 1> next{};
    const int got = SSL_peek(ssl, next.data(), 1);
    if (SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ) return ERR_GET_REASON(ERR_peek_last_error());
  }
  return 0;
}

void wait_until_client_goes(int fd) {
  std::array<char, 256> ignored{};
  while (::recv(fd, ignored.data(), ignored.size(), 0) > 0) {
  }
}

}  // namespace

void run_command(const std::string& command) {
  const int result =
      std::system(("{ " + command + "; } >/dev/null 2>&1").c_str());  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  INFO(command);
  REQUIRE(result == 0);
}

TlsFixture::TlsFixture() {
  const std::string new_key = "openssl req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 ";
  run_command(new_key + "-x509 -days 2 -subj '/CN=Test authority' -keyout " + file("ca.key") + " -out " + ca_file());
  make_leaf("good", kNames, "2");
  make_leaf("second", kNames, "2");
  make_leaf("expired", kNames, "-1");
  make_leaf("other-name", "subjectAltName=DNS:other.example,IP:127.0.0.2", "2");
  make_leaf("client-only", kNames + "\nextendedKeyUsage=clientAuth", "2");
  make_leaf("name-only", "subjectAltName=DNS:localhost", "2");
  make_leaf("localhost-names", "subjectAltName=DNS:localhost,DNS:issuer.localhost", "2");
  make_leaf("proxy", "subjectAltName=DNS:proxy.localhost", "2");
  make_leaf("issuer", "subjectAltName=DNS:issuer.example", "2");
  run_command(new_key + "-x509 -days 2 -subj /CN=127.0.0.1 -addext " + kNames + " -keyout " + file("s.key") + " -out " +
              file("s.crt") + " && cat " + file("s.key") + " " + file("s.crt") + " > " + credential("self-signed"));
}

void TlsFixture::make_leaf(const std::string& name, const std::string& extensions, const std::string& days) {
  write_file(file(name + ".ext"), extensions + "\n");
  run_command("openssl req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=" + name + " -keyout " +
              file(name + ".key") + " -out " + file(name + ".csr"));
  run_command("openssl x509 -req -in " + file(name + ".csr") + " -CA " + ca_file() + " -CAkey " + file("ca.key") +
              " -CAcreateserial -days " + days + " -extfile " + file(name + ".ext") + " -out " + file(name + ".crt"));
  run_command("cat " + file(name + ".key") + " " + file(name + ".crt") + " > " + credential(name));
}

TlsServer::TlsServer(std::deque<Connection> script) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // OpenSSL writes without MSG_NOSIGNAL, and clients under test hang up early.
  std::signal(SIGPIPE, SIG_IGN);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener_, 8) == 0);
  REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this, script = std::move(script)]() mutable { serve(std::move(script)); });
}

TlsServer::~TlsServer() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

std::string TlsServer::url(const std::string& target, const std::string& host) const {
  return "https://" + host + ":" + std::to_string(port_) + target;
}

std::vector<std::string> TlsServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TlsServer::serve(std::deque<Connection> script) {
  for (; !script.empty(); script.pop_front()) {
    const int fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    // A client that dies must not hang the test.
    const timeval limit{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    serve_one(fd, script.front());
    ::close(fd);
  }
}

void TlsServer::serve_one(int fd, const Connection& connection) {
  if (connection.plain) {
    write_all(connection.responses.at(0), [fd](const char* p, int n) {
      return static_cast<int>(::send(fd, p, static_cast<std::size_t>(n), MSG_NOSIGNAL));
    });
    return;
  }
  if (connection.credential.empty()) return wait_until_client_goes(fd);
  const Context context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_max_proto_version(context.get(), connection.max_version);
  SSL_CTX_use_certificate_file(context.get(), connection.credential.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(context.get(), connection.credential.c_str(), SSL_FILETYPE_PEM);
  const Connected ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  if (SSL_accept(ssl.get()) != 1) return;
  for (const std::string& response : connection.responses) {
    const std::string request = read_request([&](char* p, int n) { return SSL_read(ssl.get(), p, n); });
    if (request.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    if (connection.before_response) connection.before_response();
    if (connection.renegotiation != nullptr) connection.renegotiation->set_value(renegotiate(ssl.get()));
    write_all(response, [&](const char* p, int n) { return SSL_write(ssl.get(), p, n); });
  }
  if (connection.end == End::silent) return wait_until_client_goes(fd);
  const std::string& repeated = connection.repeated;
  while (!repeated.empty() && SSL_write(ssl.get(), repeated.data(), static_cast<int>(repeated.size())) > 0) {
  }
  while (connection.end == End::dripping && SSL_write(ssl.get(), "x", 1) > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (connection.end == End::orderly) SSL_shutdown(ssl.get());
}

}  // namespace sks::test
