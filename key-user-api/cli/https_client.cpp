#include "key-user-api/cli/https_client.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "key-user-api/cli/interrupt.h"
#include "key-user-api/cli/received_leaf.h"
#include "sks-core/crypto/ossl.h"

namespace sks::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::uint32_t kHeaderLimit = 64 * 1024;
/// Beast's limits do not cover chunk extensions and trailers; what it has to see in one piece fits in here or is
/// refused.
constexpr std::size_t kBufferLimit = 2 * std::size_t{kHeaderLimit};
/// Informational responses (1xx) before the answer itself.
constexpr int kMaxInformational = 10;
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

/// TCP to the server or its proxy, and the TLS of the proxy where it has one: what the TLS with the server runs over.
struct Transport {
  using executor_type = beast::tcp_stream::executor_type;
  using lowest_layer_type = beast::tcp_stream::socket_type;

  explicit Transport(asio::io_context& io) : tcp(io) {}

  executor_type get_executor() { return tcp.get_executor(); }
  lowest_layer_type& lowest_layer() { return tcp.socket(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (proxy_tls) return proxy_tls->async_read_some(buffers, std::forward<Handler>(handler));
    tcp.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (proxy_tls) return proxy_tls->async_write_some(buffers, std::forward<Handler>(handler));
    tcp.async_write_some(buffers, std::forward<Handler>(handler));
  }

  beast::tcp_stream tcp;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> proxy_tls;
};

/// What a refusal of CONNECT means. The first row that has the status counts.
struct ProxyRefusal {
  unsigned status;
  Kind kind;
  std::string_view meaning;  ///< between the name of the proxy and that of the server
};
constexpr auto kProxyRefusals = std::to_array<ProxyRefusal>({
    {403, Kind::proxy, "forbids the connection to"},
    {502, Kind::network, "cannot reach"},
    {503, Kind::network, "cannot reach"},
    {504, Kind::network, "cannot reach"},
});

bool offers_basic(const http::response_header<>& header) {
  const auto [begin, end] = header.equal_range(http::field::proxy_authenticate);
  return std::any_of(
      begin, end, [](const auto& field) { return equal_ignoring_case(to_std(field.value()).substr(0, 6), "basic "); });
}

/// Whether the body comes as it is: of the transfer codings only chunked is spoken here.
bool has_plain_framing(const http::response_header<>& header) {
  const auto [begin, end] = header.equal_range(http::field::transfer_encoding);
  return std::all_of(begin, end,
                     [](const auto& field) { return equal_ignoring_case(to_std(field.value()), "chunked"); });
}

std::string describe(const Proxy& proxy) { return "the proxy " + proxy.url.authority() + " (" + proxy.variable + ")"; }

HttpFailure proxy_refusal(const Proxy& proxy, const http::response_header<>& header, const std::string& server) {
  const unsigned status = header.result_int();
  const std::string where = describe(proxy) + " ";
  const std::string with_status = " (HTTP status " + std::to_string(status) + ")";
  if (status == 407 && !offers_basic(header))
    return {Kind::proxy,
            where + "asks for a kind of authentication that is not supported; only Basic is" + with_status};
  if (status == 407 && proxy.authorization.empty())
    return {Kind::proxy, where + "asks for a user name and password, which stand in front of its host there: " +
                             "USER:PASSWORD@HOST" + with_status};
  if (status == 407)
    return {Kind::proxy, where + "does not accept the user name and password that are given there" + with_status};
  const auto* const row = std::ranges::find(kProxyRefusals, status, &ProxyRefusal::status);
  if (row == kProxyRefusals.end()) return {Kind::proxy, where + "refuses the connection to " + server + with_status};
  return {row->kind, where + std::string(row->meaning) + " " + server + with_status};
}

}  // namespace

struct HttpsClient::Impl {
  using Addresses = std::vector<asio::ip::tcp::endpoint>;
  using Parser = http::response_parser<http::string_body>;

  struct Connection {
    Connection(asio::io_context& io, asio::ssl::context& tls, Url where)
        : peer(std::move(where)), transport(io), stream(transport, tls) {}
    Url peer;
    Transport transport;
    Bytes leaf;  ///< of the server
    asio::ssl::stream<Transport&> stream;
    beast::flat_buffer buffer{kBufferLimit};
  };

  explicit Impl(HttpsOptions with) : options(std::move(with)), tls(asio::ssl::context::tls_client) {}

