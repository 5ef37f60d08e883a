#include "key-user-api/cli/https_client.h"

#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <future>

#include "key-user-api/cli/interrupt.h"
#include "sks-core/base/encoding.h"
#include "tests/key-user-api/cli/tls_server.h"

using namespace sks;
using namespace sks::cli;
using test::TlsFixture;
using test::TlsServer;
using End = TlsServer::End;
using Kind = HttpFailure::Kind;
using Method = HttpRequest::Method;

namespace {

constexpr std::size_t kBodyLimit = 1000;
constexpr auto kShort = std::chrono::milliseconds(300);

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const std::string kLast = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";

const TlsFixture& fixture() {
  static const TlsFixture certificates;
  return certificates;
}

std::string good() { return fixture().credential("good"); }

std::unique_ptr<HttpsClient> new_client(std::chrono::milliseconds read_timeout = std::chrono::seconds(20)) {
  auto client = HttpsClient::create({fixture().ca_file(), std::chrono::seconds(20), read_timeout, kBodyLimit});
  REQUIRE(client);
  return std::move(*client);
}

HttpRequest get(const std::string& url) {
  auto parsed = parse_url(url);
  REQUIRE(parsed);
  return {Method::get, *parsed, "", ""};
}

/// What a fresh client makes of a server that follows `connection`.
Result<HttpResponse, HttpFailure> answer_to(TlsServer::Connection connection, const std::string& host = "127.0.0.1") {
  const TlsServer server({std::move(connection)});
  return new_client()->exchange(get(server.url("/", host)));
}

HttpFailure failure_of(TlsServer::Connection connection, const std::string& host = "127.0.0.1") {
  const auto response = answer_to(std::move(connection), host);
  REQUIRE_FALSE(response);
  CAPTURE(response.error().detail);
  CHECK(response.error().detail.find('\n') == std::string::npos);
  return response.error();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("HttpsClient: several requests go over one connection, with exactly the headers of the protocol") {
  const TlsServer server({{good(), {kOk, kOk}}});
  const auto client = new_client();
  HttpRequest first = get(server.url("/kg?init=true"));
  first.cookie = "a=1; b=2";
  const auto response = client->exchange(first);
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->body == "{}");
  REQUIRE(response->all("content-type").size() == 1);
  CHECK(response->all("content-type")[0] == "application/json");
  REQUIRE(client->exchange({Method::post, get(server.url("/kg")).url, "", "{\"x\":1}"}));

  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  const std::string host = "\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n";
  CHECK(requests[0].starts_with("GET /kg?init=true HTTP/1.1\r\n"));
  CHECK(contains(requests[0], host));
  CHECK(contains(requests[0], "\r\nCookie: a=1; b=2\r\n"));
  CHECK_FALSE(contains(requests[0], "Content-Type"));
  CHECK(requests[1].starts_with("POST /kg HTTP/1.1\r\n"));
  CHECK(contains(requests[1], host));
  CHECK(contains(requests[1], "\r\nContent-Type: application/json\r\n"));
  CHECK(contains(requests[1], "\r\nContent-Length: 7\r\n"));
  CHECK_FALSE(contains(requests[1], "Cookie"));
  CHECK(requests[1].ends_with("\r\n\r\n{\"x\":1}"));
}

TEST_CASE("HttpsClient: records the leaf of the first connection and accepts it again on the next") {
  const TlsServer server({{good(), {kLast}}, {good(), {kOk}}});
  const auto client = new_client();
  CHECK(client->server_certificate().empty());
  REQUIRE(client->exchange(get(server.url("/"))));
  const auto expected = from_pem(test::read_file(fixture().file("good.crt")), "CERTIFICATE");
  REQUIRE(expected);
  CHECK(client->server_certificate() == expected->at(0));
  CHECK(client->exchange(get(server.url("/"))));
}

TEST_CASE("HttpsClient: another leaf on a later connection is refused, although it is trusted") {
  const TlsServer server({{good(), {kLast}}, {fixture().credential("second"), {kOk}}});
  const auto client = new_client();
  REQUIRE(client->exchange(get(server.url("/"))));
  const auto second = client->exchange(get(server.url("/")));
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == Kind::tls);
  CHECK(contains(second.error().detail, "another certificate"));
  CHECK(server.requests().size() == 1);
}

