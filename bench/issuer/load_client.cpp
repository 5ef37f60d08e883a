#include "bench/issuer/load_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "attestation/device_identity.h"
#include "provisioning-server/url.h"
#include "sks-core/engine/memory_storage.h"

namespace sks::bench {
namespace {

// A store that has grown says more about itself than about the issuer.
constexpr int kSessionsPerStore = 200;

[[noreturn]] void fail(const std::string& sentence) {
  std::cerr << "issuer-load-bench: " << sentence << '\n';
  std::exit(1);
}

double seconds_since(SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Dialog final : public keygen2::UserDialog {
 public:
  bool consent(const keygen2::ConsentRequest&) override { return true; }
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest&, const std::string&) override {
    return SecureBytes::copy_of(as_bytes("482913"));
  }
  bool accept_many_keys(std::size_t) override { return true; }
};

sockaddr_in address_of(const std::string& text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) fail("no IPv4 address: " + text);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast): its use
}

/// The value of a header in a response's head; empty without one. The issuer writes names as they are given here.
std::string header_of(std::string_view head, std::string_view name) {
  const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + name.size() + 4;
  return std::string(head.substr(begin, head.find("\r\n", begin) - begin));
}

}  // namespace

LoadConnection::LoadConnection(const LoadTarget& target, std::string source)
    : address_(target.address), source_(std::move(source)), context_(SSL_CTX_new(TLS_client_method())) {
  const Result<issuer::MainUrl> url = issuer::MainUrl::parse(target.url);
  if (!url) fail(url.error().detail);
  host_ = url->host();
  path_ = url->path();
  port_ = url->port();
  SKS_CHECK(SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION) == 1);
  if (SSL_CTX_load_verify_locations(context_.get(), target.ca_file.c_str(), nullptr) != 1)
    fail("cannot read " + target.ca_file);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
}

LoadConnection::~LoadConnection() { close(); }

void LoadConnection::connect() {
  close();
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) fail("no socket");
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  const sockaddr_in source = address_of(source_, 0);
  if (::bind(socket_, generic(source), sizeof(source)) != 0) fail("cannot bind to " + source_);
  const sockaddr_in there = address_of(address_, port_);
  if (::connect(socket_, generic(there), sizeof(there)) != 0) fail("the issuer takes no connection");
  ssl_.reset(SSL_new(context_.get()));
  // What the macro SSL_set_tlsext_host_name says, without its cast of C.
  SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host_.data());
  SSL_set1_host(ssl_.get(), host_.c_str());
  SSL_set_fd(ssl_.get(), socket_);
  if (session_) SSL_set_session(ssl_.get(), session_.get());
  if (SSL_connect(ssl_.get()) != 1) fail("the TLS handshake failed");
  received_.clear();
  if (!server_certificate_.empty()) return;
  const ossl::Cert leaf(SSL_get1_peer_certificate(ssl_.get()));
  server_certificate_.resize(static_cast<std::size_t>(i2d_X509(leaf.get(), nullptr)));
  unsigned char* out = server_certificate_.data();
  i2d_X509(leaf.get(), &out);
}

void LoadConnection::close() {
  if (socket_ < 0) return;
  // What the issuer has sent along with its first answer.
  if (!session_) session_.reset(SSL_get1_session(ssl_.get()));
  SSL_shutdown(ssl_.get());
  ssl_.reset();
  ::close(std::exchange(socket_, -1));
}

bool LoadConnection::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

void LoadConnection::send_all(std::string_view text) {
  if (SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) != static_cast<int>(text.size()))
    fail("the connection broke while sending");
}

void LoadConnection::receive_more() {
  std::array<char, 16384> piece{};
  const int size = SSL_read(ssl_.get(), piece.data(), static_cast<int>(piece.size()));
  if (size <= 0) fail("the connection broke before the answer");
  received_.append(piece.data(), static_cast<std::size_t>(size));
}

