#include "tests/provisioning-server/admin_api/api_lab.h"

#include <doctest/doctest.h>

#include "provisioning-server/enrolment.h"
#include "sks-core/base/encoding.h"

namespace sks::test {

using issuer::RoleRow;

ApiLab::ApiLab() {
  for (const RoleRow& row : issuer::kRoles) add_account(std::string(row.name) + "-1", {row.role});
  CHECK(outcome(device.enrol(issuer.new_ticket())) == "complete");
}

void ApiLab::add_account(const std::string& name, issuer::RoleSet roles, const Bytes& certificate,
                         std::int64_t seconds) {
  issuer::Account account;
  account.name = name;
  account.roles = roles;
  account.token_digest = issuer::digest_of(token_of(name));
  if (!certificate.empty()) account.fingerprint = to_hex(crypto::sha256(certificate));
  account.created = issuer.clock.now();
  account.expires = issuer.clock.now() + seconds;
  REQUIRE(issuer.issuer->accounts().add(account, {issuer.clock.now(), "operator", "account-add", "", "", "ok", name}));
}

issuer::Response ApiLab::send(const ApiRequest& what) {
  issuer::Request request;
  request.method = what.method;
  request.target = "/api/v1" + what.path;
  request.host = "localhost:8443";
  request.peer = "127.0.0.1";
  request.body = what.body;
  if (!what.body.empty()) request.content_type = "application/json";
  if (!what.token.empty()) request.headers["authorization"] = "Bearer " + what.token;
  if (!what.cookie.empty()) request.cookies = "other=1; __Host-sks-console=" + what.cookie;
  if (what.confirmed) request.headers["x-sks-request"] = "1";
  request.client_certificate = what.certificate;
  request.certificate_trusted = !what.certificate.empty();
  return issuer.handler->handle(request);
}

issuer::Response ApiLab::as(const std::string& role, const std::string& method, const std::string& path,
                            const std::string& body) {
  return as_account(role + "-1", method, path, body);
}

issuer::Response ApiLab::as_account(const std::string& account, const std::string& method, const std::string& path,
                                    const std::string& body) {
  ApiRequest request{method, path};
  request.token = token_of(account);
  request.body = body;
  return send(request);
}

nlohmann::json ApiLab::json(const issuer::Response& response, unsigned status) {
  INFO(response.body);
  REQUIRE(response.status == status);
  const bool refused = status >= 400;
  CHECK(header(response, "Content-Type") == (refused ? "application/problem+json" : "application/json"));
  nlohmann::json parsed = nlohmann::json::parse(response.body, nullptr, false);
  REQUIRE(parsed.is_object());
  if (refused) {
    CHECK(parsed.at("status") == status);
    CHECK(parsed.at("detail").get<std::string>().size() > 5);
  }
  return parsed;
}

std::string ApiLab::log_in(const std::string& account) {
  ApiRequest request{"POST", "/login"};
  request.body = nlohmann::json{{"token", token_of(account)}}.dump();
  const issuer::Response response = send(request);
  REQUIRE(response.status == 204);
  const std::string set = header(response, "Set-Cookie");
  const std::string start = "__Host-sks-console=";
  REQUIRE(set.starts_with(start));
  for (const char* const part : {"; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"})
    CHECK(set.find(part) != std::string::npos);
  return set.substr(start.size(), set.find(';') - start.size());
}

std::string ApiLab::fingerprint() { return to_hex(crypto::sha256(device.certificate(0))); }

}  // namespace sks::test
