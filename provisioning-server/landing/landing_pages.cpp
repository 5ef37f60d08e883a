#include "provisioning-server/landing/landing_pages.h"

#include <algorithm>
#include <array>

#include "provisioning-server/enrolment.h"
#include "provisioning-server/landing/profile_words.h"
#include "provisioning-server/landing/qr_code.h"
#include "provisioning-server/life_cycle/management_session.h"
#include "provisioning-server/log.h"
#include "provisioning-server/pages.h"
#include "provisioning-server/tickets/ticket_office.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

/// Why there is nothing to offer. Its texts are NAME.title, NAME.what and NAME.do.
struct ClosedDoor {
  std::string_view name;
  unsigned status;
};
constexpr ClosedDoor kUnknown{"unknown", 404};
constexpr ClosedDoor kUsed{"used", 410};
constexpr ClosedDoor kExpired{"expired", 410};
constexpr ClosedDoor kCancelled{"cancelled", 410};
constexpr ClosedDoor kUnavailable{"unavailable", 503};
constexpr ClosedDoor kBusy{"busy", 503};
constexpr const char* kRetryAfterSeconds = "60";

struct Ending {
  std::string_view outcome;
  Mood mood;
};
constexpr auto kEndings = std::to_array<Ending>({
    {"complete", Mood::good},
    {"cancelled", Mood::plain},
    {"refused", Mood::bad},
});

Markup two_paragraphs(const std::string& what, const std::string& then) {
  return html("<p class=\"lead\">{what}</p>\n<p>{then}</p>\n", {{"what", what}, {"then", then}});
}

/// The name of a person where the subject has one: the rest is for those who know what it means.
Markup subject_words(const std::string& subject) {
  std::string name;
  if (const auto dn = crypto::parse_dn(subject))
    for (const crypto::DnAttribute& attribute : *dn)
      if (attribute.type == "CN") name = attribute.value;
  if (name.empty()) return html("<bdi>{subject}</bdi>", {{"subject", subject}});
  return html("<bdi><strong>{name}</strong></bdi><br><bdi class=\"faint\">{subject}</bdi>",
              {{"name", name}, {"subject", subject}});
}

Markup row(const std::string& term, const Markup& value) {
  return html("<div><dt>{term}</dt><dd>{value}</dd></div>\n", {{"term", term}, {"value", value}});
}

Markup section(const std::string& title, const Markup& content) {
  if (content.empty()) return {};
  return html("<section>\n<h2>{title}</h2>\n{content}</section>\n", {{"title", title}, {"content", content}});
}

Markup qr_figure(const std::string& link, const Locale& locale) {
  const Result<std::string> svg = qr_svg(link);
  if (!svg) return {};  // an origin of many hundred characters
  return html(
      "<div>\n<h3>{title}</h3>\n<p class=\"faint\">{hint}</p>\n<div class=\"qr\" role=\"img\" "
      "aria-label=\"{alt}\">{svg}</div>\n</div>\n",
      {{"title", locale.text("start.qr")},
       {"hint", locale.text("start.qr.hint")},
       {"alt", locale.text("start.qr.alt")},
       {"svg", Markup::trusted(*svg)}});
}

Markup ways_to_start(const TicketLinks& links, const Locale& locale) {
  return html(
      "<a class=\"button\" href=\"{keygen}\">{button}</a>\n<p class=\"faint\">{hint}</p>\n<div class=\"ways\">\n"
      "<div>\n<h3 id=\"command\">{command_title}</h3>\n<p class=\"faint\">{command_hint}</p>\n"
      "<pre tabindex=\"0\" role=\"region\" "
      "aria-labelledby=\"command\"><code>{command}</code></pre>\n</div>\n{qr}</div>\n",
      {{"keygen", links.keygen2},
       {"button", locale.text("start.button")},
       {"hint", locale.text("start.button.hint")},
       {"command_title", locale.text("start.command")},
       {"command_hint", locale.text("start.command.hint")},
       {"command", links.command},
       {"qr", qr_figure(links.link, locale)}});
}

Response closed(const Speaker& speaker, const Locale& locale, const ClosedDoor& door, Locale::Values values = {}) {
  const std::string name(door.name);
  Response response = page_response(speaker, locale,
                                    {door.status, Mood::bad, locale.text(name + ".title"),
                                     two_paragraphs(locale.text(name + ".what", values), locale.text(name + ".do"))});
  if (door.status == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return response;
}

}  // namespace