TEST_CASE(
    "HttpsClient: for a server farm later leaves may differ, but must be trusted, and the first stays on record") {
  const TlsServer server(
      {{good(), {kLast}}, {fixture().credential("second"), {kLast}}, {fixture().credential("expired"), {kOk}}});
  const auto client =
      HttpsClient::create({.ca_file = fixture().ca_file(), .leaf_binding = LeafBinding::first_connection});
  REQUIRE(client);
  REQUIRE((*client)->exchange(get(server.url("/"))));
  const Bytes first = (*client)->server_certificate();
  CHECK((*client)->exchange(get(server.url("/"))));
  CHECK((*client)->server_certificate() == first);
  const auto expired = (*client)->exchange(get(server.url("/")));
  REQUIRE_FALSE(expired);
  CHECK(expired.error().kind == Kind::tls);
}

TEST_CASE("HttpsClient: localhost and the names under it are this machine, without being looked up") {
  const TlsServer server(
      {{fixture().credential("localhost-names"), {kLast}}, {fixture().credential("localhost-names"), {kLast}}});
  for (const char* const host : {"localhost", "issuer.localhost"}) {
    const auto response = new_client()->exchange(get(server.url("/", host)));
    if (!response) FAIL(response.error().detail);
    CHECK(response->status == 200);
  }
}

TEST_CASE("HttpsClient: a certificate that does not hold is refused before anything is sent") {
  struct Case {
    const char* credential;
    const char* host;
    const char* reason;  ///< in OpenSSL's words
  };
  const std::vector<Case> cases{
      {"expired", "127.0.0.1", "certificate has expired"},
      {"other-name", "127.0.0.1", "IP address mismatch"},
      {"other-name", "localhost", "hostname mismatch"},
      {"name-only", "127.0.0.1", "IP address mismatch"},
      {"client-only", "127.0.0.1", "unsuitable certificate purpose"},
      {"self-signed", "127.0.0.1", "self-signed certificate"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.credential);
    const TlsServer server({{fixture().credential(c.credential), {kOk}}});
    const auto client = new_client();
    const auto response = client->exchange(get(server.url("/", c.host)));
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == Kind::tls);
    CAPTURE(response.error().detail);
    CHECK(contains(response.error().detail, c.reason));
    CHECK(contains(response.error().detail, c.host));
    // Another CA file helps only when the CA is what is missing.
    CHECK(contains(response.error().detail, "--ca-file") == (std::string(c.credential) == "self-signed"));
    CHECK(server.requests().empty());
    CHECK(client->server_certificate().empty());
  }
}

TEST_CASE("HttpsClient: an authority that is not in the CA file is not trusted, nor are the system's beside it") {
  const TlsServer server({{good(), {kOk}}});
  const auto client = HttpsClient::create({fixture().file("s.crt")});
  REQUIRE(client);
  const auto response = (*client)->exchange(get(server.url("/")));
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == Kind::tls);
  CHECK(contains(response.error().detail, "--ca-file"));

  const TlsServer again({{good(), {kOk}}});
  const auto system_roots = HttpsClient::create({});
  REQUIRE(system_roots);
  CHECK((*system_roots)->exchange(get(again.url("/"))).error().kind == Kind::tls);
}

TEST_CASE("HttpsClient: the host name of a certificate is enough for a URL with that name") {
  CHECK(answer_to({fixture().credential("name-only"), {kOk}}, "localhost"));
}

TEST_CASE("HttpsClient: TLS 1.2 is spoken, TLS 1.1 is not") {
  CHECK(answer_to({good(), {kOk}, End::orderly, TLS1_2_VERSION}));
  CHECK(failure_of({good(), {kOk}, End::orderly, TLS1_1_VERSION}).kind == Kind::tls);
}

