#pragma once

#include <functional>
#include <string>
#include <vector>

#include "provisioning-server/http_route.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// Something without which the server is of no use to a client. `check` is asked anew each time; it must be safe for
/// several threads and its sentence must hold no secret.
struct ReadinessCheck {
  std::string name;
  std::function<Result<void>()> check;
};

/// What watches the server, on an address of its own:
///   /metrics  the numbers of this process, in the text format of Prometheus
///   /livez    200 as long as the process answers at all
///   /readyz   200 when every check holds, otherwise 503: a load balancer sends nobody here then. JSON with every check
///             and the reason of what fails
Routes operations_routes(std::vector<ReadinessCheck> checks);

}  // namespace sks::issuer
