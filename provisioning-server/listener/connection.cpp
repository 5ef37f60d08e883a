#include "provisioning-server/listener/connection.h"

#include <openssl/ssl.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <optional>

#include "provisioning-server/listener/tls_context.h"
#include "provisioning-server/metrics.h"

namespace sks::issuer {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kTimeout = std::chrono::seconds(60);  // Spec: keygen2.md Appendix B
// Short: whoever connects and says nothing, or a little, takes a place from others.
constexpr auto kHandshakeTimeout = std::chrono::seconds(10);
constexpr auto kHeaderTimeout = std::chrono::seconds(10);
// How slow a client may be with a body, and with taking a response, once its first seconds are over. On average: what
// it was fast with counts.
constexpr auto kGrace = std::chrono::seconds(10);
constexpr std::size_t kSlowestBytesPerSecond = 4096;
constexpr auto kDrainTimeout = std::chrono::seconds(2);
constexpr auto kUnwantedTimeout = std::chrono::seconds(5);
constexpr std::size_t kMaxUnwanted = 8 << 20;
// Bodies leave the buffer as they come; headers, chunk extensions and trailers stay until they are complete.
constexpr std::size_t kMaxBuffered = 64 * 1024;
constexpr std::size_t kMaxFields = 64;
// Most requests come whole with it.
constexpr std::size_t kFirstRead = 4096;

void count_closed(std::string_view limit) {
  Metrics::instance().counter("connections_closed_total", {{"limit", limit}}).add();
}

/// How long so many bytes may take.
std::chrono::milliseconds longest_time(std::size_t bytes) {
  return std::min<std::chrono::milliseconds>(kTimeout,
                                             kGrace + std::chrono::milliseconds(1000 * bytes / kSlowestBytesPerSecond));
}

std::string_view word_of_handshake_failure(error_code failure) {
  if (failure == beast::error::timeout) return "timeout";
  if (failure.category() == asio::error::get_ssl_category()) return "protocol";
  return "closed";
}

/// Takes the headers of a request out of the message of the HTTP library.
Request head_of(const http::request<http::string_body>& message) {
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
    const bool is_cookie = field.name() == http::field::cookie;
    std::string& value = is_cookie ? request.cookies : request.headers[std::move(name)];
    if (!value.empty()) value += is_cookie ? "; " : ", ";
    value += std::string(field.value());
  }
  return request;
}

using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using PlainStream = beast::tcp_stream;

