#include "provisioning-server/landing/landing_pages.h"

#include <doctest/doctest.h>

#include <array>

#include "provisioning-server/enrolment.h"
#include "provisioning-server/life_cycle/management_ticket.h"
#include "provisioning-server/tickets/ticket_office.h"
#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/issuer_fixture.h"

using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::header;
using test::IssuerLab;
using test::outcome;

namespace {

constexpr const char* kBrowser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

Response open(IssuerLab& lab, const std::string& target, const std::string& language = "en",
              const std::string& accept = kBrowser, const std::string& method = "GET") {
  Request request;
  request.method = method;
  request.target = target;
  request.host = "localhost:8443";
  request.peer = "127.0.0.1";
  request.headers["accept"] = accept;
  request.headers["accept-language"] = language;
  return lab.handler->handle(request);
}

TicketLinks links_for(IssuerLab& lab, const TicketRequest& request) {
  TicketOffice office(lab.issuer->ticket_office_ports());
  const Result<IssuedTicket> made = office.make_ticket(request, Caller::command_line());
  REQUIRE(made);
  return made->links;
}

bool shows(const Response& page, const std::string& text) { return page.body.find(text) != std::string::npos; }

/// What every page must be, whatever it says.
void check_page(const Response& page, unsigned status, const char* language = "en") {
  CHECK(page.status == status);
  CHECK(header(page, "Content-Type") == "text/html; charset=utf-8");
  CHECK(header(page, "Content-Language") == language);
  CHECK(header(page, "Cache-Control") == "no-store");
  CHECK(header(page, "Referrer-Policy") == "no-referrer");
  CHECK(header(page, "Content-Security-Policy") ==
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  CHECK(header(page, "Set-Cookie").empty());
  CHECK(page.body.starts_with("<!DOCTYPE html>\n<html lang=\"" + std::string(language) + "\">"));
  for (const char* const wrong : {"<script", " style=", "<style", "javascript:"}) {
    CAPTURE(wrong);
    CHECK_FALSE(shows(page, wrong));
  }
}

}  // namespace

TEST_CASE("LandingPages: the cookie of a ticket is the same each time, and follows from what only the issuer has") {
  IssuerLab lab;
  const TicketLinks links = links_for(lab, {"default"});
  const std::string secret = links.init.substr(links.init.find("?ticket=") + 8);
  const std::string cookie = ticket_cookie(lab.issuer->seal(), secret);
  CHECK(links.keygen2.find(cookie) != std::string::npos);
  CHECK(shows(open(lab, "/ticket/" + secret), cookie));
  const SessionSeal other(SecureBytes(kKekSize), system_random());
  CHECK(ticket_cookie(other, secret) != cookie);
}

TEST_CASE("LandingPages: the page of a ticket says what there is to get, and spends nothing") {
  IssuerLab lab;
  lab.edit_profile(
      "pair", "# [puk_policy]\n# format = \"numeric\"         # or \"alphanumeric\"\n# length = 8\n# retry_limit = 3",
      "[puk_policy]\nformat = \"numeric\"\nlength = 8\nretry_limit = 3 #");
  lab.edit_profile("pair", "friendly_name = \"Signature key\"",
                   "friendly_name = \"Signature key\"\nsignature_profile = \"mss:bank.example:approve:high:qscd\"");
  const TicketLinks links = links_for(lab, {"pair", "CN=Jo Doe,O=Example"});
  const std::string target = lab.target_of(links.link);
  const Response page = open(lab, target);
  check_page(page, 200);
  for (const char* const text :
       {"<strong>Jo Doe</strong>", "CN=Jo Doe,O=Example", "Signature key", "Authentication key", "2 years",
        "in 60 minutes", "21 September 2026, 15:13 UTC", "a PIN of your choice with 4 to 8 digits",
        "3 wrong tries in a row lock it", "PUK", "It never leaves your device", "rsa2048", "localhost",
        "Signature profile: approve at bank.example, level of assurance high, signature device qscd."}) {
    CAPTURE(text);
    CHECK(shows(page, text));
  }
  // The links, with & and ' escaped.
  std::string escaped = links.keygen2;
  for (std::size_t at = escaped.find('&'); at != std::string::npos; at = escaped.find('&', at + 5))
    escaped.replace(at, 1, "&amp;");
  CHECK(shows(page, "href=\"" + escaped + "\""));
  CHECK(shows(page, "<code>sks enroll &#39;" + escaped + "&#39;</code>"));
  CHECK(links.keygen2.ends_with("&cncl=https%3A%2F%2Flocalhost%3A8443%2Fresult%3Foutcome%3Dcancelled"));
  CHECK(shows(page, "<svg"));

  check_page(open(lab, target, "de-DE,de;q=0.9"), 200, "de");
  CHECK(open(lab, target, "en", kBrowser, "HEAD").status == 200);
  CHECK(open(lab, target, "en", "*/*").status == 200);
  CHECK(lab.count("SELECT count(*) FROM sessions") == 0);
  CHECK(lab.count("SELECT count(*) FROM tickets WHERE used <> 0") == 0);
  // The ticket is as good as before, and no audit row says that somebody has looked.
  Device device(lab);
  CHECK(outcome(device.enrol(lab.target_of(links.init))) == "complete");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ticket'") == 1);
}

TEST_CASE("LandingPages: a browser at the init URL gets the page, every other program starts a session") {
  IssuerLab lab;
  const TicketLinks links = links_for(lab, {"default"});
  const std::string target = lab.target_of(links.init);
  const Response page = open(lab, target);
  check_page(page, 200);
  CHECK(shows(page, "Your keys are waiting"));
  CHECK(open(lab, target, "en", kBrowser, "HEAD").status == 405);
  CHECK(lab.count("SELECT count(*) FROM sessions") == 0);
  check_page(open(lab, "/keygen2?ticket=none"), 404);
  check_page(open(lab, "/keygen2"), 404);
  const Response message = open(lab, target, "en", "application/json");
  CHECK(message.status == 200);
  CHECK(header(message, "Content-Type") == "application/json");
  const TicketLinks other = links_for(lab, {"default"});
  CHECK(header(open(lab, lab.target_of(other.init), "en", "*/*"), "Content-Type") == "application/json");
  CHECK(lab.count("SELECT count(*) FROM sessions") == 2);
}

TEST_CASE("LandingPages: a link that cannot be used has a page that says why") {
  IssuerLab lab;
  const std::string unknown = "/ticket/unknown";
  check_page(open(lab, unknown), 404);
  CHECK(shows(open(lab, unknown), "This link is not known here"));
  CHECK(shows(open(lab, unknown, "de"), "Dieser Link ist hier nicht bekannt"));
  check_page(open(lab, "/ticket/" + std::string(4000, 'x')), 404);
  CHECK_FALSE(shows(open(lab, "/ticket/%3Cscript%3E"), "script"));

  const TicketLinks used = links_for(lab, {"default"});
  Device device(lab);
  device.get(lab.target_of(used.init));
  check_page(open(lab, lab.target_of(used.link)), 410);
  CHECK(shows(open(lab, lab.target_of(used.link)), "This link has been used"));

  const TicketLinks late = links_for(lab, {"default"});
  lab.clock.set(lab.clock.now() + 3600);
  check_page(open(lab, lab.target_of(late.link)), 410);
  CHECK(shows(open(lab, lab.target_of(late.link)), "It could be used until 21 September 2026, 15:13 UTC."));

  const TicketLinks withdrawn = links_for(lab, {"default"});
  const std::string secret = withdrawn.init.substr(withdrawn.init.find('=') + 1);
  const AuditEntry audit{lab.clock.now(), "officer", "cancel", "", "", "ok", ""};
  REQUIRE(lab.issuer->repository().cancel_ticket(digest_of(secret), audit));
  check_page(open(lab, lab.target_of(withdrawn.link)), 410);
  CHECK(shows(open(lab, lab.target_of(withdrawn.link)), "This link has been withdrawn"));

  const TicketLinks gone = links_for(lab, {"pair"});
  lab.execute("UPDATE tickets SET profile = 'none' WHERE used = 0 AND profile = 'pair'");
  check_page(open(lab, lab.target_of(gone.link)), 503);
  CHECK(header(open(lab, lab.target_of(gone.link)), "Retry-After") == "60");
  CHECK(shows(open(lab, lab.target_of(gone.link)), "These keys cannot be issued at the moment"));

  lab.execute("ALTER TABLE tickets RENAME TO hidden");
  check_page(open(lab, lab.target_of(late.link)), 503);
  CHECK(shows(open(lab, lab.target_of(late.link)), "The issuer cannot answer at the moment"));
}

TEST_CASE("LandingPages: hostile names stand in the page as texts") {
  IssuerLab lab;
  lab.edit_profile("default", "friendly_name = \"Authentication key\"",
                   "friendly_name = \"</h3><img src=x onerror=alert(1)>\"");
  lab.edit_profile("default", "algorithm = \"ec.nist.p256\"", "algorithm = \"ec.nist.p256\" # <b>");
  const TicketLinks links =
      links_for(lab, {"default", "CN=<script>alert(1)</script>\" onload=\"x\xe2\x80\xae,O={issuer}'&amp;"});
  const Response page = open(lab, lab.target_of(links.link));
  check_page(page, 200);
  CHECK(shows(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&quot;x"));
  CHECK(shows(page, "&lt;/h3&gt;&lt;img src=x onerror=alert(1)&gt;"));
  CHECK(shows(page, "O={issuer}&#39;&amp;amp;"));
  CHECK_FALSE(shows(page, "<img"));
  CHECK_FALSE(shows(page, "\xe2\x80\xae"));
}

TEST_CASE("LandingPages: the page at the end says what happened, and repeats nothing of its address") {
  IssuerLab lab;
  struct Case {
    const char* query;
    const char* text;
  };
  const auto cases = std::to_array<Case>({
      {"?outcome=complete", "New keys can be used from now on."},
      {"?outcome=cancelled", "You have cancelled"},
      {"?outcome=refused&reason=device", "The issuer does not accept this device"},
      {"?outcome=refused&reason=device", "For the help desk: reason device"},
      {"?outcome=refused&reason=%3Cscript%3E", "The issuer ended the session."},
      {"?outcome=refused&reason=", "The issuer ended the session."},
      {"?outcome=refused&reason=device&reason=device", "The issuer ended the session."},
      {"?outcome=refused&reason=a.b/../c", "The issuer ended the session."},
      {"?outcome=refused", "The issuer ended the session."},
      {"?outcome=%3Cscript%3E", "The session is over"},
      {"?outcome=ended", "The session is over"},
      {"", "The session is over"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.query);
    const Response page = open(lab, std::string("/result") + c.query);
    check_page(page, 200);
    CHECK(shows(page, c.text));
  }
  CHECK(shows(open(lab, "/result?outcome=refused&reason=time", "de"), "Die Uhr Ihres Geräts geht falsch."));
  CHECK(shows(open(lab, "/result?outcome=complete", "de"), "Fertig"));
}

TEST_CASE("LandingPages: the issuer names itself and whom to ask") {
  IssuerLab lab;
  lab.edit_config("# issuer_name = \"Example Bank\"", "issuer_name = \"Bank & Söhne <1>\"");
  lab.edit_config("# help = ", "help = ");
  lab.restart();
  const Response page = open(lab, "/result?outcome=complete");
  CHECK(shows(page, "<header>Bank &amp; Söhne &lt;1&gt;</header>"));
  CHECK(shows(page, "Help: Service desk, +1 555 0100"));
}

TEST_CASE("LandingPages: the style sheet is one file, which may be kept") {
  IssuerLab lab;
  const Response style = open(lab, "/landing/style.css", "en", "text/css,*/*;q=0.1");
  CHECK(style.status == 200);
  CHECK(header(style, "Content-Type") == "text/css; charset=utf-8");
  CHECK(header(style, "Cache-Control") == "public, max-age=3600");
  CHECK(style.body.find("url(") == std::string::npos);
  CHECK(style.body.find("@import") == std::string::npos);
}

TEST_CASE("LandingPages: an order for keys that a device has says what happens to them") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string fingerprint = to_hex(crypto::sha256(device.certificate(0)));
  struct Case {
    KeyOperation::Kind kind;
    const char* text;
    bool makes_keys;
  };
  const auto cases = std::to_array<Case>({
      {KeyOperation::Kind::unlock, "Locked PINs of your keys are unlocked.", false},
      {KeyOperation::Kind::remove, "Keys are deleted from your device.", false},
      {KeyOperation::Kind::update, "Keys are replaced by new ones, with the same PIN.", true},
      {KeyOperation::Kind::clone, "Keys get another one beside them, with the same PIN.", true},
      {KeyOperation::Kind::suspend, "Keys are suspended: they cannot be used until the issuer resumes them.", false},
      {KeyOperation::Kind::resume, "Suspended keys can be used again.", false},
  });
  for (const Case& c : cases) {
    CAPTURE(c.text);
    TicketOffice office(lab.issuer->ticket_office_ports());
    const Result<IssuedTicket> made =
        make_management_ticket(lab.issuer->repository(), lab.issuer->profiles(), office,
                               {.kind = c.kind, .fingerprint = fingerprint}, Caller::command_line());
    REQUIRE(made);
    const Response page = open(lab, lab.target_of(made->links.link));
    check_page(page, 200);
    CHECK(shows(page, "A change to your keys"));
    CHECK(shows(page, c.text));
    CHECK(shows(page, "2 years") == c.makes_keys);
    CHECK_FALSE(shows(page, "What you get"));
  }
}
