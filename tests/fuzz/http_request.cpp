#include <algorithm>
#include <array>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"
#include "tests/fuzz/checks.h"

/// Requests from anybody, as the listener hands them over: every answer is one that the routes can give, holds the
/// headers of all answers, and says nothing that would end a line of HTTP.
namespace sks::fuzz {
namespace {

using namespace issuer;

Response echo(const Request&, const PathValues& values) {
  std::string body;
  for (const auto& [name, value] : values) {
    require(!value.empty(), "a value of a path is not empty");
    body += name + '=' + value + '\n';
  }
  return text_response(200, body);
}

HttpHandler make_handler() {
  return {MainUrl::parse("https://issuer.example:8443/keygen2").value(),
          {{"GET", "/keygen2", BodyKind::none, echo, HeadRule::refused},
           {"POST", "/keygen2", BodyKind::json, echo},
           {"GET", "/api/v1/tickets/{id}", BodyKind::none, echo},
           {"DELETE", "/api/v1/tickets/{id}", BodyKind::none, echo},
           {"GET", "/api/{a}/{b}/{c}", BodyKind::none, echo},
           {"POST", "/ocsp", BodyKind::ocsp, echo},
           {"POST", "/form", BodyKind::form, echo},
           {"GET", "/search", BodyKind::none, [](const Request& request, const PathValues&) {
              return text_response(200, query_parameter(request.query(), "q").value_or("none"));
            }}}};
}

std::string text(Input& in) {
  const ByteView bytes = in.take(in.u8());
  return std::string(bytes.begin(), bytes.end());
}

std::string target(Input& in) {
  constexpr auto kParts = std::to_array<const char*>({"/keygen2",
                                                      "/api",
                                                      "/v1",
                                                      "/tickets",
                                                      "/",
                                                      "%2F",
                                                      "%",
                                                      "?",
                                                      "q=",
                                                      "&",
                                                      "//",
                                                      "https://",
                                                      "issuer.example",
                                                      ":8443",
                                                      "HTTPS://ISSUER.example:8443",
                                                      "/ocsp",
                                                      "/form",
                                                      "/search",
                                                      "{id}",
                                                      "*"});
  std::string made;
  for (std::size_t parts = in.below(8); parts > 0; --parts) made += in.below(4) == 0 ? text(in) : in.one_of(kParts);
  return made;
}

Request read_request(Input& in) {
  constexpr auto kMethods = std::to_array<const char*>({"GET", "HEAD", "POST", "DELETE", "PUT", "get"});
  constexpr auto kTypes = std::to_array<const char*>(
      {"application/json", "application/ocsp-request ;x", "application/x-www-form-urlencoded", "text/html", ";", ""});
  Request request;
  request.method = in.below(8) == 0 ? text(in) : in.one_of(kMethods);
  request.target = target(in);
  if (in.below(4) != 0) request.host = text(in);
  if (in.flag()) request.content_type = in.below(4) == 0 ? text(in) : in.one_of(kTypes);
  if (in.below(4) == 0) request.content_length = std::uint64_t{in.u16()} * in.u16();
  request.cookies = text(in);
  request.headers[text(in)] = text(in);
  request.peer = "192.0.2.1";
  const Bytes body = in.bytes();
  request.body.assign(body.begin(), body.end());
  return request;
}

const std::string* find_header(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return &value;
  return nullptr;
}

void check(const HttpHandler& handler, const Request& request) {
  constexpr auto kStatuses = std::to_array<unsigned>({200, 400, 404, 405, 413, 415});
  const std::optional<Response> refusal = handler.check_head(request);
  const Response response = handler.handle(request);
  require(std::ranges::count(kStatuses, response.status) == 1, "a status that is in use here");
  // The head decides alone here: the body is there from the start.
  require(refusal ? refusal->status == response.status : response.status == 200, "the head tells what will be");
  require((response.status == 405) == (find_header(response, "Allow") != nullptr), "405 says what is allowed");
  for (const char* const name : {"Content-Type", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"})
    require(find_header(response, name) != nullptr, "every answer has its headers");
  for (const auto& [name, value] : response.headers)
    require((name + value).find_first_of("\r\n") == std::string::npos, "a header is one line");
}

}  // namespace
}  // namespace sks::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  static const issuer::HttpHandler handler = [] {
    issuer::configure_log({issuer::LogFormat::json, issuer::LogLevel::error});
    return fuzz::make_handler();
  }();
  fuzz::Input in(ByteView(data, size));
  const issuer::Request request = fuzz::read_request(in);
  fuzz::check(handler, request);
  const std::string line = issuer::log_line(issuer::LogFormat::text, issuer::LogLevel::info, request.method,
                                            {{"target", request.target}, {"host", request.host.value_or("")}});
  fuzz::require(line.find_first_of("\r\n\x1b\x7f") == std::string::npos, "a line of the log is one line");
  return 0;
}
