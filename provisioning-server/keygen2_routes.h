#pragma once

#include "provisioning-server/enrolment.h"
#include "provisioning-server/http_route.h"

namespace sks::issuer {

inline constexpr const char* kSessionCookie = "__Host-sks-session";

/// The main URL, where sessions of KeyGen2 run, the page that shows how one ended, and /whoami, which tells a TLS
/// client what its certificate says. Spec: keygen2.md 2 and E.2 to E.4. More starts of sessions in one second are
/// answered with 429.
Routes keygen2_routes(EnrolmentPorts ports, std::int64_t session_starts_per_second);

}  // namespace sks::issuer
