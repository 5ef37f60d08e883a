#include "key-user-api/cli/https_client.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>

#include "key-user-api/cli/interrupt.h"
#include "sks-core/crypto/ossl.h"

namespace sks::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::uint32_t kHeaderLimit = 64 * 1024;
/// How soon a signal is noticed while nothing arrives from the server.
constexpr auto kInterruptPoll = std::chrono::milliseconds(100);

using Kind = HttpFailure::Kind;

bool is_tls_error(error_code error) {
  return error.category() == asio::error::get_ssl_category() ||
         error.category() == asio::ssl::error::get_stream_category();
}

std::string to_std(beast::string_view text) { return {text.data(), text.size()}; }

/// What a user can do about a certificate that is not trusted; empty when only the issuer can.
std::string_view advice_for(long verdict) {
  constexpr auto kUnknownAuthority =
      std::to_array<long>({X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                           X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
                           X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN});
  return std::ranges::find(kUnknownAuthority, verdict) != kUnknownAuthority.end()
             ? "; --ca-file names the CA certificates to trust"
             : "";
}

std::string tls_reason(error_code error) {
  const char* const reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
  return reason == nullptr ? error.message() : std::string(reason);
}

}  // namespace

struct HttpsClient::Impl {
  using Stream = beast::ssl_stream<beast::tcp_stream>;
  using Addresses = asio::ip::tcp::resolver::results_type;
  using Parser = http::response_parser<http::string_body>;

  struct Connection {
    Connection(asio::io_context& io, asio::ssl::context& tls, Url where) : peer(std::move(where)), stream(io, tls) {}
    Url peer;
    Stream stream;
    beast::flat_buffer buffer;
  };

  explicit Impl(const HttpsOptions& with) : options(with), tls(asio::ssl::context::tls_client) {}

  Result<void> load_roots();
  Result<void, HttpFailure> connect(const Url& url);
  Result<Addresses, HttpFailure> resolve(const Url& url);
  Result<void, HttpFailure> handshake(const Url& url);
  Result<void, HttpFailure> check_leaf(const std::string& name);
  error_code send(const HttpRequest& request);
  Result<HttpResponse, HttpFailure> receive(const std::string& name);

  /// Runs what `start` begins (it is given the completion handler) until it is over, or a signal stops it.
  template <class Start>
  error_code complete(Start start);

  HttpFailure failure(error_code error, const std::string& name, std::string_view during) const;

  HttpsOptions options;
  asio::io_context io;
  asio::ssl::context tls;
  std::optional<Connection> connection;
  Bytes leaf;
};

template <class Start>
error_code HttpsClient::Impl::complete(Start start) {
  std::optional<error_code> result;
  start([&result](error_code error, const auto&...) { result = error; });
  io.restart();
  bool cancelled = false;
  while (!result) {
    // The operation refers to objects of our caller, so it is waited for even after it was cancelled.
    if (interrupted() && !cancelled) {
      beast::get_lowest_layer(connection->stream).cancel();
      cancelled = true;
    }
    if (io.run_one_for(kInterruptPoll) == 0 && io.stopped()) io.restart();
  }
  return *result;
}

Result<HttpsClient::Impl::Addresses, HttpFailure> HttpsClient::Impl::resolve(const Url& url) {
  struct Lookup {
    std::optional<error_code> outcome;
    Addresses found;
  };
  // A name lookup cannot be cancelled: it may end after we gave up on it, and shares what it writes to.
  const auto lookup = std::make_shared<Lookup>();
  const auto deadline = std::chrono::steady_clock::now() + options.connect_timeout;
  asio::ip::tcp::resolver resolver(io);
  resolver.async_resolve(url.host, std::to_string(url.port), [lookup](error_code outcome, const Addresses& found) {
    lookup->found = found;
    lookup->outcome = outcome;
  });
  io.restart();
  while (!lookup->outcome && !interrupted() && std::chrono::steady_clock::now() < deadline)
    io.run_one_for(std::min<std::chrono::milliseconds>(kInterruptPoll, options.connect_timeout));
  const error_code error = lookup->outcome.value_or(beast::error::timeout);
  if (error) return failure(error, url.authority(), "cannot find");
  return std::move(lookup->found);
}

HttpFailure HttpsClient::Impl::failure(error_code error, const std::string& name, std::string_view during) const {
  const std::string where = std::string(during) + " " + name + ": ";
  if (interrupted()) return {Kind::interrupted, "interrupted"};
  if (error == beast::error::timeout) return {Kind::network, where + "no answer in time"};
  // A connection that ends in the middle of the TLS stream is a lost one, not one that is not to be trusted.
  if (error == asio::ssl::error::stream_truncated || error == asio::error::eof || error == http::error::end_of_stream ||
      error == http::error::partial_message)
    return {Kind::network, where + "the connection was cut off"};
  if (is_tls_error(error)) return {Kind::tls, where + "TLS failed: " + tls_reason(error)};
  if (error == http::error::body_limit) return {Kind::response, where + "the answer is too long"};
  if (error == http::error::header_limit) return {Kind::response, where + "the headers of the answer are too long"};
  if (error.category() == http::make_error_code(http::error::bad_version).category())
    return {Kind::response, where + "the answer is not proper HTTP (" + error.message() + ")"};
  return {Kind::network, where + error.message()};
}

Result<void> HttpsClient::Impl::load_roots() {
  error_code error;
  if (options.ca_file.empty()) {
    tls.set_default_verify_paths(error);
  } else {
    tls.load_verify_file(options.ca_file, error);
  }
  if (!error) return {};
  ERR_clear_error();
  return Error{Status::option, "no CA certificate can be read from '" + options.ca_file + "'"};
}

