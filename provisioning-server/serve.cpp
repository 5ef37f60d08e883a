#include "provisioning-server/serve.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <iostream>
#include <mutex>

#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer.h"
#include "provisioning-server/issuer_routes.h"
#include "provisioning-server/listener/listener.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/operations/check_issuer.h"
#include "provisioning-server/operations/operations_routes.h"
#include "provisioning-server/operations/rate_limit.h"
#include "provisioning-server/operations/service_manager.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kExpiryWarningDays = 30;
/// A renewal that fails is tried again each minute; so often the audit log says so.
constexpr double kFailuresPerSecond = 1.0 / 3600;
constexpr std::uint16_t kOperationsPort = 9443;
constexpr std::uint16_t kHttpPort = 80;

/// An issuer as it was read at one time, and the routes that refer to it.
struct Snapshot {
  explicit Snapshot(std::unique_ptr<Issuer> given)
      : issuer(std::move(given)), handler(issuer->config().url, issuer_routes(*issuer)) {}
  std::unique_ptr<Issuer> issuer;
  HttpHandler handler;
};

/// Where snapshots end. Whoever held the last one, perhaps a connection, must not wait for the threads that end with
/// it.
class SnapshotEnd {
 public:
  SnapshotEnd() = default;
  ~SnapshotEnd() { thread_.join(); }
  SnapshotEnd(const SnapshotEnd&) = delete;
  SnapshotEnd& operator=(const SnapshotEnd&) = delete;

  /// It must outlive the snapshot.
  std::shared_ptr<Snapshot> make(std::unique_ptr<Issuer> issuer) {
    return {new Snapshot(std::move(issuer)),
            [this](Snapshot* snapshot) { boost::asio::post(thread_, [snapshot] { delete snapshot; }); }};
  }

 private:
  boost::asio::thread_pool thread_{1};
};

Result<std::vector<ListenAddress>> read_addresses(const std::string& text, std::uint16_t default_port) {
  SKS_LET(ListenAddress address, parse_listen_address(text, default_port));
  return std::vector<ListenAddress>{std::move(address)};
}

/// With every profile read: an issuer that cannot say what it issues does not start.
Result<void> check_profiles(Issuer& issuer) {
  SKS_LET(const std::vector<std::string> names, issuer.profiles().names());
  if (names.empty()) log_warning("no-profiles", {{"folder", issuer.paths().profiles}});
  for (const std::string& name : names) SKS_TRY(issuer.profiles().find(name));
  return {};
}

/// On record before it counts: with other settings, the issuer trusts other devices.
Result<void> note_reload(Issuer& issuer) {
  std::string detail = "issuer.toml " + issuer.config_digest() + ", device trust ";
  detail += device_trust_name(issuer.config().device_trust);
  return issuer.repository().add_audit({issuer.clock().now(), "issuer", "reload", "", "", "ok", std::move(detail)});
}

/// A refusal is a decision, too: by which issuer.toml the server does not go, unless it is something else that was
/// refused.
Result<void> note_refused_reload(Issuer& running, const Error& reason) {
  const Result<std::string> config = read_file(running.paths().config);
  const std::string digest = config ? to_hex(crypto::sha256(as_bytes(*config))) : running.config_digest();
  const std::string refused = digest == running.config_digest() ? "" : "issuer.toml " + digest + ": ";
  return running.repository().add_audit(
      {running.clock().now(), "issuer", "reload", "", "", "refused", refused + reason.detail});
}

Result<void> check_period(const crypto::Certificate& certificate, const std::string& what) {
  const std::int64_t now = system_clock().now();
  if (certificate.not_before() > now) return Error{Status::not_available, what + " is not valid yet"};
  if (certificate.not_after() < now) return Error{Status::not_available, what + " has expired"};
  return {};
}

void expire_sessions(Repository& repository) {
  const Result<std::size_t> expired = repository.expire_sessions(system_clock().now());
  if (!expired) return log_error("sessions-not-expired", {{"reason", expired.error().detail}});
  if (*expired == 0) return;
  Metrics::instance().counter("sessions_expired_total").add(*expired);
  log_info("sessions-expired", {{"count", std::to_string(*expired)}});
}

