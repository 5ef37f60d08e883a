#pragma once

#include "provisioning-server/tickets/ticket_office.h"

namespace sks::issuer {

/// Who orders what: for one credential by its fingerprint, or for all of a subject on a device.
struct ManagementRequest {
  KeyOperation::Kind kind = KeyOperation::Kind::unlock;
  std::string fingerprint = {};  ///< hexadecimal; excludes the three below
  std::string device = {};       ///< fingerprint
  std::string subject = {};      ///< to the letter
  std::string profile = {};      ///< empty: of all profiles; needed where new keys are made
  std::int64_t minutes = 0;      ///< as TicketRequest::minutes
};

/// Makes the ticket of a management session; a right is needed to unlock, another one for everything else.
///
/// Fails with authorization (the maker may not), option (not one or the other way of naming keys), not_available (no
/// such credential, or no key of it), not_allowed (its device is anonymous, its status or the profile does not allow
/// it), or as TicketOffice::make_ticket().
Result<IssuedTicket> make_management_ticket(Repository& repository, ProfileStore& profiles, TicketOffice& office,
                                            const ManagementRequest& request, const Caller& maker);

}  // namespace sks::issuer
