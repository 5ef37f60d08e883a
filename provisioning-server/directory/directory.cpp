#include "provisioning-server/directory/directory.h"

#include <algorithm>
#include <limits>

#include "provisioning-server/directory/list_query.h"
#include "provisioning-server/internal/repository_rows.h"

namespace sks::issuer {
namespace {

using Direction = ListPath::Direction;
using Type = ListKey::Type;

constexpr const char* kTicketList =
    "digest, profile, subject, created, expires, used, creator, data, operation, target, target_device,"
    " session";

Result<TicketRow> ticket_row(const SqlRow& row) {
  TicketRow made;
  made.ticket.digest = row.text(0);
  made.ticket.profile = row.text(1);
  made.ticket.subject = row.text(2);
  made.ticket.created = row.integer(3);
  made.ticket.expires = row.integer(4);
  made.ticket.used = row.integer(5);
  made.ticket.creator = row.text(6);
  made.ticket.data = row.text(7);
  SKS_LET(made.ticket.order, order_of(row, 8));
  made.session = row.text(11);
  return made;
}

bool has_state(const Ticket& ticket, TicketFilter::State state, std::int64_t now) {
  switch (state) {
    case TicketFilter::State::any:
      return true;
    case TicketFilter::State::open:
      return ticket.used == 0 && ticket.expires > now;
    case TicketFilter::State::used:
      return ticket.used != 0;
    case TicketFilter::State::expired:
      return ticket.used == 0 && ticket.expires <= now;
  }
  return false;
}

constexpr const char* kSessionList =
    "id, ticket_digest, profile, profile_digest, subject, phase, created, expires, ended, result, client_session_id,"
    " device_fingerprint, CASE length(sealed_puk) WHEN 0 THEN 0 ELSE 1 END, operation, target, target_device,"
    " kmk_generation";

Result<SessionRow> session_row(const SqlRow& row) {
  SessionRow made;
  made.id = row.text(0);
  made.ticket_digest = row.text(1);
  made.profile = row.text(2);
  made.profile_digest = row.text(3);
  made.subject = row.text(4);
  SKS_LET(made.phase, parse_phase(row.text(5)));
  made.created = row.integer(6);
  made.expires = row.integer(7);
  made.ended = row.integer(8);
  made.result = row.text(9);
  made.client_session_id = row.text(10);
  made.device_fingerprint = row.text(11);
  made.has_puk = row.integer(12) != 0;
  SKS_LET(made.order, order_of(row, 13));
  made.kmk_generation = row.integer(16);
  return made;
}

bool has_state(SessionPhase phase, SessionFilter::State state) {
  switch (state) {
    case SessionFilter::State::any:
      return true;
    case SessionFilter::State::open:
      return !is_over(phase);
    case SessionFilter::State::done:
      return phase == SessionPhase::done;
    case SessionFilter::State::aborted:
      return phase == SessionPhase::aborted;
  }
  return false;
}

ListPath session_path(const SessionFilter& filter) {
  ListPath path{"sessions", "", {}, {{"created", Type::integer}, {"id", Type::text}}, Direction::down};
  if (filter.state == SessionFilter::State::open) {
    path.where = "ended = 0";
    path.keys = {{"expires", Type::integer}, {"id", Type::text}};
  } else if (!filter.device.empty()) {
    path.where = "device_fingerprint <> '' AND device_fingerprint = $1";
    path.parameters = {filter.device};
  } else if (!filter.result.empty()) {
    path.where = "ended <> 0 AND result = $1";
    path.parameters = {filter.result};
    path.keys = {{"ended", Type::integer}, {"id", Type::text}};
  }
  return path;
}

constexpr const char* kDeviceList = "fingerprint, certificate, path, first_seen, last_seen";

Result<DeviceRow> device_row(const SqlRow& row) {
  return DeviceRow{row.text(0), row.blob(1), row.blob(2), row.integer(3), row.integer(4)};
}

constexpr const char* kAuditList = "chain, number, time, actor, action, session, policy, result, detail";

Result<AuditRow> audit_row(const SqlRow& row) {
  return AuditRow{row.text(0),
                  row.integer(1),
                  {row.integer(2), row.text(3), row.text(4), row.text(5), row.text(6), row.text(7), row.text(8)}};
}

ListPath audit_path(const AuditFilter& filter) {
  const std::int64_t to = filter.to == 0 ? std::numeric_limits<std::int64_t>::max() : filter.to;
  ListPath path{"audit",
                "time >= $1 AND time < $2",
                {filter.from, to},
                {{"time", Type::integer}, {"chain", Type::text}, {"number", Type::integer}},
                Direction::down};
  if (!filter.session.empty()) {
    path.where += " AND session = $3 AND session <> ''";
    path.parameters.emplace_back(filter.session);
  }
  return path;
}

/// The row with that key, if there is one.
template <class Row, class Read>
Result<std::optional<Row>> find_row(Database& database, const std::string& statement, const std::string& key,
                                    const Read& read) {
  std::optional<Row> found;
  SKS_TRY(check_texts({&key}));
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    found.reset();
    SKS_LET(const SqlRows rows, transaction.query(statement, {key}));
    if (rows.empty()) return {};
    Result<Row> row = read(rows[0]);
    if (!row) return row.error();
    found = std::move(row).value();
    return {};
  }));
  return found;
}

