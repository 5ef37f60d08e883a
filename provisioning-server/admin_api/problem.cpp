#include "provisioning-server/admin_api/problem.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "provisioning-server/log.h"

namespace sks::issuer {
namespace {

struct TitleRow {
  unsigned status;
  std::string_view title;
};
constexpr auto kTitles = std::to_array<TitleRow>({
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {429, "Too Many Requests"},
    {503, "Service Unavailable"},
});

struct StatusRow {
  Status status;
  unsigned http;
};
constexpr auto kStatuses = std::to_array<StatusRow>({
    {Status::option, 400},
    {Status::authorization, 403},
    {Status::not_available, 404},
    {Status::not_allowed, 409},
});

}  // namespace

Response problem_response(unsigned status, std::string_view sentence) {
  const auto* const row = std::ranges::find(kTitles, status, &TitleRow::status);
  SKS_CHECK(row != kTitles.end());
  const nlohmann::ordered_json body{{"title", row->title}, {"status", status}, {"detail", sentence}};
  Response response = make_response(status, "application/problem+json",
                                    body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n');
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

unsigned http_status_of(const Error& error) {
  const auto* const row = std::ranges::find(kStatuses, error.status, &StatusRow::status);
  return row == kStatuses.end() ? 503 : row->http;
}

Response problem_response(const Error& error) {
  if (const unsigned status = http_status_of(error); status != 503) return problem_response(status, error.detail);
  log_error("request-failed", {{"reason", error.detail}});
  return problem_response(503, "The issuer cannot answer now. Try again.");
}

}  // namespace sks::issuer
