#include <doctest/doctest.h>

#include <array>
#include <stdexcept>

#include "provisioning-server/http_handler.h"

using namespace sks;
using namespace sks::issuer;

namespace {

std::string header(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

Request request(const std::string& method, const std::string& target) {
  Request made;
  made.method = method;
  made.target = target;
  made.host = "h";
  return made;
}

Response say(const std::string& what) { return text_response(200, what); }

HttpHandler make_handler() {
  return {std::nullopt,
          {{"GET", "/api/things/{id}", BodyKind::none,
            [](const Request&, const PathValues& values) { return say("thing " + values.at("id")); }},
           {"GET", "/api/things/new", BodyKind::none, [](const Request&, const PathValues&) { return say("new"); }},
           {"DELETE", "/api/things/{id}", BodyKind::none,
            [](const Request&, const PathValues& values) { return say("gone " + values.at("id")); }},
           {"GET", "/api/{kind}/{id}", BodyKind::none,
            [](const Request&, const PathValues& values) { return say(values.at("kind") + '-' + values.at("id")); }},
           {"GET", "/once", BodyKind::none, [](const Request&, const PathValues&) { return say("first"); },
            HeadRule::refused},
           {"GET", "/once", BodyKind::none, [](const Request&, const PathValues&) { return say("second"); }},
           {"POST", "/form", BodyKind::form, [](const Request& form, const PathValues&) { return say(form.body); }},
           {"POST", "/ocsp", BodyKind::ocsp, [](const Request& body, const PathValues&) { return say(body.body); }},
           {"POST", "/act", BodyKind::none, [](const Request&, const PathValues&) { return say("done"); }},
           {"GET", "/page", BodyKind::none,
            [](const Request&, const PathValues&) {
              Response page = html_response(200, "");
              page.headers.emplace_back("content-security-policy", "default-src 'self'");
              page.headers.emplace_back("Cache-Control", "max-age=60");
              return page;
            }},
           {"GET", "/broken", BodyKind::none,
            [](const Request&, const PathValues&) -> Response { throw std::runtime_error("secret"); }}}};
}

}  // namespace

TEST_CASE("HttpHandler: a route is found by its path and method") {
  const HttpHandler handler = make_handler();
  struct Case {
    const char* method;
    const char* target;
    unsigned status;
    const char* body;
  };
  const std::array<Case, 19> cases{{
      {"GET", "/api/things/7", 200, "thing 7"},
      {"GET", "/api/things/7?x=/", 200, "thing 7"},
      {"GET", "/api/things/a%2Fb%20c", 200, "thing a/b c"},
      {"GET", "/api/things/new", 200, "new"},
      {"DELETE", "/api/things/7", 200, "gone 7"},
      {"GET", "/api/others/7", 200, "others-7"},
      {"GET", "/once", 200, "first"},
      {"POST", "/act", 200, "done"},
      {"HEAD", "/api/things/7", 200, "thing 7"},
      {"HEAD", "/once", 405, nullptr},
      {"DELETE", "/api/others/7", 405, nullptr},
      {"DELETE", "/api/things/new", 405, nullptr},
      {"GET", "/api/things/", 404, nullptr},
      {"GET", "/api/things", 404, nullptr},
      {"GET", "/api/things/7/", 404, nullptr},
      {"GET", "/api/things/%zz", 404, nullptr},
      {"GET", "/api/things/{id}/x", 404, nullptr},
      {"GET", "api/things/7", 400, nullptr},
      {"GET", "https://h/once", 400, nullptr},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.target);
    const Response response = handler.handle(request(c.method, c.target));
    CHECK(response.status == c.status);
    if (c.body != nullptr) CHECK(response.body == c.body);
  }
  CHECK(header(handler.handle(request("PUT", "/api/things/7")), "Allow") == "GET, HEAD, DELETE");
  CHECK(header(handler.handle(request("PUT", "/once")), "Allow") == "GET");
  CHECK(header(handler.handle(request("PUT", "/form")), "Allow") == "POST");
}

TEST_CASE("HttpHandler: a body has to be of the kind that the route takes") {
  const HttpHandler handler = make_handler();
  struct Case {
    const char* path;
    const char* type;
    std::size_t size;
    unsigned status;
  };
  const std::array<Case, 11> cases{{
      {"/form", "application/x-www-form-urlencoded", 3, 200},
      {"/form", "application/x-www-form-urlencoded;charset=utf-8", 3, 200},
      {"/form", "application/json", 3, 415},
      {"/form", "", 3, 415},
      {"/form", "application/x-www-form-urlencoded", (16 * 1024) + 1, 413},
      {"/ocsp", "application/ocsp-request", 3, 200},
      {"/ocsp", "application/ocsp-response", 3, 415},
      {"/ocsp", "application/ocsp-request", (16 * 1024) + 1, 413},
      {"/act", "", 0, 200},
      {"/act", "application/json", 0, 200},
      {"/act", "application/json", 1, 413},
  }};
  for (const Case& c : cases) {
    CAPTURE(c.path);
    CAPTURE(c.type);
    CAPTURE(c.size);
    Request post = request("POST", c.path);
    if (*c.type != 0) post.content_type = c.type;
    post.content_length = c.size;
    // What can be refused without the body is.
    const std::optional<Response> refusal = handler.check_head(post);
    CHECK((refusal ? refusal->status : 200) == c.status);
    post.content_length.reset();
    post.body = std::string(c.size, 'x');
    const Response response = handler.handle(post);
    CHECK(response.status == c.status);
    if (c.status == 200 && c.size != 0) CHECK(response.body == post.body);
    if (c.status == 415) CHECK(response.body.find("The body must be application/") == 0);
  }
}

TEST_CASE("HttpHandler: every response is closed to other sites, unless its route says otherwise") {
  const HttpHandler handler = make_handler();
  struct Case {
    const char* target;
    unsigned status;
  };
  const std::array<Case, 5> cases{{{"/once", 200}, {"/none", 404}, {"/form", 405}, {"/broken", 503}, {"", 400}}};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    const Response response = handler.handle(request("GET", c.target));
    CHECK(response.status == c.status);
    CHECK(header(response, "Cache-Control") == "no-store");
    CHECK(header(response, "Content-Security-Policy").find("default-src 'none'") == 0);
    CHECK(header(response, "X-Content-Type-Options") == "nosniff");
    CHECK(header(response, "X-Frame-Options") == "DENY");
    CHECK(header(response, "Referrer-Policy") == "no-referrer");
    CHECK(response.body.find("secret") == std::string::npos);
  }
  const Response page = handler.handle(request("GET", "/page"));
  CHECK(header(page, "Content-Security-Policy").empty());
  CHECK(header(page, "content-security-policy") == "default-src 'self'");
  CHECK(header(page, "Cache-Control") == "max-age=60");
  CHECK(header(page, "X-Frame-Options") == "DENY");
}
