#include "conformance/kit/issuer_session.h"

#include <algorithm>

namespace sks::conformance {
namespace {

/// The value of the Host header.
std::string authority(const HttpsUrl& url) {
  constexpr std::uint16_t kDefaultPort = 443;
  const std::string host = url.host.find(':') == std::string::npos ? url.host : '[' + url.host + ']';
  return url.port == kDefaultPort ? host : host + ':' + std::to_string(url.port);
}

}  // namespace

Result<IssuerSession> IssuerSession::create(const std::string& init, const std::string& url, const std::string& cookie,
                                            SSL_CTX* context) {
  SKS_LET(HttpsUrl first, parse_https_url(init));
  SKS_LET(HttpsUrl main, parse_https_url(url));
  if (first.host != main.host || first.port != main.port)
    return Error{Status::option, "init and url are not of the same origin (keygen2.md 9.1)"};
  return IssuerSession(std::move(first), std::move(main), url, cookie, context);
}

Result<HttpMessage> IssuerSession::get_init() {
  HttpMessage request{"GET " + init_.target + " HTTP/1.1", {{"Host", authority(init_)}}, ""};
  request.headers.emplace_back("Accept", "application/json");
  if (!cookies().empty()) request.headers.emplace_back("Cookie", cookies());
  return exchange(request, Framing::length);
}

Result<HttpMessage> IssuerSession::post(const std::string& text) { return send({}, text); }

Result<HttpMessage> IssuerSession::send(const Delivery& delivery, const std::string& text) {
  std::string target = delivery.path.empty() ? url_.target : delivery.path;
  if (target == "{init}") target = init_.target;
  HttpMessage request{delivery.method + ' ' + target + " HTTP/1.1", {{"Host", authority(url_)}}, ""};
  if (delivery.method == "POST" || delivery.method == "PUT") {
    request.body = text;
    if (!delivery.content_type.empty()) request.headers.emplace_back("Content-Type", delivery.content_type);
  }
  for (const auto& header : delivery.headers)
    if (!header.second.empty()) request.headers.push_back(header);
  const bool own_cookie = std::ranges::any_of(delivery.headers, [](const auto& row) { return row.first == "Cookie"; });
  if (!own_cookie && !cookies().empty()) request.headers.emplace_back("Cookie", cookies());
  return exchange(request, delivery.chunked ? Framing::chunked : Framing::length);
}

Result<HttpMessage> IssuerSession::exchange(const HttpMessage& request, Framing framing) {
  SKS_LET(TlsConnection connection, TlsConnection::connect(url_.host, url_.port, context_));
  const Bytes certificate = connection.peer_certificate();
  if (certificate_.empty()) certificate_ = certificate;
  if (certificate != certificate_) return Error{Status::crypto, "the issuer shows another certificate than before"};
  // A server that has read enough of a long body answers without reading the rest.
  static_cast<void>(connection.write(to_text(request, framing)));
  SKS_LET(HttpMessage response, read_http(connection, HttpKind::response));
  keep_cookies(response);
  return response;
}

std::string IssuerSession::cookies() const {
  std::string text = cookie_;
  for (const auto& [name, value] : more_cookies_) text += (text.empty() ? "" : "; ") + name + '=' + value;
  return text;
}

void IssuerSession::keep_cookies(const HttpMessage& response) {
  for (const auto& [name, value] : response.headers) {
    if (name != "Set-Cookie" && name != "set-cookie") continue;
    const std::string pair = value.substr(0, value.find(';'));
    const std::size_t equals = pair.find('=');
    if (equals != std::string::npos) more_cookies_[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
}

}  // namespace sks::conformance
