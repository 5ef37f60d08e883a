#include "provisioning-server/listener.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>
#include <csignal>
#include <set>
#include <thread>

#include "provisioning-server/log.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTimeout = std::chrono::seconds(60);  // Spec: keygen2.md Appendix B
// Short: whoever connects and says nothing takes a place from others.
constexpr auto kHandshakeTimeout = std::chrono::seconds(10);
constexpr auto kDrainTimeout = std::chrono::seconds(2);
constexpr auto kStopTimeout = std::chrono::seconds(10);
constexpr auto kMinute = std::chrono::seconds(60);
constexpr auto kUnwantedTimeout = std::chrono::seconds(5);
constexpr std::size_t kMaxUnwanted = 8 << 20;
// Bodies leave the buffer as they come; headers, chunk extensions and trailers stay until they are complete.
constexpr std::size_t kMaxBuffered = 64 * 1024;

/// Counts open connections, and says when one has ended until it is told to be quiet.
class ConnectionLimit {
 public:
  ConnectionLimit(std::size_t limit, std::function<void()> on_end) : limit_(limit), on_end_(std::move(on_end)) {}
  bool is_reached() const { return open_ >= limit_; }
  bool is_unused() const { return open_ == 0; }
  void take() { ++open_; }
  void give_back() {
    --open_;
    if (!quiet_) on_end_();
  }
  void be_quiet() { quiet_ = true; }

 private:
  std::size_t limit_;
  std::atomic<std::size_t> open_ = 0;
  std::atomic<bool> quiet_ = false;
  std::function<void()> on_end_;
};

Bytes peer_certificate(SSL* ssl) {
  const ossl::Cert certificate(SSL_get1_peer_certificate(ssl));
  if (certificate == nullptr) return {};
  const int size = i2d_X509(certificate.get(), nullptr);
  if (size <= 0) return {};
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* out = der.data();
  i2d_X509(certificate.get(), &out);
  return der;
}