Result<void, HttpFailure> HttpsClient::Impl::check_leaf(const std::string& name) {
  X509* const certificate = SSL_get0_peer_certificate(connection->stream.native_handle());
  const int size = i2d_X509(certificate, nullptr);
  if (certificate == nullptr || size <= 0) return HttpFailure{Kind::tls, name + " presents no certificate"};
  Bytes der(static_cast<std::size_t>(size));
  std::uint8_t* out = der.data();
  i2d_X509(certificate, &out);
  if (leaf.empty())
    leaf = std::move(der);
  else if (!equal(leaf, der))
    return HttpFailure{Kind::tls, name + " presents another certificate than at the first connection of this session"};
  return {};
}

Result<void, HttpFailure> HttpsClient::Impl::handshake(const Url& url) {
  Stream& stream = connection->stream;
  SSL* const ssl = stream.native_handle();
  X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  std::string server_name = url.host;
  const bool ready = url.is_address ? X509_VERIFY_PARAM_set1_ip_asc(verify, url.host.c_str()) == 1
                                    : X509_VERIFY_PARAM_set1_host(verify, url.host.c_str(), 0) == 1 &&
                                          SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                                   server_name.data()) == 1;
  if (!ready) return HttpFailure{Kind::tls, ossl::take_error("cannot set up TLS").detail};
  stream.set_verify_mode(asio::ssl::verify_peer);
  const error_code error =
      complete([&](auto handler) { stream.async_handshake(asio::ssl::stream_base::client, std::move(handler)); });
  if (!error) return {};
  const long verdict = SSL_get_verify_result(ssl);
  if (is_tls_error(error) && verdict != X509_V_OK)
    return HttpFailure{Kind::tls, "the TLS certificate of " + url.authority() + " is not trusted: " +
                                      X509_verify_cert_error_string(verdict) + std::string(advice_for(verdict))};
  return failure(error, url.authority(), "cannot connect to");
}

Result<void, HttpFailure> HttpsClient::Impl::connect(const Url& url) {
  connection.emplace(io, tls, url);
  auto& tcp = beast::get_lowest_layer(connection->stream);
  SKS_LET(const Addresses addresses, resolve(url));
  tcp.expires_after(options.connect_timeout);
  error_code error = complete([&](auto handler) { tcp.async_connect(addresses, std::move(handler)); });
  if (error) return failure(error, url.authority(), "cannot connect to");
  tcp.socket().set_option(asio::ip::tcp::no_delay(true), error);
  SKS_TRY(handshake(url));
  return check_leaf(url.authority());
}

error_code HttpsClient::Impl::send(const HttpRequest& request) {
  const bool post = request.method == HttpRequest::Method::post;
  http::request<http::span_body<const char>> message(post ? http::verb::post : http::verb::get, request.url.target, 11);
  message.set(http::field::host, request.url.authority());
  message.set(http::field::user_agent, "sks/" SKS_VERSION);
  message.set(http::field::accept, "application/json");
  if (!request.cookie.empty()) message.set(http::field::cookie, request.cookie);
  if (post) {
    message.set(http::field::content_type, "application/json");
    message.body() = beast::span<const char>(request.body.data(), request.body.size());
  }
  message.prepare_payload();
  return complete([&](auto handler) { http::async_write(connection->stream, message, std::move(handler)); });
}

Result<HttpResponse, HttpFailure> HttpsClient::Impl::receive(const std::string& name) {
  Parser parser;
  parser.body_limit(options.body_limit);
  parser.header_limit(kHeaderLimit);
  // The headers come first and alone: read in one go with the beginning of its body, a Content-Length beyond the limit
  // would slip through Beast's own check.
  error_code error = complete([&](auto handler) {
    http::async_read_header(connection->stream, connection->buffer, parser, std::move(handler));
  });
  if (!error && parser.content_length().value_or(0) > options.body_limit) error = http::error::body_limit;
  if (!error)
    error = complete(
        [&](auto handler) { http::async_read(connection->stream, connection->buffer, parser, std::move(handler)); });
  if (error) return failure(error, name, "no answer from");
  HttpResponse response;
  response.status = parser.get().result_int();
  for (const auto& field : parser.get())
    response.headers.emplace_back(to_std(field.name_string()), to_std(field.value()));
  if (!parser.keep_alive()) connection.reset();
  response.body = std::move(parser.get().body());
  return response;
}

HttpsClient::HttpsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsClient::~HttpsClient() = default;

Result<std::unique_ptr<HttpsClient>> HttpsClient::create(const HttpsOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  if (SSL_CTX_set_min_proto_version(impl->tls.native_handle(), TLS1_2_VERSION) != 1)
    return ossl::take_error("cannot set up TLS");
  SKS_TRY(impl->load_roots());
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(impl)));
}

Result<HttpResponse, HttpFailure> HttpsClient::exchange(const HttpRequest& request) {
  SKS_CHECK(request.url.scheme == "https");
  const std::string name = request.url.authority();
  if (impl_->connection && !same_origin(impl_->connection->peer, request.url)) impl_->connection.reset();
  if (!impl_->connection) {
    auto connected = impl_->connect(request.url);
    if (!connected) {
      impl_->connection.reset();
      return std::move(connected).error();
    }
  }
  beast::get_lowest_layer(impl_->connection->stream).expires_after(impl_->options.read_timeout);
  if (const error_code error = impl_->send(request)) {
    impl_->connection.reset();
    return impl_->failure(error, name, "cannot send to");
  }
  auto response = impl_->receive(name);
  if (!response) impl_->connection.reset();
  return response;
}

const Bytes& HttpsClient::server_certificate() const { return impl_->leaf; }

}  // namespace sks::cli
