#pragma once

#include "provisioning-server/http_route.h"
#include "provisioning-server/issuer.h"

namespace sks::issuer {

/// Everything that an issuer serves to the public. The issuer must outlive the routes.
Routes issuer_routes(Issuer& issuer);

}  // namespace sks::issuer
