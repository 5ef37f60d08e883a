#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keygen2/json_reader.h"
#include "provisioning-server/access/access.h"
#include "provisioning-server/access/authenticator.h"
#include "provisioning-server/http_route.h"
#include "provisioning-server/issuer.h"

namespace sks::issuer {

struct ApiRoute;

/// A request that has passed: its caller has the right of its row, and its body is strict JSON.
class ApiCall {
 public:
  ApiCall(Issuer& for_issuer, const ApiRoute& row, const Request& its_request, const PathValues& its_path,
          const Authenticated& its_caller)
      : issuer(for_issuer),
        route(row),
        request(its_request),
        path(its_path),
        caller(its_caller.caller),
        proof(its_caller.proof) {}

  Issuer& issuer;
  const ApiRoute& route;
  const Request& request;
  const PathValues& path;  ///< what stands where the path has {names}
  const Caller& caller;
  Proof proof;

  /// The JSON object in the body, for rows with ApiBody::json. A property that is absent, repeated, unknown or of
  /// another type is found by finish_body(); only behind it may values be used.
  keygen2::JsonReader body();
  /// Fails with option.
  Result<void> finish_body();
  /// An object with whatever in it, as text; empty when there is none.
  std::string free_object(std::string_view name);

  std::int64_t now() const;
  /// For the transaction that the call makes: who, when and the action of the row.
  AuditEntry audit(std::string detail, std::string session = {}) const;

 private:
  friend class ApiGate;
  std::optional<keygen2::JsonDocument> document_;
};

enum class ApiBody : std::uint8_t { none, json };

/// One row of the REST API.
struct ApiRoute {
  std::string_view method;
  std::string_view path;  ///< behind kApiBase
  Right right;
  ApiBody body;
  /// What the audit log calls it; empty for what only reads. The handler writes the entry in its own transaction when
  /// it succeeds, and the entry of a refusal is written for it.
  std::string_view action;
  /// An error becomes problem+json, see problem_response().
  Result<Response> (*run)(ApiCall&);
};

inline constexpr std::string_view kApiBase = "/api/v1";

/// Makes routes of rows: finds the caller, refuses who may not, refuses what another site made a browser send (a change
/// by cookie or certificate needs the header X-SKS-Request: 1), parses the body and audits refused changes.
Routes make_api_routes(Issuer& issuer, const std::shared_ptr<Authenticator>& authenticator,
                       const std::vector<ApiRoute>& rows);

}  // namespace sks::issuer
