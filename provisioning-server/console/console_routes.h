#pragma once

#include "provisioning-server/http_route.h"

namespace sks::issuer {

/// The web console at /console: pages without anything in them. Their scripts get what they show from the REST API, as
/// whoever is signed in there; so everybody may have the pages.
Routes console_routes();

}  // namespace sks::issuer