  Result<void> load_roots();
  Result<void, HttpFailure> connect(const Url& url);
  Result<Addresses, HttpFailure> resolve(const Url& url, const std::string& name);
  Result<void, HttpFailure> open_tunnel(const Url& url);
  template <class Stream>
  Result<void, HttpFailure> handshake(Stream& stream, const Url& url, const std::string& name);
  Result<void, HttpFailure> check_leaf(const std::string& name);
  error_code send(const HttpRequest& request);
  template <class Stream, class Body>
  error_code receive_header(Stream& stream, beast::flat_buffer& buffer,
                            std::optional<http::response_parser<Body>>& parser);
  Result<HttpResponse, HttpFailure> receive(const std::string& name);
  Result<HttpResponse, HttpFailure> exchange(const HttpRequest& request);

  /// Runs what `start` begins (it is given the completion handler) until it is over, or a signal stops it.
  template <class Start>
  error_code complete(Start start);

  void poll_wait_line() const {
    if (options.wait_line != nullptr) options.wait_line->poll();
  }
  HttpFailure failure(error_code error, const std::string& name, std::string_view during) const;

  HttpsOptions options;
  asio::io_context io;
  asio::ssl::context tls;
  std::optional<Connection> connection;
  Bytes leaf;
  std::string local_address;
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
      connection->transport.tcp.cancel();
      cancelled = true;
    }
    poll_wait_line();
    if (io.run_one_for(kInterruptPoll) == 0 && io.stopped()) io.restart();
  }
  return *result;
}

Result<HttpsClient::Impl::Addresses, HttpFailure> HttpsClient::Impl::resolve(const Url& url, const std::string& name) {
  // RFC 6761 chapter 6.3: these names are never looked up, so that nobody can answer for them.
  if (is_localhost(url))
    return Addresses{{asio::ip::address_v6::loopback(), url.port}, {asio::ip::address_v4::loopback(), url.port}};
  struct Lookup {
    std::optional<error_code> outcome;
    Addresses found;
  };
  // A name lookup cannot be cancelled: it may end after we gave up on it, and shares what it writes to.
  const auto lookup = std::make_shared<Lookup>();
  const auto deadline = std::chrono::steady_clock::now() + options.connect_timeout;
  asio::ip::tcp::resolver resolver(io);
  resolver.async_resolve(url.host, std::to_string(url.port), [lookup](error_code outcome, const auto& found) {
    lookup->found.assign(found.begin(), found.end());
    lookup->outcome = outcome;
  });
  io.restart();
  while (!lookup->outcome && !interrupted() && std::chrono::steady_clock::now() < deadline) {
    io.run_one_for(std::min<std::chrono::milliseconds>(kInterruptPoll, options.connect_timeout));
    poll_wait_line();
  }
  const error_code error = lookup->outcome.value_or(beast::error::timeout);
  if (error) return failure(error, name, "cannot find");
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
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return {Kind::response, where + "the headers of the answer are too long"};
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
  if (connection->leaf.empty()) return HttpFailure{Kind::tls, name + " presents no certificate"};
  if (leaf.empty())
    leaf = connection->leaf;
  else if (options.leaf_binding == LeafBinding::every_connection && leaf != connection->leaf)
    return HttpFailure{Kind::tls, name + " presents another certificate than at the first connection of this session"};
  return {};
}

template <class Stream>
Result<void, HttpFailure> HttpsClient::Impl::handshake(Stream& stream, const Url& url, const std::string& name) {
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
    return HttpFailure{Kind::tls, "the TLS certificate of " + name + " is not trusted: " +
                                      X509_verify_cert_error_string(verdict) + std::string(advice_for(verdict))};
  return failure(error, name, "cannot connect to");
}

Result<void, HttpFailure> HttpsClient::Impl::open_tunnel(const Url& url) {
  const Proxy& proxy = *options.proxy;
  const std::string name = describe(proxy);
  Transport& transport = connection->transport;
  if (proxy.url.scheme == "https") {
    transport.proxy_tls.emplace(transport.tcp, tls);
    SKS_TRY(handshake(*transport.proxy_tls, proxy.url, name));
  }
  const std::string server = url.host_and_port();
  const std::string begin =
      "CONNECT " + server + " HTTP/1.1\r\nHost: " + server + "\r\nUser-Agent: sks/" SKS_VERSION "\r\n";
  const std::string_view authorization = proxy.authorization.empty() ? "" : "Proxy-Authorization: ";
  const std::string_view end = proxy.authorization.empty() ? "\r\n" : "\r\n\r\n";
  const std::array<asio::const_buffer, 4> request{
      asio::buffer(begin), asio::buffer(authorization),
      asio::const_buffer(proxy.authorization.data(), proxy.authorization.size()), asio::buffer(end)};
  error_code error = complete([&](auto handler) { asio::async_write(transport, request, std::move(handler)); });
  if (error) return failure(error, name, "cannot send to");

  beast::flat_buffer buffer(kBufferLimit);
  std::optional<http::response_parser<http::empty_body>> parser;
  error = receive_header(transport, buffer, parser);
  if (error) return failure(error, name, "no answer from");
  if (parser->get().result_int() / 100 != 2) return proxy_refusal(proxy, parser->get(), url.authority());
  // The server speaks only after the client has: whatever comes now is not from it.
  if (buffer.size() != 0) return HttpFailure{Kind::response, name + " sends more than the answer to CONNECT"};
  return {};
}