/// One connection: reads a request, asks the handler, writes the response, and again. Everything runs on its strand.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, asio::ssl::context& tls, HttpHandler& handler, std::shared_ptr<ConnectionLimit> limit)
      : stream_(std::move(socket), tls), handler_(handler), limit_(std::move(limit)) {
    limit_->take();
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().set_option(tcp::no_delay(true), ignored);
    const tcp::endpoint peer = beast::get_lowest_layer(stream_).socket().remote_endpoint(ignored);
    peer_ = peer.address().to_string();
  }
  ~Connection() { limit_->give_back(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() {
    asio::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->handshake(); });
  }

  /// Closes at once when no request has begun, otherwise after its response.
  void stop() {
    asio::dispatch(stream_.get_executor(), [self = shared_from_this()] {
      self->stopping_ = true;
      if (self->waiting_ && !self->parser_->got_some()) self->close_socket();
    });
  }

 private:
  void handshake() {
    beast::get_lowest_layer(stream_).expires_after(kHandshakeTimeout);
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = shared_from_this()](error_code failure) { self->on_handshake(failure); });
  }

  void on_handshake(error_code failure) {
    if (failure) return close_socket();
    certificate_ = peer_certificate(stream_.native_handle());
    certificate_trusted_ = !certificate_.empty() && SSL_get_verify_result(stream_.native_handle()) == X509_V_OK;
    read_header();
  }

  void read_header() {
    if (stopping_) return shut_down();
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(kMaxBody);
    waiting_ = true;
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code failure, std::size_t) {
      self->waiting_ = false;
      self->on_header(failure);
    });
  }

  void on_header(error_code failure) {
    if (failure) return on_read_failure(failure);
    request_ = head_of(parser_->get());
    if (const auto length = parser_->content_length()) request_.content_length = *length;
    // Beast takes a body in another coding for the content, or for none: where the request ends would be a guess.
    const auto& head = parser_->get();
    if (head.count(http::field::transfer_encoding) != 0 &&
        !beast::iequals(head[http::field::transfer_encoding], "chunked"))
      return send_and_close(handler_.refuse(400));
    if (std::optional<Response> refusal = handler_.check_head(request_)) return send_and_close(std::move(*refusal));
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) return send_continue();
    read_body();
  }

  void send_continue() {
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = shared_from_this()](error_code failure, std::size_t) {
                        if (failure) return self->close_socket();
                        self->read_body();
                      });
  }

  void read_body() {
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code failure, std::size_t) {
      if (failure) return self->on_read_failure(failure);
      self->request_.body = std::move(self->parser_->get().body());
      self->send(self->handler_.handle(self->request_), self->parser_->keep_alive());
    });
  }

  void on_read_failure(error_code failure) {
    if (failure == http::error::end_of_stream) return shut_down();
    if (failure == http::error::body_limit) return send_and_close(handler_.refuse(413));
    // Only what the parser objects to is worth an answer; anything else is a connection that has gone.
    if (failure.category() == http::make_error_code(http::error::bad_method).category() &&
        failure != http::error::partial_message)
      return send_and_close(handler_.refuse(400));
    close_socket();
  }

  Request head_of(const http::request<http::string_body>& message) const {
    Request request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    if (message.version() < 11) request.host = "";  // HTTP/1.0 knows no Host
    if (message.count(http::field::host) == 1) request.host = std::string(message[http::field::host]);
    if (message.count(http::field::content_type) == 1)
      request.content_type = std::string(message[http::field::content_type]);
    for (const auto& field : message) {
      std::string name(field.name_string());
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      std::string& value = field.name() == http::field::cookie ? request.cookies : request.headers[std::move(name)];
      if (!value.empty()) value += field.name() == http::field::cookie ? "; " : ", ";
      value += std::string(field.value());
    }
    request.peer = peer_;
    request.client_certificate = certificate_;
    request.certificate_trusted = certificate_trusted_;
    return request;
  }

  /// For refusals that leave a body unread.
  void send_and_close(Response response) {
    unread_ = true;
    send(std::move(response), false);
  }

  void send(Response response, bool keep_alive) {
    response_.emplace();
    response_->version(11);
    response_->result(response.status);
    for (const auto& [name, value] : response.headers) response_->insert(name, value);
    response_->keep_alive(keep_alive && !stopping_);
    // The answer to HEAD is the header of the one to GET, with its length, and no body.
    response_->body() = std::move(response.body);
    response_->prepare_payload();
    if (request_.method == "HEAD") response_->body().clear();
    beast::get_lowest_layer(stream_).expires_after(kTimeout);
    http::async_write(stream_, *response_, [self = shared_from_this()](error_code failure, std::size_t) {
      if (failure) return self->close_socket();
      if (self->unread_) {
        // One limit for all that follows: a client may not keep its connection by sending a byte now and then.
        beast::get_lowest_layer(self->stream_).expires_after(kUnwantedTimeout);
        return self->discard_rest();
      }
      if (!self->response_->keep_alive()) return self->shut_down();
      self->read_header();
    });
  }

  /// Reads on for a moment before closing: closing on unread bytes would destroy the response on its way.
  void discard_rest() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kMaxHeader),
                            [self = shared_from_this()](error_code failure, std::size_t size) {
                              self->discarded_ += size;
                              if (failure || self->discarded_ > kMaxUnwanted) return self->shut_down();
                              self->discard_rest();
                            });
  }

  void shut_down() {
    beast::get_lowest_layer(stream_).expires_after(kDrainTimeout);
    stream_.async_shutdown([self = shared_from_this()](error_code) { self->close_socket(); });
  }

  void close_socket() {
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

  beast::ssl_stream<beast::tcp_stream> stream_;
  HttpHandler& handler_;
  std::shared_ptr<ConnectionLimit> limit_;
  std::string peer_;
  Bytes certificate_;
  bool certificate_trusted_ = false;
  beast::flat_buffer buffer_{kMaxBuffered};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  Request request_;
  bool waiting_ = false;
  bool stopping_ = false;
  bool unread_ = false;
  std::size_t discarded_ = 0;
};

