#pragma once

#include <vector>

#include "provisioning-server/admin_api/api_route.h"
#include "provisioning-server/tickets/ticket_office.h"

/// The rows of each part of the REST API, each in the file of its name.
namespace sks::issuer {

std::vector<ApiRoute> account_api();
std::vector<ApiRoute> audit_api();
std::vector<ApiRoute> credential_api();
std::vector<ApiRoute> device_api();
std::vector<ApiRoute> overview_api();
std::vector<ApiRoute> profile_api();
std::vector<ApiRoute> session_api();
std::vector<ApiRoute> signature_profile_api();
std::vector<ApiRoute> ticket_api();

/// The one answer that shows the secret of a ticket, 201. Fails with option: its link makes no QR code.
Result<Response> ticket_response(const IssuedTicket& ticket);

}  // namespace sks::issuer
