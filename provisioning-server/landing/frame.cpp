#include "provisioning-server/landing/frame.h"

#include <array>

#include "provisioning-server/landing/assets.h"

namespace sks::issuer {
namespace {

constexpr const char* kPolicy =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr auto kMoods = std::to_array<std::string_view>({"plain", "good", "bad"});

Markup footer(const Speaker& speaker, const Locale& locale) {
  if (speaker.config.help.empty()) return {};
  return html("<p>{help}</p>", {{"help", locale.text("help", {{"help", speaker.config.help}})}});
}

}  // namespace

Response page_response(const Speaker& speaker, const Locale& locale, const PageContent& content) {
  const Markup page = html(
      "<!DOCTYPE html>\n"
      "<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"robots\" content=\"noindex\">\n"
      "<title>{title}</title>\n<link rel=\"stylesheet\" href=\"{style}\">\n</head>\n"
      "<body>\n<header>{issuer}</header>\n<main class=\"{mood}\">\n<h1>{heading}</h1>\n{body}</main>\n"
      "<footer>{footer}</footer>\n</body>\n</html>\n",
      {{"lang", locale.tag()},
       {"title", locale.text("page.title", {{"title", content.title}, {"issuer", speaker.name()}})},
       {"style", kStylePath},
       {"issuer", speaker.name()},
       {"mood", kMoods.at(static_cast<std::size_t>(content.mood))},
       {"heading", content.title},
       {"body", content.body},
       {"footer", footer(speaker, locale)}});
  Response response = html_response(content.status, page.text());
  response.headers.emplace_back("Content-Language", locale.tag());
  response.headers.emplace_back("Vary", "Accept, Accept-Language");
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  return response;
}

Response style_response() {
  Response response = make_response(200, "text/css; charset=utf-8", std::string(kStyleSheet));
  response.headers.emplace_back("Cache-Control", "public, max-age=3600");
  return response;
}

}  // namespace sks::issuer