constexpr std::int64_t kMaxPoints = 1000;

}  // namespace

Result<Page<TicketRow>> Directory::tickets(const TicketFilter& filter, const PageRequest& page,
                                           std::int64_t now) const {
  SKS_TRY(check_texts({&filter.profile, &filter.creator, &filter.text}));
  const ListPath path{"tickets", "", {}, {{"created", Type::integer}, {"digest", Type::text}}, Direction::down};
  return read_page<TicketRow>(database_, path, kTicketList, page, ticket_row, [&](const TicketRow& row, const SqlRow&) {
    const Ticket& ticket = row.ticket;
    return has_state(ticket, filter.state, now) && fits(filter.profile, ticket.profile) &&
           fits(filter.creator, ticket.creator) && contains(ticket.subject, filter.text);
  });
}

Result<Page<SessionRow>> Directory::sessions(const SessionFilter& filter, const PageRequest& page) const {
  SKS_TRY(check_texts({&filter.profile, &filter.device, &filter.result, &filter.text}));
  return read_page<SessionRow>(database_, session_path(filter), kSessionList, page, session_row,
                               [&](const SessionRow& row, const SqlRow&) {
                                 return has_state(row.phase, filter.state) && fits(filter.profile, row.profile) &&
                                        fits(filter.device, row.device_fingerprint) &&
                                        fits(filter.result, row.result) && contains(row.subject, filter.text);
                               });
}

Result<Page<DeviceRow>> Directory::devices(const DeviceFilter& filter, const PageRequest& page) const {
  SKS_TRY(check_texts({&filter.fingerprint}));
  ListPath path{"devices", "", {}, {{"last_seen", Type::integer}, {"fingerprint", Type::text}}, Direction::down};
  if (!filter.fingerprint.empty())
    path = {"devices",
            "fingerprint >= $1 AND fingerprint < $2",
            {filter.fingerprint, end_of_prefix(filter.fingerprint)},
            {{"fingerprint", Type::text}},
            Direction::up};
  return read_page<DeviceRow>(database_, path, kDeviceList, page, device_row,
                              [](const DeviceRow&, const SqlRow&) { return true; });
}

Result<Page<AuditRow>> Directory::audit(const AuditFilter& filter, const PageRequest& page) const {
  SKS_TRY(check_texts({&filter.session, &filter.actor, &filter.action, &filter.result, &filter.text}));
  return read_page<AuditRow>(database_, audit_path(filter), kAuditList, page, audit_row,
                             [&](const AuditRow& row, const SqlRow&) {
                               return fits(filter.actor, row.entry.actor) && fits(filter.action, row.entry.action) &&
                                      fits(filter.result, row.entry.result) && contains(row.entry.detail, filter.text);
                             });
}

