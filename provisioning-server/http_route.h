#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "provisioning-server/http_message.h"

namespace sks::issuer {

/// What stood where the path of a route has {names}; percent-encoding is undone.
using PathValues = std::map<std::string, std::string, std::less<>>;

/// What kind of body a request may have; any other is refused before it is read.
enum class BodyKind : std::uint8_t { none, json, ocsp, form };

/// Whether a GET route also answers HEAD: not where the GET itself does something.
enum class HeadRule : std::uint8_t { answered, refused };

/// Takes the response to a request; none: nothing has happened, and the request is to be run. Called once, in any
/// thread or before the one that was given it returns. It does little and does not throw.
using RespondLater = std::function<void(std::optional<Response>)>;

/// One address of the server. Each part of the server gives its own rows: sessions of KeyGen2, pages, REST API,
/// console, revocation, operations.
///
/// A path without {names} goes before the ones with them; of two rows for the same requests the first one counts.
struct Route {
  std::string method;
  std::string path;  ///< "/api/v1/tickets/{id}": a name stands for one whole segment that is not empty
  BodyKind body = BodyKind::none;
  std::function<Response(const Request&, const PathValues&)> run;
  HeadRule head = HeadRule::answered;
  /// Where the usual request has nothing to wait for in its thread before the response, which may come from another
  /// one. False: this one has, and is to be run.
  std::function<bool(const Request&, const RespondLater&)> run_promptly = {};
};
using Routes = std::vector<Route>;

}  // namespace sks::issuer
