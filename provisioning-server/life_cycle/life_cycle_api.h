#pragma once

#include <vector>

#include "provisioning-server/admin_api/api_route.h"

namespace sks::issuer {

/// The life of a credential after it was issued:
///   POST /credentials/{fingerprint}/manage   {action, minutes?}: a ticket for its key
///   POST /devices/{fingerprint}/manage       {action, subject, profile?, minutes?}: one for all of a subject
///   POST /credentials/{fingerprint}/puk      its PUK, once
///   GET  /credentials/{fingerprint}/history  the sessions that did something to its key
std::vector<ApiRoute> life_cycle_api();

}  // namespace sks::issuer
