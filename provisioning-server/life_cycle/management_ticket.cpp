#include "provisioning-server/life_cycle/management_ticket.h"

#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/management_session.h"
#include "provisioning-server/life_cycle/replacements.h"

namespace sks::issuer {
namespace {

Result<void> check_naming(const ManagementRequest& request) {
  const bool one = !request.fingerprint.empty();
  const bool all = !request.device.empty() && !request.subject.empty();
  const bool any_of_all = !request.device.empty() || !request.subject.empty() || !request.profile.empty();
  if (one == all || (one && any_of_all))
    return Error{Status::option, "name one credential by its fingerprint, or those of a device and a subject"};
  if (all && makes_key(request.kind) && request.profile.empty())
    return Error{Status::option, "new keys for all of a subject need the name of a profile"};
  return {};
}

/// The ticket for one credential.
Result<TicketRequest> for_one(Repository& repository, const ManagementRequest& request) {
  SKS_LET(const std::optional<Credential> credential, repository.find_credential(request.fingerprint));
  if (!credential) return Error{Status::not_available, "there is no credential " + request.fingerprint};
  if (credential->privacy_enabled || credential->device_fingerprint.empty())
    return Error{Status::not_allowed, "credential " + request.fingerprint +
                                          " is that of an anonymous device: only lookups of a profile reach its key"};
  TicketRequest made;
  made.profile = credential->profile;
  made.subject = credential->subject;
  made.order = {request.kind, request.fingerprint, credential->device_fingerprint};
  return made;
}

TicketRequest for_all(const ManagementRequest& request) {
  TicketRequest made;
  made.profile = request.profile;
  made.subject = request.subject;
  made.order = {request.kind, {}, request.device};
  return made;
}

}  // namespace

Result<IssuedTicket> make_management_ticket(Repository& repository, ProfileStore& profiles, TicketOffice& office,
                                            const ManagementRequest& request, const Caller& maker) {
  const bool unlocks = request.kind == KeyOperation::Kind::unlock;
  const Right right = unlocks ? Right::unlock_credentials : Right::manage_credentials;
  if (!maker.may(right))
    return Error{Status::authorization, maker.name + " lacks the right " + std::string(row_of(right).name)};
  SKS_TRY(check_naming(request));
  TicketRequest ticket = for_all(request);
  if (!request.fingerprint.empty()) {
    SKS_LET(ticket, for_one(repository, request));
  }
  SKS_LET(const std::vector<Credential> targets, repository.find_targets(ticket.order, ticket.subject, ticket.profile));
  SKS_TRY(check_targets(ticket.order, targets));
  if (makes_key(request.kind)) {
    SKS_LET(const std::shared_ptr<const Profile> profile, profiles.find(ticket.profile));
    for (const Credential& target : targets) SKS_TRY(replacement_spec(*profile, target, request.kind));
  }
  ticket.minutes = request.minutes;
  ticket.right = right;
  ticket.action = "manage";
  const std::string what = request.fingerprint.empty() ? "all on device " + request.device : request.fingerprint;
  ticket.detail = std::string(action_of(request.kind).word) + ' ' + what;
  return office.make_ticket(ticket, maker);
}

}  // namespace sks::issuer