/// Whether the CA's key is there at present: asked at most every few seconds, however often somebody wants to know. Not
/// by a signature: the key signs certificates and what tells about them, and whoever can ask for readiness must not get
/// it to sign anything else, not even a text of ours. So a key in a file is ready when it is loaded, since it is taken
/// up only together with its certificate; a token has to answer and to show the key.
class KeyCheck {
 public:
  Result<void> check(const LiveAuthority& authority) const {
    // One asks, others take its word.
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (asked_ && now - *asked_ < kFresh) return outcome_;
    outcome_ = authority.current()->signer()->check();
    asked_ = std::chrono::steady_clock::now();
    return outcome_;
  }

 private:
  static constexpr std::chrono::seconds kFresh{5};
  mutable std::mutex mutex_;
  mutable std::optional<std::chrono::steady_clock::time_point> asked_;
  mutable Result<void> outcome_;
};

class Server {
 public:
  explicit Server(std::unique_ptr<Issuer> first) : current_(end_.make(std::move(first))) {}

  std::shared_ptr<Snapshot> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  Result<Service> service();
  std::vector<ReadinessCheck> readiness() const;
  /// Those of the snapshot that is current when a request comes.
  Routes revocation_routes() const;
  std::optional<Service> reload();
  std::optional<Service> reload_as_asked();
  std::optional<Service> every_minute();
  void drain();
  void cut_off() const { current()->issuer->stop_long_work(); }
  void note_certificates() const;
  void note_devices() const { current()->issuer->devices().note_findings(system_clock()); }
  void start_threads() const;

 private:
  Result<std::shared_ptr<Snapshot>> read_again();
  void refuse_reload(const Error& reason);
  void renew_when_due(Issuer& issuer);
  void note_failed_renewal(Issuer& issuer, const Error& error);

  SnapshotEnd end_;
  KeyCheck authority_key_;
  mutable std::mutex mutex_;
  std::shared_ptr<Snapshot> current_;
  std::vector<Bytes> shown_;  ///< certificates of the last service()
  std::string refused_;       ///< why the reload before was refused, when it is on record; else empty
  std::atomic<bool> draining_{false};
  RateLimit failed_renewals_on_record_{kFailuresPerSecond, 1, 1};
};

/// Of the server first, then of its authorities.
std::vector<Bytes> certificates_of(const Issuer& issuer) {
  std::vector<Bytes> certificates{issuer.tls_certificate().der()};
  for (const AuthorityKey& authority : issuer.authority().authorities())
    certificates.push_back(authority.certificate.der());
  return certificates;
}

Result<Service> Server::service() {
  const std::shared_ptr<Snapshot> snapshot = current();
  std::vector<Bytes> certificates = certificates_of(*snapshot->issuer);
  SKS_LET(TlsIdentity identity, snapshot->issuer->tls_identity());
  std::vector<crypto::Certificate> authorities;
  for (const AuthorityKey& authority : snapshot->issuer->authority().authorities())
    authorities.push_back(authority.certificate);
  SKS_LET(auto tls, make_tls_context(
                        {std::move(identity), std::move(authorities), snapshot->issuer->seal().derive("TLS tickets")}));
  shown_ = std::move(certificates);
  return Service{{snapshot, &snapshot->handler}, std::move(tls)};
}

std::vector<ReadinessCheck> Server::readiness() const {
  return {
      {"draining",
       [this] {
         return draining_ ? Result<void>(Error{Status::not_available, "the server is about to stop"}) : Result<void>();
       }},
      {"database", [this] { return check_database(current()->issuer->database()); }},
      {"credential-ca",
       [this] {
         return check_period(current()->issuer->credential_authority(), "the certificate of the credential CA");
       }},
      {"credential-ca-key", [this] { return authority_key_.check(current()->issuer->authority()); }},
      {"tls-certificate", [this] { return check_period(current()->issuer->tls_certificate(), "the TLS certificate"); }},
  };
}

Routes Server::revocation_routes() const {
  Routes routes = current()->issuer->revocation_service().routes();
  for (std::size_t i = 0; i < routes.size(); ++i)
    routes[i].run = [this, i](const Request& request, const PathValues& values) {
      const std::shared_ptr<Snapshot> snapshot = current();
      return snapshot->issuer->revocation_service().routes().at(i).run(request, values);
    };
  return routes;
}

