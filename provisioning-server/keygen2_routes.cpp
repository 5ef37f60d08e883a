#include "provisioning-server/keygen2_routes.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "provisioning-server/directory/certificate_facts.h"
#include "provisioning-server/failed_request.h"
#include "provisioning-server/landing/locale.h"
#include "provisioning-server/metrics.h"
#include "provisioning-server/operations/rate_limit.h"
#include "provisioning-server/pages.h"
#include "provisioning-server/revocation/revocation_config.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

std::string session_cookie(std::string_view cookies) { return cookie_value(cookies, kSessionCookie); }

constexpr double kMinute = 60;
constexpr std::size_t kRememberedTickets = 10000;

/// What the routes share.
class Sessions {
 public:
  Sessions(const EnrolmentPorts& ports, RevocationStore& revocations, const StartLimits& limits, TicketPage page)
      : ports_(ports),
        revocations_(revocations),
        page_(std::move(page)),
        enrolment_(ports),
        starts_per_second_(limits.per_second),
        tries_(static_cast<double>(limits.tries_per_minute_per_ticket) / kMinute,
               static_cast<double>(limits.tries_per_minute_per_ticket), kRememberedTickets) {}

  Response get_init(const Request& request);
  Response post_message(const Request& request);
  bool post_promptly(const Request& request, const RespondLater& later);
  Response get_whoami(const Request& request) const;

 private:
  bool take_start_permit();

  EnrolmentPorts ports_;
  RevocationStore& revocations_;
  TicketPage page_;
  Enrolment enrolment_;
  std::int64_t starts_per_second_;
  RateLimit tries_;
  std::mutex permits_mutex_;
  std::int64_t permit_second_ = 0;
  std::int64_t permits_used_ = 0;
};

bool Sessions::take_start_permit() {
  const std::lock_guard lock(permits_mutex_);
  const std::int64_t now = ports_.clock.now();
  if (now != permit_second_) permits_used_ = 0;
  permit_second_ = now;
  return ++permits_used_ <= starts_per_second_;
}

Response answer(Result<Reply> reply) {
  if (!reply) return failed_request(reply.error());
  Response response;
  switch (reply->content.kind) {
    case StoredReply::Kind::message:
      response = make_response(200, "application/json", std::move(reply->content.text));
      break;
    case StoredReply::Kind::redirect:
      response = html_response(302, redirect_page(reply->content.text));
      response.headers.emplace_back("Location", std::move(reply->content.text));
      break;
  }
  if (!reply->cookie.empty())
    response.headers.emplace_back("Set-Cookie", std::string(kSessionCookie) + '=' + reply->cookie +
                                                    "; Path=/; Secure; HttpOnly; SameSite=Strict");
  return response;
}

Response Sessions::get_init(const Request& request) {
  const std::string ticket = query_parameter(request.query(), "ticket").value_or("");
  if (!tries_.take(digest_of(ticket), steady_seconds())) {
    Metrics::instance().counter("rate_limited_total", {{"limit", "ticket"}}).add();
    return come_back_later(429);
  }
  if (page_ && wants_page(request.header("accept"))) return page_(request, ticket);
  if (!take_start_permit()) {
    Metrics::instance().counter("rate_limited_total", {{"limit", "session-starts"}}).add();
    return come_back_later(429);
  }
  return answer(enrolment_.begin(ticket, session_cookie(request.cookies), request.peer));
}

Response Sessions::post_message(const Request& request) {
  return answer(enrolment_.step(request.body, session_cookie(request.cookies), request.peer));
}

bool Sessions::post_promptly(const Request& request, const RespondLater& later) {
  return enrolment_.step_promptly(
      request.body, session_cookie(request.cookies), request.peer,
      [later](std::optional<Reply> reply) { later(reply ? std::optional(answer(std::move(*reply))) : std::nullopt); });
}

struct StatusSentence {
  Credential::Status status;
  std::string_view sentence;
};
constexpr auto kNotInForce = std::to_array<StatusSentence>({
    {Credential::Status::pending, "Your certificate is not valid: its enrolment was not completed.\n"},
    {Credential::Status::abandoned, "Your certificate is not valid: its enrolment was not completed.\n"},
    {Credential::Status::revoked, "Your certificate has been revoked.\n"},
    {Credential::Status::removed, "Your certificate is not valid: its key has been deleted.\n"},
    {Credential::Status::replaced, "Your certificate is not valid: another one has taken its place.\n"},
    {Credential::Status::suspended, "Your certificate is suspended.\n"},
});

/// Who the TLS client is. The certificate counts when its chain holds and it is in force, as OCSP would say.
Response Sessions::get_whoami(const Request& request) const {
  if (request.client_certificate.empty())
    return text_response(403, "Show a certificate of this issuer: you came without one.\n");
  if (!request.certificate_trusted)
    return text_response(403, "Your certificate was not issued here, or it is outside its period of validity.\n");
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(request.client_certificate);
  if (!certificate) return text_response(403, "Your certificate cannot be read.\n");
  const Result<CertificateStatus> status =
      revocations_.find_status(serial_of(*certificate), authority_id_of_issuer(*certificate), ports_.clock.now());
  const Result<std::optional<Credential>> credential =
      ports_.repository.find_credential(to_hex(certificate->fingerprint()));
  if (!status) return failed_request(status.error());
  if (!credential) return failed_request(credential.error());
  if (!*credential) return text_response(403, "Your certificate is not in the records of this issuer.\n");
  if (status->kind == CertificateStatus::Kind::good) return text_response(200, whoami_text(*certificate, **credential));
  const auto* const row = std::ranges::find(kNotInForce, (*credential)->status, &StatusSentence::status);
  return text_response(403, std::string(row == kNotInForce.end() ? "Your certificate is not valid.\n" : row->sentence));
}

}  // namespace

Routes keygen2_routes(EnrolmentPorts ports, RevocationStore& revocations, const StartLimits& limits, TicketPage page) {
  const std::string main = ports.url.path();
  const auto sessions = std::make_shared<Sessions>(std::move(ports), revocations, limits, std::move(page));
  return {
      // A GET of the init URL spends the ticket, so HEAD must not pass for one.
      {"GET", main, BodyKind::none,
       [sessions](const Request& request, const PathValues&) { return sessions->get_init(request); },
       HeadRule::refused},
      {"POST", main, BodyKind::json,
       [sessions](const Request& request, const PathValues&) { return sessions->post_message(request); },
       HeadRule::answered,
       [sessions](const Request& request, const RespondLater& later) {
         return sessions->post_promptly(request, later);
       }},
      {"GET", "/whoami", BodyKind::none,
       [sessions](const Request& request, const PathValues&) { return sessions->get_whoami(request); }},
  };
}

}  // namespace sks::issuer
