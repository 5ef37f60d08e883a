#include "provisioning-server/http_handler.h"

#include <algorithm>
#include <array>
#include <exception>

#include "provisioning-server/log.h"
#include "provisioning-server/pages.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr const char* kRetryAfterSeconds = "1";

struct StatusText {
  unsigned status;
  const char* sentence;
};
// Spec: keygen2.md E.2
constexpr auto kHttpRefusals = std::to_array<StatusText>({
    {400, "The request is not well-formed HTTP."},
    {404, "There is nothing here."},
    {405, "This method is not for this address."},
    {413, "The body is too large."},
    {415, "The body must be application/json."},
    {429, "Too many sessions are being started. Try again."},
    {503, "The issuer cannot answer now. Try again."},
});

std::string_view query_of(std::string_view target) {
  const std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

/// The path of a request target in origin-form, or in absolute-form when it names the origin of `url`. Empty for any
/// other target. RFC 9112, 3.2
std::string_view path_of(std::string_view target, const MainUrl& url) {
  constexpr std::string_view kScheme = "https://";
  target = target.substr(0, target.find('?'));
  if (target.starts_with('/')) return target;
  if (!equal_ignoring_case(target.substr(0, kScheme.size()), kScheme)) return {};
  target.remove_prefix(kScheme.size());
  const std::string_view authority = target.substr(0, target.find('/'));
  const Result<MainUrl> named = MainUrl::parse(std::string(kScheme) + std::string(authority));
  if (!named || !equal_ignoring_case(named->host(), url.host()) || named->port() != url.port()) return {};
  return authority.size() == target.size() ? "/" : target.substr(authority.size());
}

bool is_json(std::string_view content_type) {
  const std::string_view media = trimmed(content_type.substr(0, content_type.find(';')));
  return equal_ignoring_case(media, kJson);
}

/// The value of our cookie; empty when there is none.
std::string session_cookie(std::string_view cookies) {
  while (!cookies.empty()) {
    const std::string_view raw = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(raw.size() + 1, cookies.size()));
    const std::string_view pair = trimmed(raw);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == kSessionCookie)
      return std::string(pair.substr(equals + 1));
  }
  return {};
}

Response make_response(unsigned status, std::string_view content_type, std::string body) {
  return {status,
          {{"Content-Type", std::string(content_type)},
           {"Cache-Control", "no-store"},
           {"X-Content-Type-Options", "nosniff"}},
          std::move(body)};
}

Response text_response(unsigned status, std::string body) {
  return make_response(status, "text/plain; charset=utf-8", std::move(body));
}

}  // namespace

struct HttpHandler::Route {
  std::string path;  // empty: the path of the main URL
  std::string_view method;
  Response (HttpHandler::*run)(const Request&);
};

const std::vector<HttpHandler::Route>& HttpHandler::routes() {
  static const std::vector<Route> kRoutes{
      {"", "GET", &HttpHandler::get_init},
      {"", "POST", &HttpHandler::post_message},
      {"/result", "GET", &HttpHandler::get_result},
      {"/whoami", "GET", &HttpHandler::get_whoami},
  };
  return kRoutes;
}

HttpHandler::HttpHandler(EnrolmentPorts ports, std::int64_t session_starts_per_second)
    : ports_(ports), enrolment_(std::move(ports)), starts_per_second_(session_starts_per_second) {}

const HttpHandler::Route* HttpHandler::find_route(std::string_view path, std::string_view method) const {
  for (const Route& route : routes())
    if ((route.path.empty() ? ports_.url.path() : route.path) == path && (method.empty() || method == route.method))
      return &route;
  return nullptr;
}

Response HttpHandler::refuse(unsigned status) const {
  const auto* const row = std::ranges::find(kHttpRefusals, status, &StatusText::status);
  SKS_CHECK(row != kHttpRefusals.end());
  Response response = text_response(status, std::string(row->sentence) + '\n');
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return response;
}