Result<std::optional<TicketRow>> Directory::ticket(const std::string& digest) const {
  static const std::string kSelect = "SELECT " + std::string(kTicketList) + " FROM tickets WHERE digest = $1";
  return find_row<TicketRow>(database_, kSelect, digest, ticket_row);
}

Result<std::optional<SessionRow>> Directory::session(const std::string& id) const {
  static const std::string kSelect = "SELECT " + std::string(kSessionList) + " FROM sessions WHERE id = $1";
  return find_row<SessionRow>(database_, kSelect, id, session_row);
}

Result<std::optional<DeviceRow>> Directory::device(const std::string& fingerprint) const {
  static const std::string kSelect = "SELECT " + std::string(kDeviceList) + " FROM devices WHERE fingerprint = $1";
  return find_row<DeviceRow>(database_, kSelect, fingerprint, device_row);
}

Result<std::vector<StatisticsPoint>> Directory::statistics(std::int64_t from, std::int64_t to,
                                                           std::int64_t seconds) const {
  if (seconds < 1 || from < 0 || to < from || (to - from) / seconds > kMaxPoints)
    return Error{Status::option, "statistics are for a time of at most 1000 intervals"};
  std::vector<StatisticsPoint> points;
  for (std::int64_t start = from / seconds * seconds; start < to; start += seconds)
    if (start >= from) points.push_back({start, 0, {}});
  if (points.empty()) return points;
  const SqlValues parameters{points.front().start, points.back().start + seconds, seconds};
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    const auto point_of = [&](std::int64_t interval) -> StatisticsPoint& {
      return points.at(static_cast<std::size_t>(interval - points.front().start / seconds));
    };
    SKS_LET(const SqlRows issued, transaction.query("SELECT issued / CAST($3 AS BIGINT), count(*) FROM credentials"
                                                    " WHERE issued <> 0 AND issued >= $1 AND issued < $2 GROUP BY 1",
                                                    parameters));
    for (StatisticsPoint& point : points) point.sessions.clear();
    for (const SqlRow& row : issued) point_of(row.integer(0)).credentials = row.integer(1);
    SKS_LET(const SqlRows ended,
            transaction.query("SELECT ended / CAST($3 AS BIGINT), result, count(*) FROM sessions"
                              " WHERE ended <> 0 AND ended >= $1 AND ended < $2 GROUP BY 1, 2 ORDER BY 1, 2",
                              parameters));
    for (const SqlRow& row : ended) point_of(row.integer(0)).sessions.emplace_back(row.text(1), row.integer(2));
    return {};
  }));
  return points;
}

Result<Overview> Directory::overview(std::int64_t now) const {
  Overview overview;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    overview = {};
    SKS_LET(const SqlRows tickets,
            transaction.query("SELECT count(*) FROM tickets WHERE used = 0 AND expires > $1", {now}));
    overview.open_tickets = tickets.at(0).integer(0);
    SKS_LET(const SqlRows sessions, transaction.query("SELECT count(*) FROM sessions WHERE ended = 0", {}));
    overview.open_sessions = sessions.at(0).integer(0);
    SKS_LET(const SqlRows devices, transaction.query("SELECT count(*) FROM devices", {}));
    overview.devices = devices.at(0).integer(0);
    // Nearly all are issued, and have no index for it: they are what the others leave.
    SKS_LET(const SqlRows all, transaction.query("SELECT count(*) FROM credentials", {}));
    SKS_LET(const SqlRows unusual, transaction.query("SELECT status, count(*) FROM credentials"
                                                     " WHERE status <> 'issued' GROUP BY status",
                                                     {}));
    std::int64_t issued = all.at(0).integer(0);
    for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Credential::Status::replaced); ++i)
      overview.credentials.push_back({static_cast<Credential::Status>(i), 0});
    for (const SqlRow& row : unusual) {
      SKS_LET(const Credential::Status status, parse_status(row.text(0)));
      overview.credentials.at(static_cast<std::size_t>(status)).count = row.integer(1);
      issued -= row.integer(1);
    }
    overview.credentials.at(static_cast<std::size_t>(Credential::Status::issued)).count = issued;
    return {};
  }));
  return overview;
}

}  // namespace sks::issuer
