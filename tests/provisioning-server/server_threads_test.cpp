#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "key-user-api/cli/https_client.h"
#include "provisioning-server/access/account_authenticator.h"
#include "provisioning-server/audit/audit_command.h"
#include "provisioning-server/init.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/keygen2_routes.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/serve.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/enrolling_client.h"
#include "tests/support/temp_dir.h"

// The server as `sks-issuer serve` runs it, with everybody who uses it in threads of the same process. Built with
// ThreadSanitizer this file proves more than it checks.
namespace sks::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// More clients than its worker threads are never busy at one time on few processors, but their steps meet in commits.
constexpr std::size_t kClients = 12;
constexpr std::size_t kSessionsOfClient = 4;
constexpr const char* kToken = "token of a viewer";
constexpr auto kPause = std::chrono::milliseconds(20);

std::uint16_t free_port() {
  asio::io_context io;
  return tcp::acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)).local_endpoint().port();
}

void edit_config(const std::string& file, const std::string& from, const std::string& to) {
  std::string content = read_file(file);
  const std::size_t at = content.find(from);
  REQUIRE(at != std::string::npos);
  write_file(file, content.replace(at, from.size(), to));
}

/// An issuer in a folder of its own, and the server on it. From its start to its end nobody else opens the folder.
class RunningServer {
 public:
  RunningServer() {
    auto main = issuer::MainUrl::parse(url_);
    REQUIRE(main);
    REQUIRE(issuer::init_issuer({path_, std::move(main).value(), issuer::DeviceTrustMode::open, {}}, system_clock(),
                                system_random()));
    const std::string config = path_ + "/issuer.toml";
    edit_config(config, "# listen = \"127.0.0.1:9443\"", "listen = \"127.0.0.1:" + std::to_string(plain_port_) + '"');
    // So that its thread has something to sign all the time.
    edit_config(config, "checkpoint_entries = 1000", "checkpoint_entries = 5");
    edit_config(config, "checkpoint_seconds = 60", "checkpoint_seconds = 1");
    edit_config(config, "crl_interval_seconds = 60", "crl_interval_seconds = 1");
  }

  void start() {
    thread_ = std::thread([this] { outcome_ = issuer::serve_issuer(path_, ""); });
    // It says on stdout that it listens, where others write, too.
    while (plain_get("/readyz").find("200 OK") == std::string::npos) std::this_thread::sleep_for(kPause);
  }
  Result<void> stop() {
    ::kill(::getpid(), SIGTERM);
    thread_.join();
    return outcome_;
  }

  /// The whole response of the operations routes; empty when nobody listens.
  std::string plain_get(const std::string& target) const {
    tcp::iostream stream;
    stream.expires_after(std::chrono::seconds(60));
    stream.connect("127.0.0.1", std::to_string(plain_port_));
    if (!stream) return {};
    stream << "GET " << target << " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" << std::flush;
    std::ostringstream response;
    response << stream.rdbuf();
    return response.str();
  }

  std::unique_ptr<issuer::Issuer> open() const {
    auto opened = issuer::Issuer::open(path_);
    REQUIRE(opened);
    return std::move(opened).value();
  }
  /// Of a new ticket for one session.
  EnrolmentLink new_link(issuer::Issuer& folder) const {
    const std::string secret = random_id(system_random());
    const std::string cookie = random_id(system_random());
    const std::int64_t now = system_clock().now();
    REQUIRE(folder.repository().add_ticket(
        {issuer::digest_of(secret), "default", "CN=Jo Doe,O=Example", issuer::digest_of(cookie), now, now + 3600},
        {now, "operator", "ticket", "", "default", "ok", ""}));
    return {parsed(url_ + "?ticket=" + secret), parsed(url_), url_, std::string(issuer::kSessionCookie) + '=' + cookie};
  }
  cli::Url api(const std::string& path) const { return parsed(origin_ + "/api/v1" + path); }
  std::string ca_file() const { return path_ + "/ca.pem"; }
  const std::string& path() const { return path_; }

 private:
  static cli::Url parsed(const std::string& text) {
    auto url = cli::parse_url(text);
    REQUIRE(url);
    return std::move(url).value();
  }

  TempDir folder_;
  const std::string path_ = folder_.file("issuer");
  const std::uint16_t plain_port_ = free_port();
  const std::string origin_ = "https://localhost:" + std::to_string(free_port());
  const std::string url_ = origin_ + "/keygen2";
  std::thread thread_;
  Result<void> outcome_;
};

void add_viewer(issuer::Issuer& folder) {
  issuer::Account account;
  account.name = "viewer";
  account.roles = {issuer::Role::auditor};
  account.token_digest = issuer::digest_of(kToken);
  account.created = system_clock().now();
  account.expires = account.created + 3600;
  REQUIRE(folder.accounts().add(account, {account.created, "operator", "account-add", "", "", "ok", "viewer"}));
}