std::optional<Response> HttpHandler::check_head(const Request& request) const {
  const std::string_view path = path_of(request.target, ports_.url);
  if (!request.host || path.empty()) return refuse(400);
  if (find_route(path, "") == nullptr) return refuse(404);
  if (find_route(path, request.method) == nullptr) {
    Response response = refuse(405);
    std::string allowed;
    for (const Route& route : routes())
      if ((route.path.empty() ? ports_.url.path() : route.path) == path)
        allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (request.method == "POST" && !(request.content_type && is_json(*request.content_type))) return refuse(415);
  if (request.body.size() > kMaxBody) return refuse(413);
  return std::nullopt;
}

Response HttpHandler::handle(const Request& request) noexcept {
  try {
    if (std::optional<Response> refusal = check_head(request)) return std::move(*refusal);
    return (this->*find_route(path_of(request.target, ports_.url), request.method)->run)(request);
  } catch (const std::exception& exception) {
    log_error(std::string("a request failed: ") + exception.what());
    return refuse(503);
  }
}

bool HttpHandler::take_start_permit() {
  const std::lock_guard lock(permits_mutex_);
  const std::int64_t now = ports_.clock.now();
  if (now != permit_second_) permits_used_ = 0;
  permit_second_ = now;
  return ++permits_used_ <= starts_per_second_;
}

Response HttpHandler::answer(Result<Reply> reply) {
  if (!reply) {
    log_error(reply.error().detail);
    return refuse(503);
  }
  Response response;
  switch (reply->content.kind) {
    case StoredReply::Kind::message:
      response = make_response(200, kJson, std::move(reply->content.text));
      break;
    case StoredReply::Kind::redirect:
      response = make_response(302, "text/html; charset=utf-8", redirect_page(reply->content.text));
      add_page_headers(response);
      response.headers.emplace_back("Location", std::move(reply->content.text));
      break;
  }
  if (!reply->cookie.empty())
    response.headers.emplace_back("Set-Cookie", std::string(kSessionCookie) + '=' + reply->cookie +
                                                    "; Path=/; Secure; HttpOnly; SameSite=Strict");
  return response;
}

Response HttpHandler::get_init(const Request& request) {
  if (!take_start_permit()) return refuse(429);
  const std::string ticket = query_parameter(query_of(request.target), "ticket").value_or("");
  return answer(enrolment_.begin(ticket, session_cookie(request.cookies), request.peer));
}

Response HttpHandler::post_message(const Request& request) {
  return answer(enrolment_.step(request.body, session_cookie(request.cookies), request.peer));
}

Response HttpHandler::get_result(const Request& request) {
  const std::string_view query = query_of(request.target);
  const bool complete = query_parameter(query, "outcome") == "complete";
  const std::string reason = query_parameter(query, "reason").value_or("");
  Response response =
      make_response(200, "text/html; charset=utf-8",
                    complete ? result_page("Your keys are ready.") : result_page(sentence_for_word(reason)));
  add_page_headers(response);
  return response;
}

/// Who the TLS client is. The certificate counts when its chain holds and the database knows it as issued.
Response HttpHandler::get_whoami(const Request& request) {
  if (request.client_certificate.empty())
    return text_response(403, "Show a certificate of this issuer: you came without one.\n");
  if (!request.certificate_trusted)
    return text_response(403, "Your certificate was not issued here, or it is outside its period of validity.\n");
  const std::string fingerprint = to_hex(crypto::sha256(request.client_certificate));
  const Result<std::optional<Credential>> credential = ports_.repository.find_credential(fingerprint);
  if (!credential) {
    log_error(credential.error().detail);
    return refuse(503);
  }
  if (!*credential) return text_response(403, "Your certificate is not in the records of this issuer.\n");
  if ((*credential)->status == Credential::Status::revoked)
    return text_response(403, "Your certificate has been revoked.\n");
  if ((*credential)->status == Credential::Status::removed)
    return text_response(403, "Your certificate is not valid: its key has been deleted.\n");
  if ((*credential)->status != Credential::Status::issued)
    return text_response(403, "Your certificate is not valid: its enrolment was not completed.\n");
  const Result<crypto::Certificate> certificate = crypto::Certificate::from_der(request.client_certificate);
  if (!certificate) return text_response(403, "Your certificate cannot be read.\n");
  return text_response(200, whoami_text(*certificate, **credential));
}

}  // namespace sks::issuer
