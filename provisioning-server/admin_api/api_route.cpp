#include "provisioning-server/admin_api/api_route.h"

#include <nlohmann/json.hpp>

#include "provisioning-server/admin_api/problem.h"
#include "provisioning-server/http_handler.h"
#include "provisioning-server/log.h"

namespace sks::issuer {

keygen2::JsonReader ApiCall::body() {
  SKS_CHECK(document_.has_value());
  return document_->root();
}

Result<void> ApiCall::finish_body() {
  SKS_CHECK(document_.has_value());
  if (const auto read = document_->finish(); !read) return Error{Status::option, read.error().detail};
  return {};
}

std::string ApiCall::free_object(std::string_view name) {
  keygen2::JsonReader root = body();
  if (!root.has(name)) return {};
  root.object(name).skip_members();
  // The strict parser has seen it already; this one keeps what the other one has no use for.
  const nlohmann::ordered_json whole = nlohmann::ordered_json::parse(request.body, nullptr, false);
  const auto member = whole.find(name);
  return member == whole.end() ? std::string() : member->dump();
}

std::int64_t ApiCall::now() const { return issuer.clock().now(); }

AuditEntry ApiCall::audit(std::string detail, std::string session) const {
  return {now(), caller.name, std::string(route.action), std::move(session), "", "ok", std::move(detail)};
}

/// What stands between a request and the handler of its row.
class ApiGate {
 public:
  ApiGate(Issuer& issuer, std::shared_ptr<Authenticator> authenticator, const ApiRoute& route)
      : issuer_(issuer), authenticator_(std::move(authenticator)), route_(route) {}

  Response run(const Request& request, const PathValues& path) {
    const auto found = authenticator_->authenticate(request);
    if (const auto* const nobody = std::get_if<NotAuthenticated>(&found))
      return problem_response(nobody->status, nobody->sentence);
    ApiCall call(issuer_, route_, request, path, std::get<Authenticated>(found));
    Result<Response> done = pass(call);
    if (done) return std::move(done).value();
    note_refusal(call, done.error());
    return problem_response(done.error());
  }

 private:
  Result<Response> pass(ApiCall& call) const {
    if (!call.caller.may(route_.right))
      return Error{Status::authorization,
                   "Your account lacks the right " + std::string(row_of(route_.right).name) + " that this takes."};
    const bool may_be_forged = call.proof != Proof::bearer && route_.method != "GET";
    if (may_be_forged && call.request.header("x-sks-request") != "1")
      return Error{Status::authorization, "A change with a cookie or a certificate needs the header X-SKS-Request: 1."};
    if (route_.body == ApiBody::json) {
      auto document = keygen2::JsonDocument::parse(call.request.body, kMaxBody);
      if (!document)
        return Error{Status::option, "The body is not what it should be: " + document.error().detail + '.'};
      call.document_ = std::move(document).value();
    }
    return route_.run(call);
  }

  /// A failure of the database is no decision, and would not be written down either.
  void note_refusal(const ApiCall& call, const Error& error) const {
    if (route_.action.empty() || http_status_of(error) == 503) return;
    AuditEntry entry = call.audit(std::string(route_.method) + ' ' + std::string(route_.path) + ": " + error.detail);
    entry.result = error.status == Status::authorization ? "not-permitted" : "refused";
    if (const Result<void> noted = issuer_.repository().add_audit(entry); !noted)
      log_error("audit-not-written", {{"reason", noted.error().detail}});
  }

  Issuer& issuer_;
  std::shared_ptr<Authenticator> authenticator_;
  ApiRoute route_;
};

Routes make_api_routes(Issuer& issuer, const std::shared_ptr<Authenticator>& authenticator,
                       const std::vector<ApiRoute>& rows) {
  Routes routes;
  for (const ApiRoute& row : rows) {
    const auto gate = std::make_shared<ApiGate>(issuer, authenticator, row);
    routes.push_back({std::string(row.method), std::string(kApiBase) + std::string(row.path),
                      row.body == ApiBody::json ? BodyKind::json : BodyKind::none,
                      [gate](const Request& request, const PathValues& path) { return gate->run(request, path); }});
  }
  return routes;
}

}  // namespace sks::issuer
