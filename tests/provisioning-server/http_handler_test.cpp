#include "provisioning-server/http_handler.h"

#include <doctest/doctest.h>

#include <array>

#include "provisioning-server/keygen2_routes.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/issuer_fixture.h"

using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::header;
using test::IssuerLab;
using test::outcome;

namespace {

/// A repository whose database has gone.
class LostRepository final : public Repository {
 public:
  Result<void> add_ticket(const Ticket&, const AuditEntry&) override { return lost(); }
  Result<std::optional<Ticket>> find_ticket(const std::string&) override { return lost(); }
  Result<CancelOutcome> cancel_ticket(const std::string&, const AuditEntry&) override { return lost(); }
  Result<StartOutcome> start_session(const Session&, const AuditEntry&) override { return lost(); }
  Result<std::optional<Session>> find_session(const std::string&) override { return lost(); }
  Result<StepOutcome> commit_step(const Step&) override { return lost(); }
  Result<std::size_t> expire_sessions(std::int64_t) override { return lost(); }
  Result<std::optional<Credential>> find_credential(const std::string&) override { return lost(); }
  Result<std::optional<Credential>> find_credential_in(const std::string&, const std::string&,
                                                       const std::string&) override {
    return lost();
  }
  Result<std::vector<KeyOperation>> find_operations(const std::string&) override { return lost(); }
  Result<std::vector<Credential>> find_targets(const ManagementOrder&, const std::string&,
                                               const std::string&) override {
    return lost();
  }
  Result<std::string> find_client_session(const std::string&) override { return lost(); }
  Result<std::optional<Session>> find_session_of(const Credential&) override { return lost(); }
  Result<std::optional<LimitExcess>> find_excess(const ProfileLimits&, const Session&, std::int64_t,
                                                 std::int64_t) override {
    return lost();
  }
  Result<void> add_audit(const AuditEntry&) override { return lost(); }

 private:
  static Error lost() { return {Status::storage, "disk /secret/place is gone"}; }
};

}  // namespace

