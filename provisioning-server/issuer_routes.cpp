#include "provisioning-server/issuer_routes.h"

#include <array>
#include <iterator>

#include "provisioning-server/admin_api/admin_api.h"
#include "provisioning-server/console/console_routes.h"
#include "provisioning-server/keygen2_routes.h"
#include "provisioning-server/landing/landing_pages.h"

namespace sks::issuer {
namespace {

std::shared_ptr<const LandingPages> landing_pages(Issuer& issuer) {
  const EnrolmentPorts ports = issuer.ports();
  return std::make_shared<LandingPages>(LandingPages::Ports{ports.url, issuer.config().landing, ports.repository,
                                                            ports.profiles, ports.seal, ports.clock});
}

Routes sessions(Issuer& issuer) {
  const IssuerConfig& config = issuer.config();
  return keygen2_routes(issuer.ports(), issuer.revocations(),
                        {config.session_starts_per_second, config.operations.tries_per_minute_per_ticket},
                        [pages = landing_pages(issuer)](const Request& request, const std::string& ticket) {
                          return pages->ticket(request, ticket);
                        });
}

Routes landing(Issuer& issuer) { return landing_routes(landing_pages(issuer)); }

Routes console(Issuer&) { return console_routes(); }

Routes revocation(Issuer& issuer) { return issuer.revocation_service().routes(); }

// One row for each part of the server. KeyGen2 goes first: whoever chose the main URL gets what is behind it.
constexpr auto kParts = std::to_array<Routes (*)(Issuer&)>({
    sessions,
    landing,
    console,
    revocation,
    admin_api_routes,
});

}  // namespace

Routes issuer_routes(Issuer& issuer) {
  Routes all;
  for (const auto part : kParts) {
    Routes routes = part(issuer);
    all.insert(all.end(), std::make_move_iterator(routes.begin()), std::make_move_iterator(routes.end()));
  }
  return all;
}

}  // namespace sks::issuer
