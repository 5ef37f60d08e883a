#include "provisioning-server/http_handler.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>

#include "provisioning-server/admin_api/problem.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks::issuer {
namespace {

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
    {415, "The body must be "},
    {429, "There are too many requests. Try again."},
    {503, "The issuer cannot answer now. Try again."},
});

/// In the order of BodyKind. RFC 6960, A.1 for OCSP.
struct BodyRow {
  std::string_view media_type;
  std::size_t limit;
};
constexpr auto kBodies = std::to_array<BodyRow>({
    {"", 0},
    {"application/json", kMaxBody},
    {"application/ocsp-request", 16 * 1024},
    {"application/x-www-form-urlencoded", 16 * 1024},
});

struct HeaderRow {
  std::string_view name;
  std::string_view value;
};
// A page may load what its own header allows, and nothing else; no other site may frame, embed or learn anything.
constexpr auto kSecurityHeaders = std::to_array<HeaderRow>({
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
});

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

/// The path of a request target in origin-form, or in absolute-form when it names the origin of `url`. Empty for any
/// other target. RFC 9112, 3.2
std::string_view path_of(std::string_view target, const std::optional<MainUrl>& url) {
  constexpr std::string_view kScheme = "https://";
  target = target.substr(0, target.find('?'));
  if (target.starts_with('/')) return target;
  if (!url || !equal_ignoring_case(target.substr(0, kScheme.size()), kScheme)) return {};
  target.remove_prefix(kScheme.size());
  const std::string_view authority = target.substr(0, target.find('/'));
  const Result<MainUrl> named = MainUrl::parse(std::string(kScheme) + std::string(authority));
  if (!named || !equal_ignoring_case(named->host(), url->host()) || named->port() != url->port()) return {};
  return authority.size() == target.size() ? "/" : target.substr(authority.size());
}

bool is_of_type(const std::optional<std::string>& content_type, std::string_view media_type) {
  return content_type && equal_ignoring_case(trimmed(content_type->substr(0, content_type->find(';'))), media_type);
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::string_view segment = path.substr(0, path.find('/'));
    segments.push_back(segment);
    path.remove_prefix(segment.size());
  }
  return segments;
}

bool is_name(std::string_view segment) {
  return segment.size() > 2 && segment.starts_with('{') && segment.ends_with('}');
}

/// Whether a path fits a pattern, and what stands where the pattern has names.
bool match(const std::vector<std::string_view>& pattern, const std::vector<std::string_view>& path,
           PathValues* values) {
  if (pattern.size() != path.size()) return false;
  PathValues found;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_name(pattern[i])) {
      if (pattern[i] != path[i]) return false;
      continue;
    }
    std::optional<std::string> value = percent_decode(path[i]);
    if (!value || value->empty()) return false;
    found.emplace(pattern[i].substr(1, pattern[i].size() - 2), std::move(*value));
  }
  *values = std::move(found);
  return true;
}

Response refusal(unsigned status, std::string_view rest = {}) {
  const auto* const row = std::ranges::find(kHttpRefusals, status, &StatusText::status);
  SKS_CHECK(row != kHttpRefusals.end());
  Response response = text_response(status, std::string(row->sentence).append(rest) + '\n');
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  add_security_headers(response);
  return response;
}

/// A refusal in the form of the part of the server that the target belongs to: the REST API has its own.
Response refusal_at(std::string_view target, unsigned status, std::string_view rest = {}) {
  constexpr std::string_view kApi = "/api/";
  if (!target.starts_with(kApi)) return refusal(status, rest);
  const auto* const row = std::ranges::find(kHttpRefusals, status, &StatusText::status);
  SKS_CHECK(row != kHttpRefusals.end());
  Response response = problem_response(status, std::string(row->sentence).append(rest));
  add_security_headers(response);
  return response;
}

/// Tells the lines of one request from those of others: random for the process, counted within it.
std::string next_request_id() {
  static const std::string process = to_hex(system_random().bytes(4));
  static std::atomic<std::uint64_t> count{0};
  return process + '-' + std::to_string(++count);
}

Response counted(Response refusal) {
  Metrics::instance().counter("http_refused_total", {{"status", std::to_string(refusal.status)}}).add();
  return refusal;
}

}  // namespace

/// Everything about one route that can be had before the first request.
struct HttpHandler::Row {
  Route route;
  // By the first digit of the status.
  std::array<Counter*, 6> by_class{};
};

/// The rows of one path.
struct HttpHandler::Path {
  std::string text;
  std::vector<std::string_view> segments;  // in `text`
  std::vector<Row> rows;

  const Row* find(std::string_view method) const {
    const bool head = method == "HEAD";
    for (const Row& row : rows)
      if (row.route.method == (head ? "GET" : method) && (!head || row.route.head == HeadRule::answered)) return &row;
    return nullptr;
  }

  /// The value of an Allow header.
  std::string methods() const {
    std::string list;
    for (const Row& row : rows) {
      list += (list.empty() ? "" : ", ") + row.route.method;
      if (row.route.method == "GET" && row.route.head == HeadRule::answered) list += ", HEAD";
    }
    return list;
  }
};

struct HttpHandler::Target {
  const Row* row;
  PathValues values;
};

void add_security_headers(Response& response) {
  for (const HeaderRow& row : kSecurityHeaders) {
    const bool is_set = std::ranges::any_of(
        response.headers, [&](const auto& header) { return equal_ignoring_case(header.first, row.name); });
    if (!is_set) response.headers.emplace_back(row.name, row.value);
  }
}

