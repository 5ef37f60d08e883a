#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/admin_api/query_reader.h"
#include "provisioning-server/landing/qr_code.h"

namespace sks::issuer {
namespace {

constexpr std::int32_t kMostMinutes = 60 * 24 * 365;

// In the order of TicketFilter::State.
const std::vector<std::string_view>& state_names() {
  static const std::vector<std::string_view> kNames{"any", "open", "used", "expired"};
  return kNames;
}

TicketFilter::State state_of(const Ticket& ticket, std::int64_t now) {
  if (ticket.used != 0) return TicketFilter::State::used;
  return ticket.expires <= now ? TicketFilter::State::expired : TicketFilter::State::open;
}

Json ticket_json(const TicketRow& row, std::int64_t now) {
  const Ticket& ticket = row.ticket;
  Json json{{"id", ticket.digest},       {"profile", ticket.profile},
            {"subject", ticket.subject}, {"state", state_names().at(static_cast<std::size_t>(state_of(ticket, now)))},
            {"created", ticket.created}, {"expires", ticket.expires},
            {"used", ticket.used},       {"creator", ticket.creator},
            {"session", row.session}};
  if (!ticket.data.empty()) json["data"] = Json::parse(ticket.data, nullptr, false);
  return json;
}

Result<Response> list_tickets(ApiCall& call) {
  QueryReader query(call.request.query());
  TicketFilter filter;
  filter.state = static_cast<TicketFilter::State>(query.choice("state", state_names()));
  filter.profile = query.text("profile");
  filter.creator = query.text("creator");
  filter.text = query.text("text");
  const PageRequest page = query.page();
  SKS_TRY(query.finish());
  const std::int64_t now = call.now();
  SKS_LET(const Page<TicketRow> found, Directory(call.issuer.database()).tickets(filter, page, now));
  Json rows = Json::array();
  for (const TicketRow& row : found.rows) rows.push_back(ticket_json(row, now));
  return json_response(200, {{"rows", std::move(rows)}, {"next", found.next}});
}

Result<Response> get_ticket(ApiCall& call) {
  SKS_LET(const std::string id, fingerprint_in(call, "id"));
  SKS_LET(const std::optional<TicketRow> row, Directory(call.issuer.database()).ticket(id));
  if (!row) return Error{Status::not_available, "There is no such ticket."};
  return json_response(200, ticket_json(*row, call.now()));
}

Result<Response> make_ticket(ApiCall& call) {
  keygen2::JsonReader body = call.body();
  TicketRequest request;
  request.profile = body.text("profile");
  request.subject = body.optional_text("subject").value_or("");
  if (body.has("minutes")) request.minutes = body.number("minutes", {1, kMostMinutes});
  request.data = call.free_object("data");
  SKS_TRY(call.finish_body());
  request.action = call.route.action;
  TicketOffice office(call.issuer.ticket_office_ports());
  SKS_LET(const IssuedTicket ticket, office.make_ticket(request, call.caller));
  return ticket_response(ticket);
}

Result<Response> cancel_ticket(ApiCall& call) {
  SKS_LET(const std::string id, fingerprint_in(call, "id"));
  SKS_LET(const CancelOutcome outcome, call.issuer.repository().cancel_ticket(id, call.audit("ticket " + id)));
  if (outcome == CancelOutcome::unknown) return Error{Status::not_available, "There is no such ticket."};
  if (outcome == CancelOutcome::not_open)
    return Error{Status::not_allowed, "The ticket has been used, or it has expired."};
  return Response{204, {}, {}};
}

}  // namespace

Result<Response> ticket_response(const IssuedTicket& ticket) {
  SKS_LET(const std::string qr, qr_svg(ticket.links.link));
  return json_response(201, {{"id", ticket.id},
                             {"link", ticket.links.link},
                             {"keygen2", ticket.links.keygen2},
                             {"command", ticket.links.command},
                             {"qr", qr},
                             {"expires", ticket.expires}});
}

std::vector<ApiRoute> ticket_api() {
  return {
      {"GET", "/tickets", Right::view_tickets, ApiBody::none, "", list_tickets},
      {"POST", "/tickets", Right::manage_tickets, ApiBody::json, "ticket", make_ticket},
      {"GET", "/tickets/{id}", Right::view_tickets, ApiBody::none, "", get_ticket},
      {"DELETE", "/tickets/{id}", Right::manage_tickets, ApiBody::none, "ticket-cancel", cancel_ticket},
  };
}

}  // namespace sks::issuer