/// Whether a client's certificate is acceptable is the handler's decision: TLS only proves that the client has its key.
int accept_any_chain(int, X509_STORE_CTX*) { return 1; }

Error tls_error(const std::string& what, error_code failure) {
  return {Status::option, what + ": " + failure.message()};
}

Result<void> configure_tls(asio::ssl::context& tls, const ListenerOptions& options) {
  SSL_CTX* const context = tls.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // No resumption: each connection shows its certificate, and no ticket key outlives a session's secrets.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  error_code failure;
  tls.use_certificate_chain(asio::buffer(options.tls.certificate_pem), failure);
  if (failure) return tls_error("the TLS certificate cannot be used", failure);
  tls.use_private_key(asio::buffer(options.tls.key_pem.data(), options.tls.key_pem.size()), asio::ssl::context::pem,
                      failure);
  if (failure) return tls_error("the TLS key cannot be used", failure);
  const std::string authority = to_pem(options.client_authority.der(), "CERTIFICATE");
  tls.add_certificate_authority(asio::buffer(authority), failure);
  if (failure) return tls_error("the credential CA cannot be used", failure);
  SSL_CTX_add_client_CA(context, options.client_authority.openssl());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any_chain);
  return {};
}

}  // namespace

struct Listener::Impl {
  Impl(ListenerOptions given, HttpHandler& its_handler)
      : options(std::move(given)),
        handler(its_handler),
        strand(asio::make_strand(io)),
        limit(std::make_shared<ConnectionLimit>(options.connections,
                                                [this] { asio::post(strand, [this] { resume(); }); })),
        signals(strand),
        minute(strand),
        deadline(strand) {}

  Result<void> bind(const ListenAddress& address);
  void accept(tcp::acceptor& acceptor);
  void resume();
  void stop();
  void start_minute();

  ListenerOptions options;
  HttpHandler& handler;
  asio::io_context io;
  // Guards everything below but `tls`.
  asio::strand<asio::io_context::executor_type> strand;
  asio::ssl::context tls{asio::ssl::context::tls_server};
  std::shared_ptr<ConnectionLimit> limit;
  bool stopping = false;
  std::vector<tcp::acceptor> acceptors;
  std::set<tcp::acceptor*> paused;
  std::vector<std::weak_ptr<Connection>> connections;
  asio::signal_set signals;
  asio::steady_timer minute;
  asio::steady_timer deadline;
  std::function<void()> every_minute;
};

Result<void> Listener::Impl::bind(const ListenAddress& address) {
  const std::string name = address.host + " port " + std::to_string(address.port);
  error_code failure;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, failure);
  if (failure) return Error{Status::not_available, "cannot listen on " + name + ": " + failure.message()};
  std::set<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.insert(entry.endpoint());
  for (const tcp::endpoint& endpoint : endpoints) {
    tcp::acceptor acceptor(strand);
    acceptor.open(endpoint.protocol(), failure);
    if (!failure) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure && endpoint.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(true), failure);
    if (!failure) acceptor.bind(endpoint, failure);
    if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
    if (failure) return Error{Status::not_available, "cannot listen on " + name + ": " + failure.message()};
    acceptors.push_back(std::move(acceptor));
  }
  return {};
}