Response LandingPages::ticket(const Request& request, const std::string& secret) const {
  const Locale& locale = choose_locale(request.header("accept-language"));
  const Result<std::optional<Ticket>> found = ports_.repository.find_ticket(digest_of(secret));
  if (!found) {
    log_error("request-failed", {{"reason", found.error().detail}});
    return closed(speaker_, locale, kBusy);
  }
  if (!*found) return closed(speaker_, locale, kUnknown);
  const Ticket& ticket = **found;
  if (ticket.used != 0) return closed(speaker_, locale, kUsed);
  if (ticket.cancelled) return closed(speaker_, locale, kCancelled);
  if (ticket.expires <= ports_.clock.now())
    return closed(speaker_, locale, kExpired, {{"time", locale.time(ticket.expires)}});
  const auto profile = find_rules(ports_.profiles, ticket.profile, ticket.order);
  if (!profile) {
    log_error("request-failed", {{"reason", profile.error().detail}});
    return closed(speaker_, locale, kUnavailable);
  }
  return offer(ticket, **profile, secret, locale);
}

Response LandingPages::offer(const Ticket& ticket, const Profile& profile, const std::string& secret,
                             const Locale& locale) const {
  const bool is_order = ticket.order.kind.has_value();
  const Markup keys = is_order ? Markup() : describe_keys(profile, locale);
  const std::string suffix = keys.empty() ? ".manage" : "";
  const std::int64_t left = ticket.expires - ports_.clock.now();
  Markup facts = row(locale.text("offer.for"), subject_words(ticket.subject));
  facts += row(
      locale.text("offer.issuer"),
      html("{issuer}",
           {{"issuer", locale.text("offer.issuer.at", {{"issuer", speaker_.name()}, {"host", ports_.url.host()}})}}));
  if (!keys.empty() || (is_order && makes_key(*ticket.order.kind)))
    facts +=
        row(locale.text("offer.validity"), html("{days}", {{"days", locale.days(profile.certificate.validity_days)}}));
  facts += row(locale.text("offer.deadline"),
               html("{left}<br><time class=\"faint\" datetime=\"{machine}\">{time}</time>",
                    {{"left", locale.text("offer.deadline.in", {{"duration", locale.duration(left)}})},
                     {"machine", time_text(ticket.expires)},
                     {"time", locale.time(ticket.expires)}}));
  PageContent content;
  content.title = locale.text("offer.title" + suffix);
  content.body = html(
      "<p class=\"lead\">{lead}</p>\n<dl>\n{facts}</dl>\n{start}{keys}{conditions}<p class=\"notice\">{once}</p>\n",
      {{"lead", locale.text("offer.lead" + suffix, {{"issuer", speaker_.name()}})},
       {"facts", facts},
       {"start",
        section(locale.text("start.title"), ways_to_start(ticket_links(ports_.url, ports_.seal, secret), locale))},
       {"keys", section(locale.text("offer.contents"), keys)},
       {"conditions", section(locale.text("offer.conditions"),
                              is_order ? describe_order(ticket.order, locale) : describe_conditions(profile, locale))},
       {"once", locale.text("offer.once")}});
  return page_response(speaker_, locale, content);
}

Response LandingPages::result(const Request& request) const {
  const Locale& locale = choose_locale(request.header("accept-language"));
  const std::string outcome = query_parameter(request.query(), "outcome").value_or("");
  const std::string reason = query_parameter(request.query(), "reason").value_or("");
  const auto* const ending = std::ranges::find(kEndings, outcome, &Ending::outcome);
  if (ending == kEndings.end())
    return page_response(speaker_, locale,
                         {200, Mood::plain, locale.text("result.ended.title"),
                          two_paragraphs(locale.text("result.ended.what"), locale.text("result.ended.do"))});
  PageContent content{200, ending->mood, locale.text("result." + outcome + ".title"), {}};
  std::string texts = "result." + outcome;
  if (ending->mood == Mood::bad) texts = "refusal." + (locale.has("refusal." + reason + ".what") ? reason : "other");
  content.body = two_paragraphs(locale.text(texts + ".what"), locale.text(texts + ".do"));
  if (ending->mood == Mood::good) content.body += html("<pre tabindex=\"0\"><code>sks list</code></pre>\n");
  if (ending->mood == Mood::bad && texts != "refusal.other")
    content.body +=
        html("<p class=\"faint\">{reason}</p>\n", {{"reason", locale.text("result.reason", {{"word", reason}})}});
  return page_response(speaker_, locale, content);
}

Routes landing_routes(std::shared_ptr<const LandingPages> pages) {
  return {
      {"GET", std::string(kTicketPage) + "{secret}", BodyKind::none,
       [pages](const Request& request, const PathValues& values) {
         return pages->ticket(request, values.find("secret")->second);
       }},
      {"GET", kResultPath, BodyKind::none,
       [pages](const Request& request, const PathValues&) { return pages->result(request); }},
      {"GET", kStylePath, BodyKind::none, [](const Request&, const PathValues&) { return style_response(); }},
  };
}

}  // namespace sks::issuer