LoadConnection::Answer LoadConnection::exchange(const std::string& target, const std::string& cookie,
                                                const std::string& body) {
  if (socket_ < 0) connect();
  std::string request = (body.empty() ? "GET " : "POST ") + target + " HTTP/1.1\r\nHost: " + host_ + ":" +
                        std::to_string(port_) + "\r\nCookie: " + cookie + "\r\n";
  if (!body.empty())
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  send_all(request + "\r\n" + body);
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) receive_more();
  const std::string head = received_.substr(0, end + 2);
  const std::string length = header_of(head, "Content-Length");
  std::size_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  while (received_.size() < end + 4 + size) receive_more();
  Answer answer{0, header_of(head, "Location"), received_.substr(end + 4, size)};
  std::from_chars(head.data() + 9, head.data() + 12, answer.status);
  received_.erase(0, end + 4 + size);
  return answer;
}

struct LoadDevice::Store {
  explicit Store(attestation::SoftwareIdentity device) : identity(std::move(device)) {
    Result<std::unique_ptr<Engine>> opened =
        Engine::open({storage, identity, system_key_source(), system_random(), system_clock()});
    if (!opened) fail(opened.error().detail);
    engine = std::move(opened).value();
  }
  MemoryStorage storage;
  attestation::SoftwareIdentity identity;
  std::unique_ptr<Engine> engine;
};

LoadDevice::LoadDevice(const LoadTarget& target, std::string source)
    : target_(target), connection_(target, std::move(source)) {
  replace_store();
}

LoadDevice::~LoadDevice() = default;

void LoadDevice::replace_store() {
  auto identity =
      attestation::SoftwareIdentity::create("Bench device", attestation::AttestationKeyType::p256, system_clock());
  if (!identity) fail(identity.error().detail);
  store_ = std::make_unique<Store>(std::move(identity).value());
  sessions_in_store_ = 0;
}

void LoadDevice::enrol(const std::string& ticket, const std::string& cookie, const OnStep& on_step) {
  if (++sessions_in_store_ > kSessionsPerStore) replace_store();
  const auto exchange = [&](const std::string& target, const std::string& body) {
    const SteadyTime start = std::chrono::steady_clock::now();
    LoadConnection::Answer answer = connection_.exchange(target, cookie, body);
    on_step(seconds_since(start));
    return answer;
  };
  Dialog dialog;
  LoadConnection::Answer answer = exchange(connection_.path() + "?ticket=" + ticket, "");
  keygen2::ClientSession client(*store_->engine, dialog, system_clock(),
                                {target_.url, connection_.host(), connection_.server_certificate()});
  while (answer.status == 200) {
    const auto reply = client.receive(answer.body);
    if (!reply) fail("the client refuses a message: " + reply.error().detail);
    answer = exchange(connection_.path(), *reply);
  }
  if (answer.status != 302 || answer.location.find("outcome=complete") == std::string::npos)
    fail("the issuer answers " + std::to_string(answer.status) + ' ' + answer.location + answer.body);
  if (!client.terminated()) fail("the session ended too early");
  connection_.close();
}

void LoadDevice::open_session(const std::string& ticket, const std::string& cookie) {
  const LoadConnection::Answer first = connection_.exchange(connection_.path() + "?ticket=" + ticket, cookie, "");
  if (first.status != 200) fail("the issuer starts no session: " + std::to_string(first.status));
  Dialog dialog;
  keygen2::ClientSession client(*store_->engine, dialog, system_clock(),
                                {target_.url, connection_.host(), connection_.server_certificate()});
  const auto reply = client.receive(first.body);
  if (!reply) fail("the client refuses a message: " + reply.error().detail);
  const LoadConnection::Answer second = connection_.exchange(connection_.path(), cookie, *reply);
  if (second.status != 200) fail("the issuer ends a session that has begun");
}

}  // namespace sks::bench
