#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kLatest = std::int64_t{1} << 40;

struct Interval {
  std::string_view name;
  std::int64_t seconds;
  std::int64_t usual_length;  ///< how far back when nobody says
};
constexpr auto kIntervals = std::to_array<Interval>({
    {"hour", kHour, kDay},
    {"day", kDay, 30 * kDay},
});

Result<Response> get_me(ApiCall& call) {
  return json_response(
      200, {{"name", call.caller.name}, {"roles", role_list(call.caller.roles)}, {"rights", call.caller.rights()}});
}

Result<Response> get_overview(ApiCall& call) {
  SKS_LET(const Overview overview, Directory(call.issuer.database()).overview(call.now()));
  Json credentials = Json::object();
  for (const StatusCount& row : overview.credentials) credentials[std::string(to_string(row.status))] = row.count;
  return json_response(200, {{"open_tickets", overview.open_tickets},
                             {"open_sessions", overview.open_sessions},
                             {"credentials", std::move(credentials)},
                             {"devices", overview.devices},
                             {"version", SKS_VERSION},
                             {"database", call.issuer.database().dialect()},
                             {"node", call.issuer.config().audit.node}});
}

Result<Response> get_statistics(ApiCall& call) {
  QueryReader query(call.request.query());
  const Interval& interval = kIntervals.at(query.choice("interval", {kIntervals[0].name, kIntervals[1].name}));
  const std::int64_t to = query.integer("to", 0, kLatest, call.now() + 1);
  const std::int64_t from = query.integer(
      "from", 0, kLatest, std::max<std::int64_t>(0, to - interval.usual_length) / interval.seconds * interval.seconds);
  SKS_TRY(query.finish());
  SKS_LET(const std::vector<StatisticsPoint> points,
          Directory(call.issuer.database()).statistics(from, to, interval.seconds));
  Json rows = Json::array();
  for (const StatisticsPoint& point : points) {
    Json sessions = Json::object();
    for (const auto& [word, count] : point.sessions) sessions[word] = count;
    rows.push_back({{"start", point.start}, {"credentials", point.credentials}, {"sessions", std::move(sessions)}});
  }
  return json_response(200, {{"points", std::move(rows)}});
}

}  // namespace

std::vector<ApiRoute> overview_api() {
  return {
      {"GET", "/me", Right::own_account, ApiBody::none, "", get_me},
      {"GET", "/overview", Right::view_overview, ApiBody::none, "", get_overview},
      {"GET", "/statistics", Right::view_overview, ApiBody::none, "", get_statistics},
  };
}

}  // namespace sks::issuer
