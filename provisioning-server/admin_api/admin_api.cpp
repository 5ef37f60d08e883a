#include "provisioning-server/admin_api/admin_api.h"

#include "provisioning-server/access/account_authenticator.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/problem.h"
#include "provisioning-server/http_handler.h"
#include "provisioning-server/life_cycle/life_cycle_api.h"

namespace sks::issuer {
namespace {

constexpr auto kParts = std::to_array<std::vector<ApiRoute> (*)()>({
    overview_api,
    ticket_api,
    credential_api,
    life_cycle_api,
    device_api,
    session_api,
    audit_api,
    profile_api,
    signature_profile_api,
    account_api,
});

Response with_cookie(Response response, const std::string& value, std::int64_t seconds) {
  response.headers.emplace_back("Set-Cookie",
                                std::string(kConsoleCookie) + '=' + value +
                                    "; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds));
  return response;
}

/// No other site can send it: a body of JSON takes the consent of this one.
Response log_in(AccountAuthenticator& authenticator, const Request& request) {
  auto document = keygen2::JsonDocument::parse(request.body, kMaxBody);
  if (!document) return problem_response(400, "The body is not what it should be: " + document.error().detail + '.');
  const std::string token = document->root().text("token");
  if (const auto read = document->finish(); !read) return problem_response(400, read.error().detail + '.');
  const auto done = authenticator.log_in(token, request.peer);
  if (const auto* const refused = std::get_if<NotAuthenticated>(&done))
    return problem_response(refused->status, refused->sentence);
  const auto& login = std::get<ConsoleLogin>(done);
  return with_cookie({204, {}, {}}, login.cookie, login.seconds);
}

Response log_out(AccountAuthenticator& authenticator, const Request& request) {
  if (request.header("x-sks-request") != "1") return problem_response(403, "This takes the header X-SKS-Request: 1.");
  const Result<void> done = authenticator.log_out(request);
  // Whoever turns away from the browser must not leave the cookie of a login in it that could not be ended.
  return with_cookie(done ? Response{204, {}, {}} : problem_response(done.error()), "", 0);
}

}  // namespace

std::vector<ApiRoute> api_rows() {
  std::vector<ApiRoute> rows;
  for (const auto part : kParts) {
    const std::vector<ApiRoute> some = part();
    rows.insert(rows.end(), some.begin(), some.end());
  }
  return rows;
}

Routes admin_api_routes(Issuer& issuer) {
  const auto authenticator = std::make_shared<AccountAuthenticator>(
      AccountAuthenticator::Ports{issuer.accounts(), issuer.revocations(), issuer.repository(), issuer.config().access,
                                  issuer.clock(), issuer.random()});
  Routes routes = make_api_routes(issuer, authenticator, api_rows());
  const std::string base(kApiBase);
  routes.push_back(
      {"POST", base + "/login", BodyKind::json,
       [authenticator](const Request& request, const PathValues&) { return log_in(*authenticator, request); }});
  routes.push_back(
      {"POST", base + "/logout", BodyKind::none,
       [authenticator](const Request& request, const PathValues&) { return log_out(*authenticator, request); }});
  routes.push_back({"GET", base + "/openapi.json", BodyKind::none, [](const Request&, const PathValues&) {
                      return make_response(200, "application/json", std::string(kOpenApiDocument));
                    }});
  return routes;
}

}  // namespace sks::issuer
