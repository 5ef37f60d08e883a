#pragma once

#include "provisioning-server/enrolment.h"
#include "provisioning-server/http_route.h"
#include "provisioning-server/revocation/revocation_store.h"

namespace sks::issuer {

/// What is above is answered with 429. 0: no limit, but for per_second.
struct StartLimits {
  std::int64_t per_second = 100;  ///< starts of all sessions
  std::int64_t tries_per_minute_per_ticket = 0;
};

inline constexpr const char* kSessionCookie = "__Host-sks-session";

/// What a browser gets at the init URL: the page of a ticket, given its secret. It must not spend the ticket.
using TicketPage = std::function<Response(const Request&, const std::string& ticket)>;

/// The main URL, where sessions of KeyGen2 run, and /whoami, which tells a TLS client what its certificate says.
/// `revocations` must outlive the routes. Without `page` a browser is answered as any client. Spec: keygen2.md 2 and
/// E.2 to E.4.
Routes keygen2_routes(EnrolmentPorts ports, RevocationStore& revocations, const StartLimits& limits,
                      TicketPage page = {});

}  // namespace sks::issuer
