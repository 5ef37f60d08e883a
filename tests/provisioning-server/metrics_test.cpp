#include "provisioning-server/metrics.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/operations/operations_routes.h"

using namespace sks;
using namespace sks::issuer;

namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

Response get(const HttpHandler& handler, const std::string& target) {
  Request request;
  request.method = "GET";
  request.target = target;
  request.host = "h";
  return handler.handle(request);
}

}  // namespace

TEST_CASE("Metrics: what was counted stands in the text") {
  Metrics& metrics = Metrics::instance();
  CHECK(has_line(metrics.text(), "sks_issuer_credentials_revoked_total 0"));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&metrics] {
      for (int j = 0; j < 250; ++j) metrics.counter("credentials_revoked_total").add();
    });
  threads.clear();
  metrics.counter("sessions_refused_total", {{"reason", "a\"b\\c\nd"}}).add(3);
  metrics.set_gauge("certificate_not_after_seconds", -5, {{"which", "tls"}});
  metrics.set_gauge("certificate_not_after_seconds", 1790000000, {{"which", "tls"}});
  for (const double seconds : {0.0005, 0.004, 0.004, 99.0})
    metrics.observe("http_request_seconds", seconds, {{"route", "/t"}});
  const std::string text = metrics.text();
  CHECK(has_line(text, "sks_issuer_credentials_revoked_total 1000"));
  CHECK(has_line(text, R"(sks_issuer_sessions_refused_total{reason="a\"b\\c\nd"} 3)"));
  CHECK(has_line(text, R"(sks_issuer_certificate_not_after_seconds{which="tls"} 1790000000)"));
  CHECK(has_line(text, "# TYPE sks_issuer_http_request_seconds histogram"));
  // Buckets are cumulative, and a bound belongs to its bucket.
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_bucket{route="/t",le="0.0005"} 1)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_bucket{route="/t",le="0.0025"} 1)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_bucket{route="/t",le="0.005"} 3)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_bucket{route="/t",le="10"} 3)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_bucket{route="/t",le="+Inf"} 4)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_count{route="/t"} 4)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_sum{route="/t"} 99.0085)"));
}

TEST_CASE("HttpHandler: requests are counted by route and class of the status") {
  const HttpHandler handler(std::nullopt,
                            {{"GET", "/counted/{id}", BodyKind::none, [](const Request&, const PathValues& values) {
                                return text_response(values.at("id") == "0" ? 503 : 200, "");
                              }}});
  for (const char* const id : {"0", "1", "2"}) get(handler, std::string("/counted/") + id);
  get(handler, "/uncounted");
  const std::string text = Metrics::instance().text();
  CHECK(has_line(text, R"(sks_issuer_http_requests_total{route="/counted/{id}",class="2xx"} 2)"));
  CHECK(has_line(text, R"(sks_issuer_http_requests_total{route="/counted/{id}",class="5xx"} 1)"));
  CHECK(has_line(text, R"(sks_issuer_http_request_seconds_count{route="/counted/{id}"} 3)"));
  CHECK(text.find(R"(sks_issuer_http_refused_total{status="404"} )") != std::string::npos);
  CHECK(text.find("uncounted") == std::string::npos);
}

TEST_CASE("operations_routes: readyz gives the reason of what fails, livez does not care") {
  Result<void> disk;
  const HttpHandler handler(
      std::nullopt, operations_routes({{"disk", [&disk] { return disk; }}, {"other", [] { return Result<void>(); }}}));
  const Response ready = get(handler, "/readyz");
  CHECK(ready.status == 200);
  CHECK(ready.body.find(R"("ready": true)") != std::string::npos);
  disk = Error{Status::storage, "the disk \"a\" is full\xff"};
  const Response unready = get(handler, "/readyz");
  CHECK(unready.status == 503);
  CHECK(unready.body.find(R"("ready": false)") != std::string::npos);
  CHECK(unready.body.find(R"(the disk \"a\" is full)") != std::string::npos);
  CHECK(get(handler, "/livez").status == 200);
  CHECK(has_line(get(handler, "/metrics").body, R"(sks_issuer_http_requests_total{route="/readyz",class="5xx"} 1)"));
}
