#include "provisioning-server/tickets/ticket_office.h"

#include "provisioning-server/enrolment.h"
#include "provisioning-server/keygen2_routes.h"
#include "provisioning-server/life_cycle/management_session.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/policy/subject_source.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/x509.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::size_t kCookieBytes = 24;

/// Whether everything that the profile needs is known; the subject is then what the profile makes of it.
Result<void> check_subject(const Profile& profile, SubjectDirectory* directory, const TicketRequest& request,
                           Ticket& made) {
  if (!request.subject.empty() && !profile.certificate.subject.empty())
    return Error{Status::option, "profile " + profile.name + " makes the subject of the data: leave it out"};
  SKS_LET(SubjectFacts facts, find_subject(profile, directory, made.subject, request.data));
  made.subject = std::move(facts.subject);
  return {};
}

}  // namespace

std::string ticket_cookie(const SessionSeal& seal, std::string_view secret) {
  const crypto::Sha256Digest code = crypto::hmac_sha256(seal.derive("ticket cookie").view(), as_bytes(secret));
  return to_base64url(ByteView(code).first(kCookieBytes));
}

TicketLinks ticket_links(const MainUrl& url, const SessionSeal& seal, std::string_view secret) {
  TicketLinks links;
  links.link = url.origin() + kTicketPage + std::string(secret);
  links.init = url.text() + "?ticket=" + std::string(secret);
  links.url = url.text();
  links.keygen2 =
      invocation_uri(links.init, url.text(), std::string(kSessionCookie) + '=' + ticket_cookie(seal, secret),
                     url.origin() + kResultPath + "?outcome=cancelled");
  links.command = "sks enroll '" + links.keygen2 + '\'';
  return links;
}

Result<IssuedTicket> TicketOffice::make_ticket(const TicketRequest& request, const Caller& maker) {
  if (!maker.may(request.right))
    return Error{Status::authorization, maker.name + " lacks the right " + std::string(row_of(request.right).name)};
  SKS_LET(const std::shared_ptr<const Profile> profile, find_rules(ports_.profiles, request.profile, request.order));
  if (request.minutes < 0 || request.minutes > ports_.ticket_minutes)
    return Error{Status::option, "a ticket can be used for 1 to " + std::to_string(ports_.ticket_minutes) + " minutes"};
  const std::string secret = random_id(ports_.random);
  Ticket made;
  made.digest = digest_of(secret);
  made.profile = profile->name;
  // Part of the digest tells users apart without being part of the ticket.
  made.subject =
      request.subject.empty() ? "CN=" + profile->name + " user " + made.digest.substr(0, 8) : request.subject;
  if (const auto dn = crypto::parse_dn(made.subject); !dn)
    return Error{Status::option, "the subject: " + dn.error().detail};
  if (!request.order.kind) SKS_TRY(check_subject(*profile, ports_.directory, request, made));
  made.cookie_digest = digest_of(ticket_cookie(ports_.seal, secret));
  made.created = ports_.clock.now();
  made.expires = made.created + (request.minutes == 0 ? ports_.ticket_minutes : request.minutes) * kMinute;
  made.creator = maker.name;
  made.data = request.data;
  made.order = request.order;
  const std::string detail = request.detail.empty() ? made.subject : made.subject + ' ' + request.detail;
  SKS_TRY(ports_.repository.add_ticket(
      made, {made.created, maker.name, request.action, "", profile->name + ' ' + profile->digest, "ok", detail}));
  Metrics::instance().counter("tickets_created_total").add();
  return IssuedTicket{made.digest, ticket_links(ports_.url, ports_.seal, secret), made.expires};
}

}  // namespace sks::issuer
