#include <doctest/doctest.h>

#include "key-user-api/cli/https_client.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/cli/proxy_process.h"
#include "tests/key-user-api/cli/tls_server.h"

using namespace sks;
using namespace sks::cli;
using test::ProxyProcess;
using test::TlsFixture;
using test::TlsServer;
using Kind = HttpFailure::Kind;

namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const std::string kLast = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";

const TlsFixture& fixture() {
  static const TlsFixture certificates;
  return certificates;
}

/// Names under .example exist nowhere: only the proxy of these tests finds them.
HttpRequest get(const TlsServer& server, const std::string& host = "issuer.example") {
  auto parsed = parse_url(server.url("/kg", host));
  REQUIRE(parsed);
  return {HttpRequest::Method::get, *parsed, "session=secret", ""};
}

std::unique_ptr<HttpsClient> client_behind(const std::string& proxy) {
  const auto environment = [&](const char* name) -> std::optional<std::string> {
    if (std::string_view(name) == "https_proxy") return proxy;
    return std::nullopt;
  };
  const auto target = parse_url("https://issuer.example/");
  REQUIRE(target);
  auto found = find_proxy(*target, environment);
  if (!found) FAIL(found.error().detail);
  HttpsOptions options;
  options.ca_file = fixture().ca_file();
  options.proxy = std::move(*found);
  auto client = HttpsClient::create(std::move(options));
  REQUIRE(client);
  return std::move(*client);
}

