#include "conformance/kit/issuer_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace sks::conformance {
namespace {

constexpr int kPause = 20;  // milliseconds
constexpr std::int64_t kValidDays = 30;

struct IdentityRow {
  const char* name;
  const char* host;
  std::int64_t begins;  ///< days from now
  std::int64_t ends;
  bool trusted;
};
constexpr auto kIdentities = std::to_array<IdentityRow>({
    {"own", "localhost", -1, kValidDays, true},
    {"other", "localhost", -1, kValidDays, true},
    {"untrusted", "localhost", -1, kValidDays, false},
    {"expired", "localhost", -kValidDays, -1, true},
    {"other-name", "elsewhere.example", -1, kValidDays, true},
});

struct Port {
  FileDescriptor socket;
  std::uint16_t number;
};

Result<Port> listen_somewhere() {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
  constexpr int kBacklog = 16;
  if (socket.get() < 0 || ::bind(socket.get(), raw, size) != 0 || ::listen(socket.get(), kBacklog) != 0 ||
      ::getsockname(socket.get(), raw, &size) != 0)
    return Error{Status::not_available, "cannot listen on a loopback port"};
  return Port{std::move(socket), ntohs(address.sin_port)};
}

}  // namespace

Result<IssuerEndpoint> IssuerEndpoint::open(std::int64_t now) {
  SKS_LET(Port port, listen_somewhere());
  IssuerEndpoint endpoint(Authority::create("Conformance TLS", now), std::move(port.socket), port.number);
  const Authority stranger = Authority::create("Somebody else", now);
  for (const IdentityRow& row : kIdentities) {
    SKS_LET(const crypto::PrivateKey key, new_key("ec.nist.p256"));
    const CertificateRequest request{
        std::string("CN=") + row.host,
        now + row.begins * kDay,
        now + row.ends * kDay,
        {{"subjectAltName", std::string("DNS:") + row.host}, {"extendedKeyUsage", "serverAuth"}}};
    const Authority& issuer = row.trusted ? endpoint.authority_ : stranger;
    SKS_LET(const crypto::Certificate certificate, issuer.issue(request, key.public_key()));
    endpoint.identities_.emplace(row.name, Identity{server_context(key, certificate), certificate.der()});
  }
  return endpoint;
}

const Bytes& IssuerEndpoint::certificate(const std::string& name) const { return identities_.at(name).certificate; }

std::optional<IssuerEndpoint::Request> IssuerEndpoint::next(ChildProcess& client, const std::string& certificate,
                                                            std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  SSL_CTX* const context = identities_.at(certificate).context.get();
  while (std::chrono::steady_clock::now() < deadline) {
    // Asked before looking for a connection: what it sent before its end is still there.
    const bool ended = client.poll().has_value();
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, ended ? 0 : kPause) <= 0) {
      if (ended) return std::nullopt;
      continue;
    }
    FileDescriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    Result<TlsConnection> connection = TlsConnection::accept(std::move(socket), context);
    if (!connection) continue;
    Result<HttpMessage> message = read_http(*connection, HttpKind::request);
    if (message) return Request{*std::move(connection), *std::move(message)};
    if (message.error().status == Status::option)
      return Request{*std::move(connection), HttpMessage{"(no HTTP: " + message.error().detail + ')', {}, {}}};
  }
  return std::nullopt;
}

}  // namespace sks::conformance
