#pragma once

#include <string>

#include "provisioning-server/access/access.h"
#include "provisioning-server/profile_store.h"
#include "provisioning-server/repository.h"
#include "provisioning-server/session_seal.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"

namespace sks::issuer {

struct TicketRequest {
  std::string profile;
  /// "CN=Jo Doe,O=Example"; empty: what the profile makes of the data, or one that tells users of the profile apart.
  std::string subject = {};
  /// How long it can be used: 1 to `ticket_minutes` of the configuration, which is what 0 stands for.
  std::int64_t minutes = 0;
  std::string data = {};  ///< Ticket::data: a JSON object, or empty
  ManagementOrder order = {};
  /// What its maker must be allowed to do, and how the audit log calls that.
  Right right = Right::manage_tickets;
  std::string action = "ticket";
  std::string detail = {};  ///< for the audit log, behind the subject
};

/// What the user of a ticket is given. Everything but `url` lets whoever has it use the ticket.
struct TicketLinks {
  std::string link;     ///< of the page that says what there is to get
  std::string init;     ///< the init URL
  std::string url;      ///< the main URL
  std::string keygen2;  ///< "keygen2://?init=...&url=...&cookie=..."
  std::string command;  ///< what one types where no program opens the link
};

struct IssuedTicket {
  std::string id;  ///< Ticket::digest: no secret
  TicketLinks links;
  std::int64_t expires = 0;
};

inline constexpr const char* kTicketPage = "/ticket/";  ///< the secret stands behind it

/// The cookie that goes with a ticket: a client need not take up Set-Cookie. It follows from the secret for whoever has
/// the key encryption key, so that the page of the ticket can hand it out, and from nothing that others see: init URLs
/// stand in the logs of proxies. Spec: keygen2.md 2.2
std::string ticket_cookie(const SessionSeal& seal, std::string_view secret);
TicketLinks ticket_links(const MainUrl& url, const SessionSeal& seal, std::string_view secret);

/// Where every ticket is made, whoever asks for it. Safe for several threads.
class TicketOffice {
 public:
  struct Ports {
    const MainUrl& url;
    Repository& repository;
    ProfileStore& profiles;
    const SessionSeal& seal;
    std::int64_t ticket_minutes;
    SubjectDirectory* directory = nullptr;
    const Clock& clock = system_clock();
    const Random& random = system_random();
  };
  /// Everything in `ports` must outlive it.
  explicit TicketOffice(Ports ports) : ports_(ports) {}

  /// Stores a new ticket with its audit entry. Fails with authorization (the maker may not), not_available (no such
  /// profile), option (minutes, subject, data; what the profile needs and is not known) or storage.
  Result<IssuedTicket> make_ticket(const TicketRequest& request, const Caller& maker);

 private:
  Ports ports_;
};

}  // namespace sks::issuer
