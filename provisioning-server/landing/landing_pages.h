#pragma once

#include "provisioning-server/http_route.h"
#include "provisioning-server/landing/frame.h"
#include "provisioning-server/profile_store.h"
#include "provisioning-server/repository.h"
#include "provisioning-server/session_seal.h"
#include "sks-core/base/clock.h"

namespace sks::issuer {

/// Pages for the people who get keys: the one at a ticket's link, and the one that says how it ended. They work without
/// scripts, in the language that the browser asks for, and change nothing: a ticket is spent by a KeyGen2 client alone.
///
/// The ticket's page has an address of its own beside the init URL, because programs that look at links in messages
/// would spend the ticket there. A browser at the init URL gets the same page, told from a client by its Accept header.
class LandingPages {
 public:
  /// What they are about. Everything must outlive the pages.
  struct Ports {
    const MainUrl& url;
    const LandingConfig& config;
    Repository& repository;
    ProfileStore& profiles;
    const SessionSeal& seal;
    const Clock& clock;
  };
  explicit LandingPages(const Ports& ports) : ports_(ports), speaker_{ports.url, ports.config} {}

  /// 200 for a ticket that can be used; 404 unknown; 410 used, expired or cancelled; 503 when its profile cannot be
  /// issued or the database does not answer.
  Response ticket(const Request& request, const std::string& secret) const;

  /// How a session ended, out of the query: outcome=complete|cancelled|refused and the word of a refusal as reason.
  /// Always 200: the page is an answer, and the failure was not its own. No part of the query is repeated.
  Response result(const Request& request) const;

 private:
  Response offer(const Ticket& ticket, const Profile& profile, const std::string& secret, const Locale& locale) const;

  Ports ports_;
  Speaker speaker_;
};

/// GET /ticket/{secret}, /result and the style sheet.
Routes landing_routes(std::shared_ptr<const LandingPages> pages);

}  // namespace sks::issuer