Result<std::shared_ptr<Snapshot>> Server::read_again() {
  SKS_LET(std::unique_ptr<Issuer> issuer, Issuer::reopen(*current()->issuer));
  SKS_TRY(check_profiles(*issuer));
  SKS_TRY(issuer->authority().check_key_fits());
  SKS_TRY(issuer->tls_identity());
  SKS_TRY(note_reload(*issuer));
  return end_.make(std::move(issuer));
}

std::optional<Service> Server::reload() {
  notify_service_manager("RELOADING=1");
  Result<std::shared_ptr<Snapshot>> next = read_again();
  std::optional<Error> failure;
  if (next) {
    std::shared_ptr<Snapshot> before = current();
    {
      const std::lock_guard lock(mutex_);
      current_ = *next;
    }
    Result<Service> made = service();
    if (made) {
      refused_.clear();
      configure_log((*next)->issuer->config().operations.log);
      Metrics::instance().counter("reloads_total", {{"result", "ok"}}).add();
      log_info("reloaded");
      note_certificates();
      (*next)->issuer->devices().note_findings(system_clock());
      (*next)->issuer->checkpoints().configure((*next)->issuer->config().audit);
      (*next)->issuer->revocation_service().publisher().start();
      notify_service_manager("READY=1");
      return std::move(made).value();
    }
    failure = made.error();
    const std::lock_guard lock(mutex_);
    current_ = std::move(before);
  } else {
    failure = next.error();
  }
  refuse_reload(*failure);
  notify_service_manager("READY=1");
  return std::nullopt;
}

/// A key that does not fit is tried once a minute: on record once, like everything else that the server does by itself.
void Server::refuse_reload(const Error& reason) {
  if (reason.detail != refused_) {
    const Result<void> noted = note_refused_reload(*current()->issuer, reason);
    if (!noted) log_error("refusal-not-recorded", {{"reason", noted.error().detail}});
    refused_ = noted ? reason.detail : "";
  }
  Metrics::instance().counter("reloads_total", {{"result", "refused"}}).add();
  log_error("reload-refused", {{"reason", reason.detail}});
}

/// Each time that somebody asks is a decision of its own.
std::optional<Service> Server::reload_as_asked() {
  refused_.clear();
  return reload();
}

void Server::note_failed_renewal(Issuer& issuer, const Error& error) {
  log_error("tls-certificate-not-renewed", {{"reason", error.detail}});
  if (!failed_renewals_on_record_.has("", steady_seconds())) return;
  const Result<void> noted = issuer.repository().add_audit(
      {issuer.clock().now(), "issuer", "renew", "", "", "failed", "tls certificate: " + error.detail});
  if (!noted) return log_error("audit-not-written", {{"reason", noted.error().detail}});
  failed_renewals_on_record_.take("", steady_seconds());
}

void Server::renew_when_due(Issuer& issuer) {
  if (!issuer.config().renewal.automatic) return;
  const Result<std::optional<crypto::Certificate>> renewed = renew_tls_when_due(issuer.renewal_place("issuer"));
  if (renewed && !*renewed) return;
  if (renewed) {
    log_info("tls-certificate-renewed", {{"fingerprint", to_hex((*renewed)->fingerprint())}});
  } else {
    note_failed_renewal(issuer, renewed.error());
  }
  Metrics::instance().counter("certificate_renewals_total", {{"result", renewed ? "ok" : "failed"}}).add();
}

/// Sessions that have expired; a new TLS certificate when it is time, and whatever was renewed by other processes.
std::optional<Service> Server::every_minute() {
  Issuer& issuer = *current()->issuer;
  expire_sessions(issuer.repository());
  renew_when_due(issuer);
  if (issuer.has_newer_key()) return reload();
  refused_.clear();
  const Result<bool> changed = issuer.reload_certificates();
  if (!changed) log_error("certificates-not-read", {{"reason", changed.error().detail}});
  note_certificates();
  // Compared, and not believed to be the same: what could not be shown a minute ago has to be tried again.
  if (shown_.empty() || shown_ == certificates_of(issuer)) return std::nullopt;
  Result<Service> made = service();
  if (!made) {
    log_error("certificates-not-used", {{"reason", made.error().detail}});
    return std::nullopt;
  }
  return std::move(made).value();
}

/// What works beside the requests: checkpoints, once in a process, and revocation lists, for each snapshot.
void Server::start_threads() const {
  Issuer& issuer = *current()->issuer;
  issuer.checkpoints().start(issuer.config().audit);
  issuer.revocation_service().publisher().start();
}

