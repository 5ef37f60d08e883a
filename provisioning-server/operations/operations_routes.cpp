#include "provisioning-server/operations/operations_routes.h"

#include <nlohmann/json.hpp>

#include "provisioning-server/metrics.h"

namespace sks::issuer {
namespace {

Response readiness(const std::vector<ReadinessCheck>& checks) {
  bool is_ready = true;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ReadinessCheck& row : checks) {
    const Result<void> outcome = row.check();
    nlohmann::ordered_json entry{{"name", row.name}, {"ok", static_cast<bool>(outcome)}};
    if (!outcome) {
      entry["reason"] = outcome.error().detail;
      is_ready = false;
    }
    list.push_back(std::move(entry));
  }
  const nlohmann::ordered_json body{{"ready", is_ready}, {"checks", std::move(list)}};
  // A sentence may hold the name of a file, and that any bytes.
  return make_response(is_ready ? 200 : 503, "application/json",
                       body.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

}  // namespace

Routes operations_routes(std::vector<ReadinessCheck> checks) {
  return {
      {"GET", "/livez", BodyKind::none,
       [](const Request&, const PathValues&) { return text_response(200, "alive\n"); }},
      {"GET", "/metrics", BodyKind::none,
       [](const Request&, const PathValues&) {
         return make_response(200, "text/plain; version=0.0.4; charset=utf-8", Metrics::instance().text());
       }},
      {"GET", "/readyz", BodyKind::none,
       [checks = std::move(checks)](const Request&, const PathValues&) { return readiness(checks); }},
  };
}

}  // namespace sks::issuer