Response come_back_later(unsigned status) {
  SKS_CHECK(status == 429 || status == 503);
  return refusal(status);
}

HttpHandler::HttpHandler(std::optional<MainUrl> url, Routes routes) : url_(std::move(url)) {
  constexpr auto kClasses = std::to_array<std::string_view>({"", "1xx", "2xx", "3xx", "4xx", "5xx"});
  for (Route& route : routes) {
    SKS_CHECK(route.path.starts_with('/') && route.run != nullptr);
    auto path = std::make_unique<Path>();
    path->text = route.path;
    path->segments = segments_of(path->text);
    const bool is_pattern = std::ranges::any_of(path->segments, is_name);
    std::unique_ptr<Path>* place = nullptr;
    if (is_pattern) {
      const auto same = std::ranges::find_if(patterns_, [&](const auto& known) { return known->text == path->text; });
      place = same == patterns_.end() ? &patterns_.emplace_back() : &*same;
    } else {
      place = &exact_[path->text];
    }
    if (*place == nullptr) *place = std::move(path);
    if ((*place)->find(route.method) != nullptr) continue;
    Row row{std::move(route), {}};
    for (std::size_t i = 1; i < kClasses.size(); ++i)
      row.by_class.at(i) =
          &Metrics::instance().counter("http_requests_total", {{"route", row.route.path}, {"class", kClasses.at(i)}});
    (*place)->rows.push_back(std::move(row));
  }
}

HttpHandler::~HttpHandler() = default;

const HttpHandler::Path* HttpHandler::find_path(std::string_view path, PathValues* values) const {
  const auto exact = exact_.find(path);
  if (exact != exact_.end()) return exact->second.get();
  const std::vector<std::string_view> segments = segments_of(path);
  for (const auto& pattern : patterns_)
    if (match(pattern->segments, segments, values)) return pattern.get();
  return nullptr;
}

std::variant<HttpHandler::Target, Response> HttpHandler::find(const Request& request) const {
  const std::string_view text = path_of(request.target, url_);
  if (!request.host || text.empty()) return refusal(400);
  Target target{};
  const Path* const path = find_path(text, &target.values);
  if (path == nullptr) return refusal_at(text, 404);
  target.row = path->find(request.method);
  if (target.row == nullptr) {
    Response response = refusal_at(text, 405);
    response.headers.emplace_back("Allow", path->methods());
    return response;
  }
  const BodyRow& body = kBodies.at(static_cast<std::size_t>(target.row->route.body));
  if (!body.media_type.empty() && !is_of_type(request.content_type, body.media_type))
    return refusal_at(text, 415, std::string(body.media_type) + '.');
  if (request.content_length.value_or(0) > body.limit || request.body.size() > body.limit) return refusal_at(text, 413);
  return target;
}

Response HttpHandler::refuse(unsigned status, std::string_view target) const {
  return counted(refusal_at(target, status));
}

std::optional<Response> HttpHandler::check_head(const Request& request) const {
  std::variant<Target, Response> found = find(request);
  if (auto* const response = std::get_if<Response>(&found)) return counted(std::move(*response));
  return std::nullopt;
}

Response HttpHandler::handle(const Request& request) const noexcept {
  try {
    std::variant<Target, Response> found = find(request);
    if (auto* const response = std::get_if<Response>(&found)) return counted(std::move(*response));
    const auto& [row, values] = std::get<Target>(found);
    const LogRequest scope(next_request_id());
    const auto begin = std::chrono::steady_clock::now();
    Response response;
    try {
      response = row->route.run(request, values);
    } catch (const std::exception& exception) {
      log_error("request-failed", {{"reason", exception.what()}});
      response = refusal_at(row->route.path, 503);
    }
    return finish(*row, request, begin, std::move(response));
  } catch (const std::exception& exception) {
    log_error("request-failed", {{"reason", exception.what()}});
    return refuse(503);
  }
}

bool HttpHandler::handle_promptly(const Request& request, RespondLater later) const noexcept {
  try {
    std::variant<Target, Response> found = find(request);
    const auto* const target = std::get_if<Target>(&found);
    if (target == nullptr || target->row->route.run_promptly == nullptr) return false;
    const Row& row = *target->row;
    const std::string id = next_request_id();
    const LogRequest scope(id);
    const auto begin = std::chrono::steady_clock::now();
    return row.route.run_promptly(
        request, [&row, &request, id, begin, later = std::move(later)](std::optional<Response> response) {
          const LogRequest same(id);
          try {
            if (response) response = finish(row, request, begin, std::move(*response));
          } catch (const std::exception& exception) {
            log_error("request-failed", {{"reason", exception.what()}});
            response.reset();
          }
          later(std::move(response));
        });
  } catch (const std::exception& exception) {
    log_error("request-failed", {{"reason", exception.what()}});
    return false;
  }
}

/// What every response carries, and what is noted about it.
Response HttpHandler::finish(const Row& row, const Request& request, SteadyTime begin, Response response) {
  add_security_headers(response);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  Metrics::instance().observe("http_request_seconds", seconds.count(), {{"route", row.route.path}});
  if (Counter* const counter = row.by_class.at(std::min<std::size_t>(response.status / 100, 5))) counter->add();
  log_info("request", {{"peer", request.peer},
                       {"method", request.method},
                       {"route", row.route.path},
                       {"status", std::to_string(response.status)},
                       {"ms", std::to_string(static_cast<std::int64_t>(seconds.count() * 1000))}});
  return response;
}

}  // namespace sks::issuer