HttpFailure failure_of(const std::string& proxy, const HttpRequest& request) {
  const auto response = client_behind(proxy)->exchange(request);
  REQUIRE_FALSE(response);
  CHECK(response.error().detail.find('\n') == std::string::npos);
  return response.error();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("HttpsClient: a proxy gets the name of the server and nothing of what is sent to it") {
  const TlsServer server({{fixture().credential("issuer"), {kOk, kOk}}});
  const ProxyProcess proxy;
  const auto client = client_behind("http://" + proxy.address());
  const auto response = client->exchange(get(server));
  if (!response) FAIL(response.error().detail);
  CHECK(response->body == "{}");
  CHECK(client->exchange(get(server)));
  const auto expected = from_pem(test::read_file(fixture().file("issuer.crt")), "CERTIFICATE");
  REQUIRE(expected);
  CHECK(client->server_certificate() == expected->at(0));
  CHECK(proxy.log() == "CONNECT issuer.example:" + std::to_string(server.port()) + " -\n");
  REQUIRE(server.requests().size() == 2);
  CHECK_FALSE(contains(server.requests()[0], "Proxy-"));
}

TEST_CASE("HttpsClient: a later connection through the proxy is bound to the leaf of the first") {
  const TlsServer server({{fixture().credential("issuer"), {kLast}}, {fixture().credential("good"), {kOk}}});
  const ProxyProcess proxy;
  const auto client = client_behind("http://" + proxy.address());
  REQUIRE(client->exchange(get(server)));
  CHECK(client->exchange(get(server)).error().kind == Kind::tls);
}

TEST_CASE("HttpsClient: a proxy that answers for the server itself is not trusted") {
  const TlsServer impostor({{fixture().credential("proxy"), {kOk}}});
  const ProxyProcess proxy;
  const HttpFailure failure = failure_of("http://" + proxy.address(), get(impostor));
  CHECK(failure.kind == Kind::tls);
  CHECK(contains(failure.detail, "issuer.example"));
  CHECK(contains(failure.detail, "hostname mismatch"));
  CHECK(impostor.requests().empty());
}

TEST_CASE("HttpsClient: an IPv6 address stands in brackets in CONNECT, and the port always stands there") {
  const ProxyProcess proxy({"--answer", "HTTP/1.1 500 No\\r\\n\\r\\n"});
  const auto url = parse_url("https://[2001:db8::1]/");
  REQUIRE(url);
  failure_of("http://" + proxy.address(), {HttpRequest::Method::get, *url, "", ""});
  CHECK(proxy.log() == "CONNECT [2001:db8::1]:443 -\n");
}

TEST_CASE("HttpsClient: user and password go to the proxy that asks for them, which may refuse them") {
  const TlsServer server({{fixture().credential("issuer"), {kOk}}});
  const ProxyProcess proxy({"--user", "Aladdin:open sesame"});
  CHECK(client_behind("http://Aladdin:open%20sesame@" + proxy.address())->exchange(get(server)));
  // RFC 7617 chapter 2.
  CHECK(contains(proxy.log(), " Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n"));

  const HttpFailure none = failure_of("http://" + proxy.address(), get(server));
  CHECK(none.kind == Kind::proxy);
  CHECK(contains(none.detail, "the proxy " + proxy.address() + " (https_proxy) asks for a user name and password"));
  CHECK(contains(none.detail, "407"));
  const HttpFailure wrong = failure_of("http://Aladdin:close%20sesame@" + proxy.address(), get(server));
  CHECK(wrong.kind == Kind::proxy);
  CHECK(contains(wrong.detail, "does not accept the user name and password"));
  CHECK_FALSE(contains(wrong.detail, "sesame"));
}

TEST_CASE("HttpsClient: what a proxy refuses is told as its refusal") {
  struct Case {
    const char* answer;
    Kind kind;
    const char* said;
  };
  const TlsServer server(std::deque<TlsServer::Connection>{});
  for (const Case& c : std::vector<Case>{
           {"HTTP/1.1 403 Forbidden\\r\\n\\r\\n", Kind::proxy, "forbids the connection to issuer.example"},
           {"HTTP/1.1 405 Method Not Allowed\\r\\n\\r\\n", Kind::proxy, "refuses the connection to issuer.example"},
           {"HTTP/1.1 302 Found\\r\\nLocation: https://issuer.example/\\r\\n\\r\\n", Kind::proxy, "HTTP status 302"},
           {"HTTP/1.1 407 X\\r\\nProxy-Authenticate: Negotiate\\r\\n\\r\\n", Kind::proxy, "only Basic is"},
           {"HTTP/1.1 407 X\\r\\nProxy-Authenticate: Negotiate\\r\\nProxy-Authenticate: basic realm=x\\r\\n\\r\\n",
            Kind::proxy, "asks for a user name and password"},
           {"HTTP/1.1 502 Bad Gateway\\r\\n\\r\\n", Kind::network, "cannot reach issuer.example"},
           {"HTTP/1.1 503 Service Unavailable\\r\\n\\r\\n", Kind::network, "cannot reach issuer.example"},
           {"HTTP/1.1 504 Gateway Timeout\\r\\n\\r\\n", Kind::network, "cannot reach issuer.example"},
           {"HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n", Kind::response, "not proper HTTP"},
           {"SSH-2.0-OpenSSH\\r\\n\\r\\n", Kind::response, "not proper HTTP"},
           {"HTTP/1.1 200 OK\\r\\n\\r\\nmore", Kind::response, "more than the answer to CONNECT"},
           {"HTTP/1.1 200 OK", Kind::network, "cut off"},
           {"", Kind::network, "cut off"},
       }) {
    CAPTURE(c.answer);
    const ProxyProcess proxy({"--answer", c.answer});
    const HttpFailure failure = failure_of("http://" + proxy.address(), get(server));
    CAPTURE(failure.detail);
    CHECK(failure.kind == c.kind);
    CHECK(contains(failure.detail, c.said));
    CHECK(contains(failure.detail, "the proxy " + proxy.address() + " (https_proxy)"));
  }
}

TEST_CASE(
    "HttpsClient: informational responses of a proxy are passed over, and the headers of its answer are bounded") {
  const TlsServer server({{fixture().credential("issuer"), {kOk}}});
  const ProxyProcess eager({"--answer", "HTTP/1.1 100 Continue\\r\\n\\r\\nHTTP/1.1 502 Bad Gateway\\r\\n\\r\\n"});
  CHECK(contains(failure_of("http://" + eager.address(), get(server)).detail, "502"));
  const ProxyProcess talkative({"--answer", "HTTP/1.1 200 OK\\r\\nX: " + std::string(100000, 'x') + "\\r\\n\\r\\n"});
  CHECK(failure_of("http://" + talkative.address(), get(server)).kind == Kind::response);
}

TEST_CASE("HttpsClient: a server that the proxy cannot reach, and a proxy that nobody can, are network failures") {
  unsigned short port = 0;
  {
    const TlsServer gone(std::deque<TlsServer::Connection>{});
    port = gone.port();
  }
  const auto url = parse_url("https://issuer.example:" + std::to_string(port) + "/");
  REQUIRE(url);
  const ProxyProcess proxy;
  const HttpFailure unreachable = failure_of("http://" + proxy.address(), {HttpRequest::Method::get, *url, "", ""});
  CHECK(unreachable.kind == Kind::network);
  CHECK(contains(unreachable.detail, "HTTP status 502"));
  const HttpFailure no_proxy =
      failure_of("http://127.0.0.1:" + std::to_string(port), {HttpRequest::Method::get, *url, "", ""});
  CHECK(no_proxy.kind == Kind::network);
  CHECK(contains(no_proxy.detail, "cannot connect to the proxy 127.0.0.1:" + std::to_string(port) + " (https_proxy)"));
}

TEST_CASE("HttpsClient: TLS with the proxy runs around the TLS with the server, and is verified like it") {
  const TlsServer server({{fixture().credential("issuer"), {kOk}}});
  const ProxyProcess proxy({"--tls", fixture().credential("proxy"), "--user", "jo:pw"});
  const auto response = client_behind("https://jo:pw@" + proxy.address("proxy.localhost"))->exchange(get(server));
  if (!response) FAIL(response.error().detail);
  CHECK(response->body == "{}");

  const std::string before = proxy.log();
  const HttpFailure other_name = failure_of("https://jo:pw@" + proxy.address(), get(server));
  CHECK(other_name.kind == Kind::tls);
  CHECK(contains(other_name.detail, "the TLS certificate of the proxy " + proxy.address() + " (https_proxy) is not"));
  const ProxyProcess self_signed({"--tls", fixture().credential("self-signed")});
  CHECK(failure_of("https://jo:pw@" + self_signed.address(), get(server)).kind == Kind::tls);
  CHECK(proxy.log() == before);
  CHECK(self_signed.log().empty());

  // Neither is a proxy without TLS taken for one with it, nor the other way round.
  const ProxyProcess plain;
  CHECK(failure_of("https://" + plain.address(), get(server)).kind != Kind::proxy);
  CHECK_FALSE(client_behind("http://" + proxy.address())->exchange(get(server)));
}