void Server::drain() {
  draining_ = true;
  Metrics::instance().set_gauge("draining", 1);
  notify_service_manager("STOPPING=1");
}

void Server::note_certificates() const {
  const Issuer& issuer = *current()->issuer;
  const crypto::Certificate tls = issuer.tls_certificate();
  Metrics& metrics = Metrics::instance();
  metrics.set_gauge("certificate_not_after_seconds", tls.not_after(), {{"which", "tls"}});
  metrics.set_gauge("certificate_not_after_seconds", issuer.credential_authority().not_after(),
                    {{"which", "credential-ca"}});
  const std::int64_t left = tls.not_after() - system_clock().now();
  if (left <= 0) log_error("tls-certificate-expired");
  if (left > 0 && left < kExpiryWarningDays * kDay)
    log_warning("tls-certificate-expires", {{"days", std::to_string(left / kDay)}});
}

Result<ListenerOptions> listener_options(const IssuerConfig& config, const std::string& listen,
                                         std::vector<ReadinessCheck> readiness, Routes revocation) {
  const OperationsConfig& operations = config.operations;
  ListenerOptions options;
  options.addresses = loopback_addresses(config.url.port());
  if (!listen.empty()) {
    SKS_LET(options.addresses, read_addresses(listen, config.url.port()));
  } else if (!operations.listen.empty()) {
    SKS_LET(options.addresses, read_addresses(operations.listen, config.url.port()));
  }
  if (!operations.operations_listen.empty()) {
    PlainService plain;
    SKS_LET(plain.addresses, read_addresses(operations.operations_listen, kOperationsPort));
    plain.handler = std::make_shared<HttpHandler>(std::nullopt, operations_routes(std::move(readiness)));
    plain.has_own_threads = true;
    options.plain.push_back(std::move(plain));
  }
  if (!config.revocation.plain_listen.empty()) {
    PlainService plain;
    SKS_LET(plain.addresses, read_addresses(config.revocation.plain_listen, kHttpPort));
    plain.handler = std::make_shared<HttpHandler>(std::nullopt, std::move(revocation));
    options.plain.push_back(std::move(plain));
  }
  options.connections = static_cast<std::size_t>(config.connections);
  options.connections_per_address = static_cast<std::size_t>(operations.connections_per_address);
  options.requests_per_second_per_address = static_cast<double>(operations.requests_per_second_per_address);
  options.requests_per_connection = static_cast<std::size_t>(operations.requests_per_connection);
  options.threads = static_cast<std::size_t>(config.threads);
  options.drain_seconds = operations.drain_seconds;
  return options;
}

}  // namespace

Result<void> serve_issuer(const std::string& folder, const std::string& listen) {
  // A file that may not grow is an error of the write, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  // Likewise a log that nobody reads any more.
  std::signal(SIGPIPE, SIG_IGN);
  SKS_LET(std::unique_ptr<Issuer> issuer, Issuer::open(folder));
  configure_log(issuer->config().operations.log);
  SKS_TRY(check_profiles(*issuer));
  SKS_TRY(issuer->authority().check_key_fits());
  Server server(std::move(issuer));
  static_cast<void>(server.every_minute());  // an expired certificate is renewed before anybody sees it
  const IssuerConfig& config = server.current()->issuer->config();
  SKS_LET(ListenerOptions options, listener_options(config, listen, server.readiness(), server.revocation_routes()));
  SKS_LET(Service service, server.service());
  SKS_LET(const std::unique_ptr<Listener> listener, Listener::open(std::move(options), std::move(service)));
  Metrics::instance().set_gauge("start_time_seconds", system_clock().now());
  Metrics::instance().set_gauge("build_info", 1, {{"version", SKS_VERSION}});
  std::cout << "listening on " << config.url.text() << std::endl;  // flushed: programs wait for this line
  std::cout.clear();                                               // and if none does, the service is none the worse
  server.start_threads();
  notify_service_manager("READY=1");
  server.note_devices();
  const auto every_minute = [&] {
    server.note_devices();
    return server.every_minute();
  };
  listener->run(
      {every_minute, [&] { return server.reload_as_asked(); }, [&] { server.drain(); }, [&] { server.cut_off(); }});
  log_info("stopped");
  return {};
}

}  // namespace sks::issuer