/// Everything runs on the strand of the socket.
template <class Stream>
class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(tcp::socket socket, std::string peer, std::shared_ptr<asio::ssl::context> tls, ConnectionPorts ports,
                 std::unique_ptr<ConnectionLimits::Permit> permit)
      : permit_(std::move(permit)),
        tls_(std::move(tls)),
        stream_(make_stream(std::move(socket))),
        ports_(std::move(ports)),
        peer_(std::move(peer)) {
    error_code ignored;
    socket_of().socket().set_option(tcp::no_delay(true), ignored);
  }

  void start() override {
    asio::dispatch(stream_.get_executor(), [self = this->shared_from_this()] {
      if constexpr (std::is_same_v<Stream, TlsStream>) {
        self->handshake();
      } else {
        self->read_request();
      }
    });
  }

  void stop() override {
    asio::dispatch(stream_.get_executor(), [self = this->shared_from_this()] {
      self->stopping_ = true;
      if (self->waiting_) self->close_socket();
    });
  }

 private:
  Stream make_stream(tcp::socket socket) {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      return TlsStream(std::move(socket), *tls_);
    } else {
      return PlainStream(std::move(socket));
    }
  }
  beast::tcp_stream& socket_of() { return beast::get_lowest_layer(stream_); }

  void handshake() {
    socket_of().expires_after(kHandshakeTimeout);
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = this->shared_from_this()](error_code failure) { self->on_handshake(failure); });
  }

  void on_handshake(error_code failure) {
    if (failure) {
      Metrics::instance()
          .counter("tls_handshake_failures_total", {{"reason", word_of_handshake_failure(failure)}})
          .add();
      return close_socket();
    }
    const bool resumed = SSL_session_reused(stream_.native_handle()) == 1;
    Metrics::instance().counter("tls_handshakes_total", {{"kind", resumed ? "resumed" : "full"}}).add();
    read_request();
  }

  void read_request() {
    if (stopping_) return shut_down();
    ++requests_;
    parser_.emplace();
    parser_->header_limit(kMaxHeader);
    parser_->body_limit(kMaxBody);
    // What has come is taken at once: most requests are complete then.
    parser_->eager(true);
    if (buffer_.size() != 0) return take_header();  // sent behind the request before
    wait_for_request();
  }

  /// Apart from the header: the library waits for all of it, with one limit, and clients may take long to begin.
  void wait_for_request() {
    waiting_ = true;
    socket_of().expires_after(kTimeout);
    stream_.async_read_some(buffer_.prepare(kFirstRead),
                            [self = this->shared_from_this()](error_code failure, std::size_t size) {
                              self->waiting_ = false;
                              if (failure == asio::error::eof) return self->shut_down();
                              if (failure) return self->on_read_failure(failure, "idle");
                              self->buffer_.commit(size);
                              self->take_header();
                            });
  }

  /// From what has come; from what is still to come when that is not all of it.
  void take_header() {
    error_code failure;
    buffer_.consume(parser_->put(buffer_.data(), failure));
    if (failure == http::error::need_more) return read_header();
    if (failure) return on_read_failure(failure, "header");
    on_header();
  }

  void read_header() {
    socket_of().expires_after(kHeaderTimeout);
    http::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](error_code failure, std::size_t) {
                            if (failure) return self->on_read_failure(failure, "header");
                            self->on_header();
                          });
  }

  void on_header() {
    handler_ = ports_.handler();
    request_ = head_of(parser_->get());
    request_.peer = peer_;
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      PeerCertificate certificate = peer_certificate(stream_.native_handle());
      request_.client_certificate = std::move(certificate.der);
      request_.certificate_trusted = certificate.trusted;
    }
    if (ports_.requests != nullptr && !ports_.requests->take(rate_key(peer_), steady_seconds())) {
      Metrics::instance().counter("rate_limited_total", {{"limit", "address"}}).add();
      return send_and_close(handler_->refuse(429, request_.target));
    }
    if (const auto length = parser_->content_length()) request_.content_length = *length;
    // Beast takes a body in another coding for the content, or for none: where the request ends would be a guess.
    const auto& head = parser_->get();
    if (static_cast<std::size_t>(std::distance(head.begin(), head.end())) > kMaxFields)
      return send_and_close(handler_->refuse(400));
    if (head.count(http::field::transfer_encoding) != 0 &&
        !beast::iequals(head[http::field::transfer_encoding], "chunked"))
      return send_and_close(handler_->refuse(400));
    if (std::optional<Response> refusal = handler_->check_head(request_)) return send_and_close(std::move(*refusal));
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) return send_continue();
    read_body();
  }

  void send_continue() {
    socket_of().expires_after(kTimeout);
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = this->shared_from_this()](error_code failure, std::size_t) {
                        if (failure) return self->close_socket();
                        self->read_body();
                      });
  }

  void read_body() {
    body_begin_ = std::chrono::steady_clock::now();
    body_read_ = 0;
    read_more_body();
  }

  void read_more_body() {
    if (parser_->is_done()) return on_request();
    socket_of().expires_at(body_begin_ + longest_time(body_read_));
    http::async_read_some(stream_, buffer_, *parser_,
                          [self = this->shared_from_this()](error_code failure, std::size_t size) {
                            if (failure) return self->on_read_failure(failure, "body");
                            self->body_read_ += size;
                            self->read_more_body();
                          });
  }

  void on_request() {
    request_.body = std::move(parser_->get().body());
    // Others must not keep the connection beyond its response.
    auto later = std::make_shared<std::shared_ptr<HttpConnection>>(this->shared_from_this());
    ports_.pending.begin();
    const bool is_under_way = handler_->handle_promptly(request_, [later](std::optional<Response> response) {
      std::shared_ptr<HttpConnection> self = std::move(*later);
      PendingResponses& pending = self->ports_.pending;
      const auto executor = self->stream_.get_executor();
      auto outcome = std::make_shared<std::optional<Response>>(std::move(response));
      asio::post(executor, [self = std::move(self), outcome] {
        if (*outcome) return self->on_response(std::move(**outcome));
        self->run_in_pool();
      });
      pending.end();
    });
    if (is_under_way) return;
    ports_.pending.end();
    run_in_pool();
  }

  void run_in_pool() {
    asio::post(ports_.workers, [self = this->shared_from_this()] {
      // Nothing else happens to the connection meanwhile, or touches its request.
      auto response = std::make_shared<Response>(self->handler_->handle(self->request_));
      asio::post(self->stream_.get_executor(), [self, response] { self->on_response(std::move(*response)); });
    });
  }

  void on_response(Response response) {
    const bool keep_alive = parser_->keep_alive() && requests_ < ports_.requests_per_connection;
    send(std::move(response), keep_alive);
  }

  /// `limit` is the one that has been reached when time ran out.
  void on_read_failure(error_code failure, std::string_view limit) {
    if (failure == http::error::end_of_stream) return shut_down();
    if (failure == beast::error::timeout) count_closed(limit);
    handler_ = ports_.handler();
    if (failure == http::error::body_limit)
      return send_and_close(handler_->refuse(413, std::string(parser_->get().target())));
    // Only what the parser objects to is worth an answer; anything else is a connection that has gone.
    if (failure.category() == http::make_error_code(http::error::bad_method).category() &&
        failure != http::error::partial_message)
      return send_and_close(handler_->refuse(400));
    close_socket();
  }

  /// For refusals that leave a body unread.
  void send_and_close(Response response) {
    unread_ = true;
    send(std::move(response), false);
  }

  void send(Response response, bool keep_alive) {
    handler_.reset();  // a connection without a request must not keep what a reload has replaced
    response_.emplace();
    response_->version(11);
    response_->result(response.status);
    for (const auto& [name, value] : response.headers) response_->insert(name, value);
    response_->keep_alive(keep_alive && !stopping_);
    // The answer to HEAD is the header of the one to GET, with its length, and no body.
    response_->body() = std::move(response.body);
    response_->prepare_payload();
    if (request_.method == "HEAD") response_->body().clear();
    socket_of().expires_after(longest_time(response_->body().size()));
    http::async_write(stream_, *response_, [self = this->shared_from_this()](error_code failure, std::size_t) {
      if (failure == beast::error::timeout) count_closed("write");
      if (failure) return self->close_socket();
      if (self->unread_) {
        // One limit for all that follows: a client may not keep its connection by sending a byte now and then.
        self->socket_of().expires_after(kUnwantedTimeout);
        return self->discard_rest();
      }
      if (!self->response_->keep_alive()) return self->shut_down();
      self->read_request();
    });
  }

  /// Reads on for a moment before closing: closing on unread bytes would destroy the response on its way.
  void discard_rest() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kMaxHeader),
                            [self = this->shared_from_this()](error_code failure, std::size_t size) {
                              self->discarded_ += size;
                              if (failure || self->discarded_ > kMaxUnwanted) return self->shut_down();
                              self->discard_rest();
                            });
  }

  void shut_down() {
    socket_of().expires_after(kDrainTimeout);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->close_socket(); });
    } else {
      error_code ignored;
      socket_of().socket().shutdown(tcp::socket::shutdown_send, ignored);
      close_socket();
    }
  }

  void close_socket() {
    error_code ignored;
    socket_of().socket().close(ignored);
  }

  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

  std::unique_ptr<ConnectionLimits::Permit> permit_;  // goes last, when the socket is closed
  std::shared_ptr<asio::ssl::context> tls_;
  Stream stream_;
  ConnectionPorts ports_;
  std::string peer_;
  std::shared_ptr<const HttpHandler> handler_;  // of the request under way
  std::size_t requests_ = 0;
  std::chrono::steady_clock::time_point body_begin_;
  std::size_t body_read_ = 0;
  beast::flat_buffer buffer_{kMaxBuffered};
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
  Request request_;
  bool waiting_ = false;
  bool stopping_ = false;
  bool unread_ = false;
  std::size_t discarded_ = 0;
};

}  // namespace

std::shared_ptr<Connection> make_connection(tcp::socket socket, std::string peer,
                                            std::shared_ptr<asio::ssl::context> tls, ConnectionPorts ports,
                                            std::unique_ptr<ConnectionLimits::Permit> permit) {
  if (tls == nullptr)
    return std::make_shared<HttpConnection<PlainStream>>(std::move(socket), std::move(peer), nullptr, std::move(ports),
                                                         std::move(permit));
  return std::make_shared<HttpConnection<TlsStream>>(std::move(socket), std::move(peer), std::move(tls),
                                                     std::move(ports), std::move(permit));
}

}  // namespace sks::issuer
