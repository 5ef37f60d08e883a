#include "provisioning-server/life_cycle/life_cycle_api.h"

#include <limits>

#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/admin_api/parts.h"
#include "provisioning-server/life_cycle/credential_history.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/management_ticket.h"
#include "provisioning-server/life_cycle/puk_desk.h"

namespace sks::issuer {
namespace {

/// The properties that both ways of ordering have.
Result<ManagementRequest> read_order(keygen2::JsonReader& body) {
  ManagementRequest request;
  const auto kind = find_action(body.text("action"));
  if (!kind) return Error{Status::option, "The action is one of " + action_words() + "."};
  request.kind = *kind;
  if (body.has("minutes")) request.minutes = body.number("minutes", {1, std::numeric_limits<std::int32_t>::max()});
  return request;
}

Result<Response> make_ticket(ApiCall& call, const ManagementRequest& request) {
  TicketOffice office(call.issuer.ticket_office_ports());
  SKS_LET(const IssuedTicket made,
          make_management_ticket(call.issuer.repository(), call.issuer.profiles(), office, request, call.caller));
  return ticket_response(made);
}

Result<Response> manage_credential(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  keygen2::JsonReader body = call.body();
  SKS_LET(ManagementRequest request, read_order(body));
  SKS_TRY(call.finish_body());
  request.fingerprint = fingerprint;
  return make_ticket(call, request);
}

Result<Response> manage_device(ApiCall& call) {
  SKS_LET(const std::string device, fingerprint_in(call));
  keygen2::JsonReader body = call.body();
  SKS_LET(ManagementRequest request, read_order(body));
  request.subject = body.text("subject");
  request.profile = body.optional_text("profile").value_or("");
  SKS_TRY(call.finish_body());
  request.device = device;
  return make_ticket(call, request);
}

Result<Response> show_puk_once(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  // Again is a matter of the command line, where the operator is.
  SKS_LET(const SecureBytes puk, show_puk(call.issuer.database(), call.issuer.audit(), call.issuer.seal(), fingerprint,
                                          PukShowing::once, call.audit("")));
  return json_response(200, {{"puk", sks::to_string(puk.view())}});
}

Result<Response> show_history(ApiCall& call) {
  SKS_LET(const std::string fingerprint, fingerprint_in(call));
  SKS_LET(const CredentialHistory history, find_history(call.issuer.database(), fingerprint));
  if (history.sessions.empty()) return Error{Status::not_available, "There is no credential " + fingerprint + "."};
  Json rows = Json::array();
  for (const HistoryRow& row : history.sessions)
    rows.push_back({{"session", row.session},
                    {"operation", row.operation},
                    {"creator", row.creator},
                    {"phase", to_string(row.phase)},
                    {"result", row.result},
                    {"created", row.created},
                    {"ended", row.ended},
                    {"kmk_generation", row.kmk_generation}});
  return json_response(200, {{"rows", rows}, {"replaced_by", history.replaced_by}, {"clones", history.clones}});
}

}  // namespace

std::vector<ApiRoute> life_cycle_api() {
  return {
      // Who may only unlock is refused everything else when the ticket is made.
      {"POST", "/credentials/{fingerprint}/manage", Right::unlock_credentials, ApiBody::json, "manage",
       manage_credential},
      {"POST", "/devices/{fingerprint}/manage", Right::unlock_credentials, ApiBody::json, "manage", manage_device},
      {"POST", "/credentials/{fingerprint}/puk", Right::show_puk, ApiBody::none, "puk", show_puk_once},
      {"GET", "/credentials/{fingerprint}/history", Right::view_credentials, ApiBody::none, "", show_history},
  };
}

}  // namespace sks::issuer
