#include "provisioning-server/console/console_routes.h"

#include <doctest/doctest.h>

#include <regex>

#include "provisioning-server/http_handler.h"

using namespace sks;
using namespace sks::issuer;

namespace {

std::string header(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

Response get(const HttpHandler& handler, const std::string& target, const std::string& language = {},
             const std::string& known = {}) {
  Request request;
  request.method = "GET";
  request.target = target;
  request.host = "h";
  if (!language.empty()) request.headers["accept-language"] = language;
  if (!known.empty()) request.headers["if-none-match"] = known;
  return handler.handle(request);
}

}  // namespace

TEST_CASE("console: the first page is in the language that the browser likes best") {
  const HttpHandler handler(std::nullopt, console_routes());
  struct Case {
    const char* accepted;
    const char* part;
  };
  for (const Case& c : {Case{"", "<html lang=\"en\">"}, Case{"fr", "<html lang=\"en\">"},
                        Case{"de-AT,de;q=0.9,en;q=0.8", "<html lang=\"de\">"}, Case{"de;q=0.1,en", "lang=\"en\""},
                        Case{"de", "JavaScript, das in diesem Browser abgeschaltet ist."}}) {
    CAPTURE(c.accepted);
    const Response response = get(handler, "/console", c.accepted);
    CHECK(response.status == 200);
    CHECK(response.body.find(c.part) != std::string::npos);
    CHECK(response.body.find("{{") == std::string::npos);
    CHECK(header(response, "Vary") == "Accept-Language");
  }
}

TEST_CASE("console: every file that a page or a script names is there, with its type") {
  const HttpHandler handler(std::nullopt, console_routes());
  const std::string page = get(handler, "/console/").body;
  const std::string script = get(handler, "/console/main.js").body;
  std::vector<std::string> files{"/console/locales/en.json", "/console/locales/de.json"};
  const auto add = [&](const std::string& text, const char* pattern, const std::string& folder) {
    const std::regex expression(pattern);
    for (std::sregex_iterator found(text.begin(), text.end(), expression), end; found != end; ++found)
      files.push_back(folder + (*found)[1].str());
  };
  add(page, "(?:href|src)=\"(/console/[^\"]+)\"", "");
  add(script, "from \"\\./([^\"]+)\"", "/console/");
  CHECK(files.size() > 10);
  for (const std::string& file : files) {
    CAPTURE(file);
    const Response response = get(handler, file);
    CHECK(response.status == 200);
    const std::string type = header(response, "Content-Type");
    CHECK(type == (file.ends_with(".js")     ? "text/javascript; charset=utf-8"
                   : file.ends_with(".css")  ? "text/css; charset=utf-8"
                   : file.ends_with(".json") ? "application/json"
                                             : "image/svg+xml"));
  }
}

TEST_CASE("console: a file that the browser has is not sent again") {
  const HttpHandler handler(std::nullopt, console_routes());
  const Response first = get(handler, "/console/console.css");
  const std::string tag = header(first, "ETag");
  CHECK(header(first, "Cache-Control") == "no-cache");
  const Response again = get(handler, "/console/console.css", {}, "\"other\", " + tag);
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  CHECK(header(again, "ETag") == tag);
  CHECK(get(handler, "/console/console.css", {}, "\"other\"").status == 200);
  // The same address has another content in another language.
  CHECK(get(handler, "/console", "de", header(get(handler, "/console", "en"), "ETag")).status == 200);
}

TEST_CASE("console: what is not one of its files is not there") {
  const HttpHandler handler(std::nullopt, console_routes());
  for (const char* const target : {"/console/index.html", "/console/web/main.js", "/console/..", "/console/locales/",
                                   "/console/locales/fr.json", "/console/%2e%2e/main.js"}) {
    CAPTURE(target);
    CHECK(get(handler, target).status == 404);
  }
}

TEST_CASE("console: no page may load, frame or send anything elsewhere") {
  const HttpHandler handler(std::nullopt, console_routes());
  for (const char* const target : {"/console", "/console/main.js", "/console/locales/de.json"}) {
    const std::string policy = header(get(handler, target), "Content-Security-Policy");
    CHECK(policy.find("default-src 'none'") == 0);
    CHECK(policy.find("frame-ancestors 'none'") != std::string::npos);
    CHECK(policy.find("script-src 'self';") != std::string::npos);
    CHECK(policy.find("style-src 'self';") != std::string::npos);
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(policy.find("http") == std::string::npos);
  }
}