TEST_CASE("HttpHandler: what concerns HTTP alone has its own status, and the session lives on") {
  IssuerLab lab;
  Device device(lab);
  const std::string body = device.answer(device.get(lab.new_ticket()));
  struct Case {
    const char* name;
    unsigned status;
    void (*change)(Request&);
  };
  const std::array<Case, 16> cases{{
      {"no Host", 400, [](Request& r) { r.host.reset(); }},
      {"target is no path", 400, [](Request& r) { r.target = "https://other/keygen2"; }},
      {"asterisk", 400, [](Request& r) { r.target = "*"; }},
      {"unknown path", 404, [](Request& r) { r.target = "/keygen"; }},
      {"other case", 404, [](Request& r) { r.target = "/KeyGen2"; }},
      {"slash behind", 404, [](Request& r) { r.target = "/keygen2/"; }},
      {"root", 404, [](Request& r) { r.target = "/"; }},
      {"PUT", 405, [](Request& r) { r.method = "PUT"; }},
      {"HEAD", 405, [](Request& r) { r.method = "HEAD"; }},
      {"lower case method", 405, [](Request& r) { r.method = "post"; }},
      {"POST to a page", 405, [](Request& r) { r.target = "/whoami"; }},
      {"no Content-Type", 415, [](Request& r) { r.content_type.reset(); }},
      {"form", 415, [](Request& r) { r.content_type = "application/x-www-form-urlencoded"; }},
      {"almost JSON", 415, [](Request& r) { r.content_type = "application/jsonx"; }},
      {"text", 415, [](Request& r) { r.content_type = "text/json"; }},
      {"too large", 413, [](Request& r) { r.body = std::string(kMaxBody + 1, ' '); }},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Request request = device.post_request(body);
    c.change(request);
    const Response response = lab.handler->handle(request);
    CHECK(response.status == c.status);
    CHECK(header(response, "Content-Type") == "text/plain; charset=utf-8");
    CHECK(header(response, "Cache-Control") == "no-store");
    CHECK(header(response, "Location").empty());
  }
  Request with_parameter = device.post_request(body);
  with_parameter.content_type = "Application/JSON ; charset=utf-8";
  const Response next = lab.handler->handle(with_parameter);
  CHECK(next.status == 200);
  CHECK(header(next, "Content-Type") == "application/json");
}

TEST_CASE("HttpHandler: a target in absolute-form is accepted when it names this issuer") {
  IssuerLab lab;
  Device device(lab);
  struct Case {
    const char* target;
    unsigned status;
  };
  // RFC 9112, 3.2.2; scheme and host in any case by RFC 3986, 6.2.2.1
  const std::array<Case, 16> cases{{
      {"https://localhost:8443/result", 200},
      {"HTTPS://LocalHost:8443/result?outcome=complete", 200},
      {"https://localhost:8443/keygen2?ticket=x", 302},
      {"https://localhost:8443/other", 404},
      {"https://localhost:8443", 404},
      {"https://localhost:8443?x=1", 404},
      {"https://localhost/result", 400},
      {"https://localhost:443/result", 400},
      {"https://localhost:8444/result", 400},
      {"https://localhost:/result", 400},
      {"https://other:8443/result", 400},
      {"https://localhost:8443.other/result", 400},
      {"https://localhost:8443@other/result", 400},
      {"http://localhost:8443/result", 400},
      {"https:/result", 400},
      {"", 400},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    CHECK(lab.handler->handle(device.get_request(c.target)).status == c.status);
  }
  CHECK(outcome(device.enrol("https://localhost:8443" + lab.new_ticket())) == "complete");
}

TEST_CASE("HttpHandler: 405 names the methods that are allowed") {
  IssuerLab lab;
  Device device(lab);
  Request request = device.post_request("{}");
  request.method = "DELETE";
  CHECK(header(lab.handler->handle(request), "Allow") == "GET, POST");
  request.target = "/result";
  CHECK(header(lab.handler->handle(request), "Allow") == "GET, HEAD");
}

TEST_CASE("HttpHandler: the cookie is for this host, over TLS, and out of reach of scripts") {
  IssuerLab lab;
  Device device(lab);
  const std::string set = header(device.get(lab.new_ticket()), "Set-Cookie");
  CHECK(set.starts_with("__Host-sks-session="));
  for (const char* const part : {"; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"})
    CHECK(set.find(part) != std::string::npos);
  CHECK(set.find("Domain") == std::string::npos);
}

TEST_CASE("HttpHandler: terminations are 302 with an absolute Location and a page that can do nothing") {
  IssuerLab lab;
  Device device(lab);
  const Response response = device.post("{}");
  CHECK(response.status == 302);
  const std::string location = header(response, "Location");
  CHECK(location == "https://localhost:8443/result?outcome=refused&reason=session-unknown");
  CHECK(header(response, "Cache-Control") == "no-store");
  const Response page = device.get(lab.target_of(location));
  CHECK(page.status == 200);
  CHECK(header(page, "Content-Type") == "text/html; charset=utf-8");
  CHECK(header(page, "Content-Security-Policy").starts_with("default-src 'none'"));
  CHECK(header(page, "X-Content-Type-Options") == "nosniff");
  CHECK(page.body.find("does not know this session") != std::string::npos);
}

TEST_CASE("HttpHandler: the result page repeats nothing of the request") {
  IssuerLab lab;
  Device device(lab);
  for (const char* const query : {"reason=%3Cscript%3E", "reason=<script>", "outcome=%3Cscript%3E", "x=script"}) {
    CAPTURE(query);
    const Response page = device.get(std::string("/result?") + query);
    CHECK(page.status == 200);
    CHECK(page.body.find("script") == std::string::npos);
    CHECK(page.body.find("The session is over") != std::string::npos);
  }
}

TEST_CASE("HttpHandler: too many starts in one second get 429 and are welcome in the next") {
  IssuerLab lab;
  HttpHandler strict(lab.issuer->config().url, keygen2_routes(lab.issuer->ports(), lab.issuer->revocations(), {2, 0}));
  Device device(lab);
  const std::string init = lab.new_ticket();
  const Request unknown = device.get_request("/keygen2?ticket=x");
  CHECK(strict.handle(unknown).status == 302);
  CHECK(strict.handle(unknown).status == 302);
  const Response refused = strict.handle(device.get_request(init));
  CHECK(refused.status == 429);
  CHECK(header(refused, "Retry-After") == "1");
  CHECK(strict.handle(device.post_request("{}")).status == 302);  // sessions under way are not slowed
  lab.clock.set(test::kStart + 1);
  CHECK(strict.handle(device.get_request(init)).status == 200);
}

TEST_CASE("HttpHandler: one ticket cannot be tried as often as one likes") {
  IssuerLab lab;
  HttpHandler strict(lab.issuer->config().url,
                     keygen2_routes(lab.issuer->ports(), lab.issuer->revocations(), {100, 2}));
  Device device(lab);
  const Request guess = device.get_request("/keygen2?ticket=x");
  CHECK(strict.handle(guess).status == 302);
  CHECK(strict.handle(guess).status == 302);
  const Response refused = strict.handle(guess);
  CHECK(refused.status == 429);
  CHECK(header(refused, "Retry-After") == "1");
  CHECK(strict.handle(device.get_request(lab.new_ticket())).status == 200);  // others are not affected
}

TEST_CASE("HttpHandler: a lost database is 503 and says nothing about itself") {
  IssuerLab lab;
  LostRepository lost;
  const EnrolmentPorts ports = lab.issuer->ports();
  HttpHandler handler(ports.url,
                      keygen2_routes({ports.url, lost, ports.authority, ports.devices, ports.profiles, ports.seal,
                                      ports.key_manager, ports.server, ports.directory, ports.clock, ports.random},
                                     lab.issuer->revocations(), {100, 0}));
  Device device(lab);
  device.cookie = "__Host-sks-session=x";
  Request whoami = device.get_request("/whoami");
  whoami.client_certificate = lab.issuer->credential_authority().der();
  whoami.certificate_trusted = true;
  for (const Request& request : {device.get_request("/keygen2?ticket=x"), device.post_request("{}"), whoami}) {
    const Response response = handler.handle(request);
    CHECK(response.status == 503);
    CHECK(header(response, "Retry-After") == "1");
    CHECK(response.body.find("secret") == std::string::npos);
  }
}

TEST_CASE("HttpHandler: whoami knows issued certificates and no others") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  Request request = device.get_request("/whoami");
  request.client_certificate = device.certificate(0);
  request.certificate_trusted = true;
  const std::string fingerprint = to_hex(crypto::sha256(request.client_certificate));

  const Response known = lab.handler->handle(request);
  CHECK(known.status == 200);
  CHECK(header(known, "Content-Type") == "text/plain; charset=utf-8");
  CHECK(known.body.starts_with("You are "));
  for (const std::string& part : {std::string("Jo Doe"), fingerprint, std::string("Profile: default"),
                                  to_hex(crypto::sha256(device.device_certificate()))})
    CHECK(known.body.find(part) != std::string::npos);

  Request without = request;
  without.client_certificate.clear();
  CHECK(lab.handler->handle(without).status == 403);
  Request untrusted = request;
  untrusted.certificate_trusted = false;
  CHECK(lab.handler->handle(untrusted).status == 403);
  Request stranger = request;
  stranger.client_certificate = lab.issuer->credential_authority().der();
  CHECK(lab.handler->handle(stranger).status == 403);

  const auto revoked = lab.issuer->revocations().revoke(fingerprint, RevocationReason::unspecified,
                                                        {lab.clock.now(), "operator", "revoke", "", "", "ok", ""});
  REQUIRE(revoked);
  const Response gone = lab.handler->handle(request);
  CHECK(gone.status == 403);
  CHECK(gone.body.find("revoked") != std::string::npos);
}

TEST_CASE("HttpHandler: a certificate of an enrolment that was not completed is not known") {
  IssuerLab lab;
  Device device(lab);
  Response response = device.get(lab.new_ticket());
  for (int i = 0; i < 3; ++i) response = device.post(device.answer(response));
  device.answer(response);  // the device has its certificate now, the issuer does not know
  Request request = device.get_request("/whoami");
  request.client_certificate = device.certificate(0);
  request.certificate_trusted = true;
  CHECK(lab.handler->handle(request).status == 403);
}
