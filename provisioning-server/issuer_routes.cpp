#include "provisioning-server/issuer_routes.h"

#include <array>
#include <iterator>

#include "provisioning-server/keygen2_routes.h"

namespace sks::issuer {
namespace {

Routes sessions(Issuer& issuer) {
  const IssuerConfig& config = issuer.config();
  return keygen2_routes(issuer.ports(),
                        {config.session_starts_per_second, config.operations.tries_per_minute_per_ticket});
}

Routes revocation(Issuer& issuer) { return issuer.revocation_service().routes(); }

// One row for each part of the server. KeyGen2 goes first: whoever chose the main URL gets what is behind it.
constexpr auto kParts = std::to_array<Routes (*)(Issuer&)>({
    sessions,
    revocation,
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
