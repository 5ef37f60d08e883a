#pragma once

#include <string_view>
#include <vector>

#include "provisioning-server/admin_api/api_route.h"

/// The REST API of the administration. Spec: admin_api/openapi.json
namespace sks::issuer {

/// All rows that need an account, part by part.
std::vector<ApiRoute> api_rows();

/// The rows as routes, with those that need no account: POST /login, POST /logout and GET /openapi.json.
Routes admin_api_routes(Issuer& issuer);

/// openapi.json as it was built in.
extern const std::string_view kOpenApiDocument;

}  // namespace sks::issuer