TEST_CASE("HttpsClient: a server that wants another handshake within a connection gets none") {
  std::promise<int> renegotiation;
  const TlsServer server(
      {{.credential = good(), .responses = {kOk}, .max_version = TLS1_2_VERSION, .renegotiation = &renegotiation}});
  CHECK_FALSE(new_client()->exchange(get(server.url("/"))));
  REQUIRE(server.requests().size() == 1);
  CHECK(renegotiation.get_future().get() == SSL_R_NO_RENEGOTIATION);
}

TEST_CASE("HttpsClient: a server that speaks no TLS is refused") {
  CHECK(failure_of({"", {"HTTP/1.1 400 Bad Request\r\n\r\n"}, End::orderly, 0, true}).kind == Kind::tls);
}

TEST_CASE("HttpsClient: a CA file that is absent or holds no certificate is refused") {
  for (const std::string& file : {fixture().file("absent"), fixture().file("ca.key")}) {
    const auto client = HttpsClient::create({file});
    REQUIRE_FALSE(client);
    CHECK(client.error().status == Status::option);
    CHECK(contains(client.error().detail, file));
  }
}

TEST_CASE("HttpsClient: reads chunked bodies and bodies that end with the connection") {
  const auto chunked = answer_to(
      {good(), {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n"}});
  REQUIRE(chunked);
  CHECK(chunked->body == "{\"a\":1}");
  const auto until_end = answer_to({good(), {"HTTP/1.0 200 OK\r\n\r\n{\"a\":1}"}});
  REQUIRE(until_end);
  CHECK(until_end->body == "{\"a\":1}");
}

TEST_CASE("HttpsClient: a body that ends without TLS saying so may have been cut, and counts as lost") {
  CHECK(failure_of({good(), {"HTTP/1.0 200 OK\r\n\r\n{\"a\":1}"}, End::abrupt}).kind == Kind::network);
}

TEST_CASE("HttpsClient: an answer that breaks off is a network failure") {
  for (const std::string answer :
       {"", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\""}) {
    for (const End end : {End::orderly, End::abrupt}) {
      CAPTURE(answer);
      CHECK(failure_of({good(), {answer}, end}).kind == Kind::network);
    }
  }
}

TEST_CASE("HttpsClient: an answer beyond the limit is refused, announced or not") {
  const std::string body(kBodyLimit + 1, 'x');
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const std::string size = std::to_string(body.size());
  for (const std::string& answer :
       {head + "Content-Length: " + size + "\r\n\r\n" + body, head + "Content-Length: 99999999999\r\n\r\n",
        head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + body + "\r\n0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n" + body,
        head + "X: " + std::string(100000, 'x') + "\r\nContent-Length: 0\r\n\r\n"}) {
    CAPTURE(answer.substr(0, 60));
    CHECK(failure_of({good(), {answer}}).kind == Kind::response);
  }
  const std::string fits(kBodyLimit, 'x');
  CHECK(answer_to({good(), {head + "Content-Length: " + std::to_string(kBodyLimit) + "\r\n\r\n" + fits}}));
}

TEST_CASE("HttpsClient: what is not HTTP is refused") {
  for (const std::string answer :
       {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CAPTURE(answer);
    CHECK(failure_of({good(), {answer}}).kind == Kind::response);
  }
}

TEST_CASE("HttpsClient: informational responses come before the answer, and leave nothing in it") {
  const auto response =
      answer_to({good(), {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nSet-Cookie: a=1\r\n\r\n" + kOk}});
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->body == "{}");
  CHECK(response->all("Set-Cookie").empty());
}

TEST_CASE("HttpsClient: informational responses without an end, or into another protocol, are refused") {
  const std::string processing = "HTTP/1.1 102 Processing\r\n\r\n";
  CHECK(failure_of({.credential = good(), .responses = {processing}, .repeated = processing}).kind == Kind::response);
  CHECK(failure_of({good(), {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + kOk}}).kind == Kind::response);
}

TEST_CASE("HttpsClient: the fields of a trailer are not those of the answer") {
  const auto response = answer_to({good(),
                                   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Type\r\n\r\n"
                                    "2;name=value\r\n{}\r\n0\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\n"
                                    "Location: /x\r\n\r\n"}});
  REQUIRE(response);
  CHECK(response->body == "{}");
  for (const char* const name : {"Content-Type", "Set-Cookie", "Location"}) CHECK(response->all(name).empty());
}

TEST_CASE(
    "HttpsClient: an answer without an end is refused when the limit is reached, whatever part of it is endless") {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string filler(4096, 'x');
  struct Case {
    const char* name;
    std::string begin;
    std::string repeated;
  };
  for (const Case& c :
       std::vector<Case>{{"status line", "HTTP/1.1 200 ", filler},
                         {"header", "HTTP/1.1 200 OK\r\nX: ", filler},
                         {"headers", "HTTP/1.1 200 OK\r\n", "X: y\r\n"},
                         {"body until the end", "HTTP/1.0 200 OK\r\n\r\n", filler},
                         {"body of a length", "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", filler},
                         {"chunks", chunked, "1\r\nx\r\n"},
                         {"chunk", chunked + "7fffffff\r\n", filler},
                         {"chunk extension", chunked + "1;x=", filler},
                         {"trailer", chunked + "0\r\nX: ", filler},
                         {"trailers", chunked + "0\r\n", "X: y\r\n"}}) {
    CAPTURE(c.name);
    const TlsServer server({{.credential = good(), .responses = {c.begin}, .repeated = c.repeated}});
    const auto response = new_client()->exchange(get(server.url("/")));
    REQUIRE_FALSE(response);
    CAPTURE(response.error().detail);
    CHECK(response.error().kind == Kind::response);
  }
}

TEST_CASE("HttpsClient: an answer whose length can be read in two ways is refused") {
  for (const std::string header :
       {"Content-Length: 2\r\nContent-Length: 3", "Content-Length: 2, 3", "Content-Length: -2",
        "Content-Length: 2\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip", "Transfer-Encoding: chunked, chunked"}) {
    CAPTURE(header);
    CHECK(failure_of({good(), {"HTTP/1.1 200 OK\r\n" + header + "\r\n\r\n0\r\n\r\n"}}).kind == Kind::response);
  }
}

// keygen2.md 2.2: "Never follow redirects automatically".
TEST_CASE("HttpsClient: follows no redirect") {
  const TlsServer server({{good(), {"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", kOk}}});
  const auto response = new_client()->exchange(get(server.url("/")));
  REQUIRE(response);
  CHECK(response->status == 302);
  CHECK(server.requests().size() == 1);
}

TEST_CASE(
    "HttpsClient: a server that stays silent is given up after the time limit, and so is one that does not start TLS") {
  for (const std::string& answer : {std::string(), kOk.substr(0, 40)}) {
    const TlsServer server({{good(), {answer}, End::silent}});
    const auto start = std::chrono::steady_clock::now();
    const auto response = new_client(kShort)->exchange(get(server.url("/")));
    REQUIRE_FALSE(response);
    CHECK(response.error().kind == Kind::network);
    CHECK(contains(response.error().detail, "no answer in time"));
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
  }
  // Each byte comes in time, but not the last one.
  const TlsServer dripping({{good(), {"HTTP/1.0 200 OK\r\n\r\n"}, End::dripping}});
  CHECK(new_client(kShort)->exchange(get(dripping.url("/"))).error().kind == Kind::network);
  const TlsServer mute(std::deque<TlsServer::Connection>{{"", {}}});
  auto client = HttpsClient::create({fixture().ca_file(), kShort, std::chrono::seconds(20), kBodyLimit});
  REQUIRE(client);
  const auto response = (*client)->exchange(get(mute.url("/")));
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == Kind::network);
}

TEST_CASE("HttpsClient: a port where nobody listens and a name that does not exist are network failures") {
  unsigned short port = 0;
  {
    const TlsServer gone(std::deque<TlsServer::Connection>{});
    port = gone.port();
  }
  const auto refused = new_client()->exchange(get("https://127.0.0.1:" + std::to_string(port) + "/"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Kind::network);
  CHECK(contains(refused.error().detail, "Connection refused"));
  // RFC 6761: names under .invalid never resolve.
  const auto unknown = new_client()->exchange(get("https://issuer.invalid/"));
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().kind == Kind::network);
}

TEST_CASE("HttpsClient: a connection that the server closed while idle fails once and is opened anew") {
  const TlsServer server({{good(), {kOk}}, {good(), {kOk}}});
  const auto client = new_client();
  REQUIRE(client->exchange(get(server.url("/"))));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const auto lost = client->exchange(get(server.url("/")));
  REQUIRE_FALSE(lost);
  CHECK(lost.error().kind == Kind::network);
  CHECK(client->exchange(get(server.url("/"))));
}

TEST_CASE("HttpsClient: at a terminal a long wait is told in one line, which disappears") {
  int screen = -1;
  int terminal = -1;
  REQUIRE(::openpty(&screen, &terminal, nullptr, nullptr, nullptr) == 0);
  std::promise<void> seen;
  // The answer comes when the line has been read, so that nothing here depends on the time.
  const TlsServer server(
      {{.credential = good(), .responses = {kOk}, .before_response = [&] { seen.get_future().wait(); }}});
  WaitLine wait_line(terminal);
  const auto client = HttpsClient::create({.ca_file = fixture().ca_file(), .wait_line = &wait_line});
  REQUIRE(client);
  const std::string line = "Waiting for 127.0.0.1:" + std::to_string(server.port()) + " ...";
  std::string shown;
  std::thread reader([&] {
    for (char c = 0; !shown.ends_with("...") && ::read(screen, &c, 1) == 1;) shown += c;
    seen.set_value();
  });
  const auto response = (*client)->exchange(get(server.url("/")));
  reader.join();
  REQUIRE(response);
  CHECK(shown == "\r" + line);
  const std::string cleared = "\r" + std::string(line.size(), ' ') + "\r";
  std::string rest(cleared.size(), 0);
  CHECK(::read(screen, rest.data(), rest.size()) == static_cast<ssize_t>(rest.size()));
  CHECK(rest == cleared);
  ::close(screen);
  ::close(terminal);
}

TEST_CASE("WaitLine: writes nothing when the output is no terminal") {
  int output[2];
  REQUIRE(::pipe(output) == 0);
  WaitLine line(output[1]);
  line.begin("issuer.example");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  line.poll();
  line.end();
  ::close(output[1]);
  char c = 0;
  CHECK(::read(output[0], &c, 1) == 0);
  ::close(output[0]);
}

TEST_CASE("HttpsClient: a signal ends the wait for an answer") {
  const TlsServer server({{good(), {""}, End::silent}});
  const auto client = new_client();
  const InterruptGuard guard;
  CHECK_FALSE(interrupted());
  std::thread user([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::kill(::getpid(), SIGINT);
  });
  const auto start = std::chrono::steady_clock::now();
  const auto response = client->exchange(get(server.url("/")));
  user.join();
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == Kind::interrupted);
  CHECK(interrupted());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("HttpsClient: talks to the server of the openssl command") {
  std::string command = "exec openssl s_server -accept 127.0.0.1:0 -www -cert " + fixture().file("good.crt") +
                        " -key " + fixture().file("good.key") + " 2>&1";
  int output[2];
  REQUIRE(::pipe(output) == 0);
  const pid_t server = ::fork();
  REQUIRE(server >= 0);
  if (server == 0) {
    ::dup2(output[1], STDOUT_FILENO);
    ::close(output[0]);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  ::close(output[1]);
  std::FILE* const lines = ::fdopen(output[0], "r");
  unsigned port = 0;
  char line[256];
  while (port == 0 && std::fgets(line, sizeof line, lines) != nullptr) std::sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
  const auto client = HttpsClient::create({fixture().ca_file()});
  REQUIRE(client);
  const auto response = (*client)->exchange(get("https://127.0.0.1:" + std::to_string(port) + "/"));
  ::kill(server, SIGTERM);
  ::waitpid(server, nullptr, 0);
  std::fclose(lines);
  REQUIRE(port != 0);
  if (!response) FAIL(response.error().detail);
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(contains(response->body, "TLSv1.3"));
}