void Listener::Impl::accept(tcp::acceptor& acceptor) {
  if (limit->is_reached()) {
    paused.insert(&acceptor);
    return;
  }
  // Each connection has a strand of its own, so that several can be served at one time.
  acceptor.async_accept(asio::make_strand(io), [this, &acceptor](error_code failure, tcp::socket socket) {
    if (failure == asio::error::operation_aborted || !acceptor.is_open()) return;
    if (failure) {
      // Out of descriptors, most likely: the next connection that ends calls resume().
      log_warning("cannot accept a connection: " + failure.message());
      paused.insert(&acceptor);
      return;
    }
    std::erase_if(connections, [](const auto& connection) { return connection.expired(); });
    const auto connection = std::make_shared<Connection>(std::move(socket), tls, handler, limit);
    connections.push_back(connection);
    connection->start();
    accept(acceptor);
  });
}

void Listener::Impl::resume() {
  if (stopping) {
    if (limit->is_unused()) deadline.cancel();
    return;
  }
  const std::set<tcp::acceptor*> waiting = std::exchange(paused, {});
  for (tcp::acceptor* const acceptor : waiting)
    if (acceptor->is_open()) accept(*acceptor);
}

void Listener::Impl::start_minute() {
  minute.expires_after(kMinute);
  minute.async_wait([this](error_code failure) {
    if (failure || stopping) return;  // a wait that was over before cancel() is not cancelled by it
    resume();
    every_minute();
    start_minute();
  });
}

void Listener::Impl::stop() {
  stopping = true;
  error_code ignored;
  for (tcp::acceptor& acceptor : acceptors) acceptor.close(ignored);
  minute.cancel();
  if (limit->is_unused()) return;
  for (const auto& weak : connections)
    if (const auto connection = weak.lock()) connection->stop();
  deadline.expires_after(kStopTimeout);
  deadline.async_wait([this](error_code failure) {
    if (!failure) io.stop();
  });
}

Result<ListenAddress> parse_listen_address(std::string_view text, std::uint16_t default_port) {
  const Error malformed{Status::option, "an address to listen on is HOST, HOST:PORT or [IPV6]:PORT"};
  ListenAddress address{std::string(text), default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return malformed;
    address.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else if (std::ranges::count(text, ':') == 1) {
    address.host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':'));
  }
  if (address.host.empty()) return malformed;
  if (port.empty()) return address;
  const char* const end = port.data() + port.size();
  const auto [stop, failure] = std::from_chars(port.data() + 1, end, address.port);
  if (port.front() != ':' || failure != std::errc() || stop != end || address.port == 0) return malformed;
  return address;
}

std::vector<ListenAddress> listen_addresses_of(const MainUrl& url) {
  if (url.host() != "localhost") return {{url.host(), url.port()}};
  return {{"127.0.0.1", url.port()}, {"::1", url.port(), ListenAddress::Need::if_available}};
}

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::open(ListenerOptions options, HttpHandler& handler) {
  auto impl = std::make_unique<Impl>(std::move(options), handler);
  SKS_TRY(configure_tls(impl->tls, impl->options));
  for (const ListenAddress& address : impl->options.addresses) {
    Result<void> bound = impl->bind(address);
    if (!bound && address.need == ListenAddress::Need::required) return std::move(bound).error();
  }
  // From here on a signal waits for run() instead of killing the process: the caller is about to say that it listens.
  for (const int signal : {SIGTERM, SIGINT}) {
    error_code failure;
    impl->signals.add(signal, failure);
    if (failure) return Error{Status::internal, "cannot handle signals: " + failure.message()};
  }
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

void Listener::run(const std::function<void()>& every_minute) {
  impl_->every_minute = every_minute;
  impl_->signals.async_wait([this](error_code failure, int) {
    if (failure) return;
    log_info("stopping");
    impl_->stop();
  });
  asio::post(impl_->strand, [this] {
    for (tcp::acceptor& acceptor : impl_->acceptors) impl_->accept(acceptor);
    impl_->start_minute();
  });
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < impl_->options.threads; ++i) others.emplace_back([this] { impl_->io.run(); });
    impl_->io.run();
  }
  // Connections that the deadline cut off are destroyed together with the io_context, which cannot take posts then.
  impl_->limit->be_quiet();
}

}  // namespace sks::issuer
