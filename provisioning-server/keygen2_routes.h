#pragma once

#include "provisioning-server/enrolment.h"
#include "provisioning-server/http_route.h"

namespace sks::issuer {

/// What is above is answered with 429. 0: no limit, but for per_second.
struct StartLimits {
  std::int64_t per_second = 100;  ///< starts of all sessions
  std::int64_t tries_per_minute_per_ticket = 0;
};

inline constexpr const char* kSessionCookie = "__Host-sks-session";

/// The main URL, where sessions of KeyGen2 run, the page that shows how one ended, and /whoami, which tells a TLS
/// client what its certificate says. Spec: keygen2.md 2 and E.2 to E.4.
Routes keygen2_routes(EnrolmentPorts ports, const StartLimits& limits);

}  // namespace sks::issuer