Result<void, HttpFailure> HttpsClient::Impl::connect(const Url& url) {
  const Url& first_hop = options.proxy ? options.proxy->url : url;
  const std::string name = options.proxy ? describe(*options.proxy) : url.authority();
  connection.emplace(io, tls, url);
  beast::tcp_stream& tcp = connection->transport.tcp;
  SKS_LET(const Addresses addresses, resolve(first_hop, name));
  tcp.expires_after(options.connect_timeout);
  error_code error = complete([&](auto handler) { tcp.async_connect(addresses, std::move(handler)); });
  if (error) return failure(error, name, "cannot connect to");
  tcp.socket().set_option(asio::ip::tcp::no_delay(true), error);
  if (const auto local = tcp.socket().local_endpoint(error); !error && local_address.empty())
    local_address = local.address().to_string();
  if (options.proxy) SKS_TRY(open_tunnel(url));
  keep_leaf(connection->stream.native_handle(), connection->leaf);
  SKS_TRY(handshake(connection->stream, url, url.authority()));
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

/// The header of the answer proper, behind informational ones.
template <class Stream, class Body>
error_code HttpsClient::Impl::receive_header(Stream& stream, beast::flat_buffer& buffer,
                                             std::optional<http::response_parser<Body>>& parser) {
  for (int informational = 0; informational <= kMaxInformational; ++informational) {
    parser.emplace();
    parser->header_limit(kHeaderLimit);
    const error_code error =
        complete([&](auto handler) { http::async_read_header(stream, buffer, *parser, std::move(handler)); });
    if (error) return error;
    const unsigned status = parser->get().result_int();
    if (status == 101) return http::error::bad_status;  // no other protocol was asked for
    if (status / 100 != 1) return {};
  }
  return http::error::bad_status;
}

Result<HttpResponse, HttpFailure> HttpsClient::Impl::receive(const std::string& name) {
  std::optional<Parser> parser;
  // The headers come first and alone: read in one go with the beginning of its body, a Content-Length beyond the limit
  // would slip through Beast's own check.
  error_code error = receive_header(connection->stream, connection->buffer, parser);
  HttpResponse response;
  if (!error) {
    parser->body_limit(options.body_limit);
    if (parser->content_length().value_or(0) > options.body_limit) error = http::error::body_limit;
    if (!has_plain_framing(parser->get())) error = http::error::bad_transfer_encoding;
    // Taken now: Beast adds trailers to the fields, and a trailer decides nothing (RFC 9110 chapter 6.5.1).
    response.status = parser->get().result_int();
    for (const auto& field : parser->get())
      response.headers.emplace_back(to_std(field.name_string()), to_std(field.value()));
  }
  if (!error)
    error = complete(
        [&](auto handler) { http::async_read(connection->stream, connection->buffer, *parser, std::move(handler)); });
  if (error) return failure(error, name, "no answer from");
  if (!parser->keep_alive()) connection.reset();
  response.body = std::move(parser->get().body());
  return response;
}

Result<HttpResponse, HttpFailure> HttpsClient::Impl::exchange(const HttpRequest& request) {
  const std::string name = request.url.authority();
  if (connection && !same_origin(connection->peer, request.url)) connection.reset();
  if (!connection) SKS_TRY(connect(request.url));
  connection->transport.tcp.expires_after(options.read_timeout);
  if (const error_code error = send(request)) return failure(error, name, "cannot send to");
  return receive(name);
}

HttpsClient::HttpsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsClient::~HttpsClient() = default;

Result<std::unique_ptr<HttpsClient>> HttpsClient::create(HttpsOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  // A renegotiation could bring another certificate than the one that was compared with the session's.
  SSL_CTX_set_options(impl->tls.native_handle(), SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_set_min_proto_version(impl->tls.native_handle(), TLS1_2_VERSION) != 1)
    return ossl::take_error("cannot set up TLS");
  SKS_TRY(impl->load_roots());
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(impl)));
}

Result<HttpResponse, HttpFailure> HttpsClient::exchange(const HttpRequest& request) {
  SKS_CHECK(request.url.scheme == "https");
  WaitLine* const wait_line = impl_->options.wait_line;
  if (wait_line != nullptr) wait_line->begin(request.url.authority());
  auto response = impl_->exchange(request);
  if (wait_line != nullptr) wait_line->end();
  if (!response) impl_->connection.reset();
  return response;
}

const Bytes& HttpsClient::server_certificate() const { return impl_->leaf; }
std::string HttpsClient::local_address() const { return impl_->local_address; }

}  // namespace sks::cli