/// What several threads have to say, none of which may use doctest.
class Complaints {
 public:
  void add(const std::string& sentence) {
    const std::lock_guard lock(mutex_);
    text_ += sentence + '\n';
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// One after the other: what has been asked for is done before SIGTERM is looked at.
void reload() {
  const issuer::Counter& reloads = issuer::Metrics::instance().counter("reloads_total", {{"result", "ok"}});
  const issuer::Counter& refused = issuer::Metrics::instance().counter("reloads_total", {{"result", "refused"}});
  const std::uint64_t before = reloads.value() + refused.value();
  ::kill(::getpid(), SIGHUP);
  while (reloads.value() + refused.value() == before) std::this_thread::sleep_for(kPause);
}

/// Somebody who looks at the pages of the console as fast as they come.
void view(const RunningServer& server, const std::atomic<bool>& done, Complaints& complaints) {
  const auto client = cli::HttpsClient::create({server.ca_file()});
  if (!client) return complaints.add(client.error().detail);
  const auto ask = [&](cli::HttpRequest request, unsigned status) -> cli::HttpResponse {
    const auto response = (*client)->exchange(request);
    if (!response) {
      complaints.add(request.url.target + ": " + response.error().detail);
      return {};
    }
    if (response->status != status) complaints.add(request.url.target + ": " + std::to_string(response->status));
    return *response;
  };
  const cli::HttpResponse login = ask(
      {cli::HttpRequest::Method::post, server.api("/login"), "", "{\"token\":\"" + std::string(kToken) + "\"}"}, 204);
  const auto cookies = login.all("Set-Cookie");
  if (cookies.size() != 1) return complaints.add("no cookie comes with a login");
  const std::string cookie(cookies.front().substr(0, cookies.front().find(';')));
  while (!done && complaints.text().empty()) {
    for (const char* const path : {"/overview", "/statistics", "/tickets", "/sessions", "/credentials", "/devices",
                                   "/profiles", "/audit", "/me"})
      ask({cli::HttpRequest::Method::get, server.api(path), cookie, ""}, 200);
    for (const char* const path : {"/metrics", "/readyz", "/livez"})
      if (server.plain_get(path).find("200 OK") == std::string::npos) complaints.add(path);
  }
}

}  // namespace

TEST_CASE("serve_issuer: devices enrol while others look on and the configuration is read again") {
  RunningServer server;
  std::vector<std::vector<EnrolmentLink>> links(kClients);
  {
    const std::unique_ptr<issuer::Issuer> folder = server.open();
    for (std::vector<EnrolmentLink>& of_client : links)
      while (of_client.size() < kSessionsOfClient) of_client.push_back(server.new_link(*folder));
    add_viewer(*folder);
  }
  server.start();

  Complaints complaints;
  std::mutex mutex;
  std::set<std::string> issued;
  std::atomic<bool> done = false;
  {
    std::vector<std::jthread> others;
    others.emplace_back([&] { view(server, done, complaints); });
    others.emplace_back([&] {
      while (!done) reload();
    });
    std::vector<std::jthread> clients;
    for (std::size_t i = 0; i < kClients; ++i)
      clients.emplace_back([&, i] {
        const Connections connections = i % 2 == 0 ? Connections::one_for_all : Connections::one_each;
        for (const EnrolmentLink& link : links.at(i)) {
          const auto fingerprints = enrol_new_device(server.ca_file(), link, connections);
          if (!fingerprints) return complaints.add(fingerprints.error().detail);
          const std::lock_guard lock(mutex);
          issued.insert(fingerprints->begin(), fingerprints->end());
        }
      });
    clients.clear();
    done = true;
  }
  const std::string metrics = server.plain_get("/metrics");
  CHECK(server.stop());
  CHECK(complaints.text() == "");
  CHECK(issued.size() == kClients * kSessionsOfClient);

  // What the devices have got is what the issuer knows of, and nothing of what it has written down is missing.
  CHECK(metrics.find("sks_issuer_sessions_finished_total " + std::to_string(issued.size()) + '\n') !=
        std::string::npos);
  CHECK(metrics.find("sks_issuer_reloads_total{result=\"refused\"} 0\n") != std::string::npos);
  const std::unique_ptr<issuer::Issuer> folder = server.open();
  for (const std::string& fingerprint : issued) {
    const auto credential = folder->repository().find_credential(fingerprint);
    REQUIRE(credential);
    REQUIRE(*credential);
    CHECK((*credential)->status == issuer::Credential::Status::issued);
  }
  std::ostringstream report;
  issuer::AuditArguments audit;
  audit.action = "verify";
  audit.folder = server.path();
  const auto verified = issuer::run_audit_command(audit, report);
  CAPTURE(report.str());
  CHECK(verified);
}

}  // namespace sks::test
