#include "provisioning-server/console/console_routes.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "provisioning-server/console/console_files.h"
#include "provisioning-server/landing/locale.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kIndex = "web/index.html";
constexpr std::string_view kWeb = "web/";
constexpr std::string_view kLocales = "locales/";

// No script, style or picture from anywhere else or from inside of a page, except for pictures out of data: that is how
// a QR code of the API is shown. A picture runs no script, whatever is in it. Trusted Types refuse every way to turn a
// text into markup.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'";

struct MediaType {
  std::string_view suffix;
  std::string_view name;
};
constexpr auto kMediaTypes = std::to_array<MediaType>({
    {".css", "text/css; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
});

std::string_view media_type_of(std::string_view name) {
  const auto* const row =
      std::ranges::find_if(kMediaTypes, [&](const MediaType& type) { return name.ends_with(type.suffix); });
  SKS_CHECK(row != kMediaTypes.end());
  return row->name;
}

/// What is sent, and the name of exactly this content. RFC 9110, 8.8.3
struct Content {
  std::string_view media_type;
  std::string body;
  std::string entity_tag;
};

Content make_content(std::string_view name, std::string body) {
  const crypto::Sha256Digest digest = crypto::sha256(as_bytes(body));
  return {media_type_of(name), std::move(body), '"' + to_hex(digest) + '"'};
}

/// A browser keeps what it has and asks whether that is still it.
Response answer(const Request& request, const Content& content) {
  const bool is_known = request.header("if-none-match").find(content.entity_tag) != std::string_view::npos;
  Response response = is_known ? Response{304, {}, {}} : make_response(200, content.media_type, content.body);
  response.headers.emplace_back("ETag", content.entity_tag);
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  return response;
}

using Texts = std::map<std::string, std::string, std::less<>>;

/// The page with the few texts that stand in it while no script has run: {{key}}.
std::string filled(std::string_view page, const Texts& texts) {
  std::string out;
  for (std::size_t begin = page.find("{{"); begin != std::string_view::npos; begin = page.find("{{")) {
    const std::size_t end = page.find("}}", begin);
    SKS_CHECK(end != std::string_view::npos);
    const std::string& text = texts.at(std::string(page.substr(begin + 2, end - begin - 2)));
    SKS_CHECK(text.find_first_of("<>&\"") == std::string::npos);
    out.append(page.substr(0, begin)).append(text);
    page.remove_prefix(end + 2);
  }
  return out.append(page);
}

/// The first page in each language.
using Index = std::map<std::string, Content, std::less<>>;

Index make_index() {
  const auto files = console_files();
  const auto page = std::ranges::find(files, kIndex, &ConsoleFile::name);
  SKS_CHECK(page != files.end());
  Index index;
  for (const ConsoleFile& file : files) {
    if (!file.name.starts_with(kLocales)) continue;
    const auto document = nlohmann::json::parse(file.content, nullptr, false);
    SKS_CHECK(document.is_object());
    auto texts = document.get<Texts>();
    const std::string_view language = file.name.substr(kLocales.size(), file.name.find('.') - kLocales.size());
    texts["language"] = language;
    index.emplace(language, make_content(kIndex, filled(page->content, texts)));
  }
  return index;
}

Response answer_index(const Request& request, const Index& index) {
  const auto content = index.find(choose_locale(request.header("accept-language")).tag());
  SKS_CHECK(content != index.end());
  Response response = answer(request, content->second);
  response.headers.emplace_back("Vary", "Accept-Language");
  return response;
}

}  // namespace

Routes console_routes() {
  Routes routes;
  const auto index = std::make_shared<const Index>(make_index());
  for (const char* const path : {"/console", "/console/"})
    routes.push_back({"GET", path, BodyKind::none,
                      [index](const Request& request, const PathValues&) { return answer_index(request, *index); }});
  for (const ConsoleFile& file : console_files()) {
    if (file.name == kIndex) continue;
    const std::string_view path = file.name.starts_with(kWeb) ? file.name.substr(kWeb.size()) : file.name;
    const auto content = std::make_shared<const Content>(make_content(file.name, std::string(file.content)));
    routes.push_back({"GET", "/console/" + std::string(path), BodyKind::none,
                      [content](const Request& request, const PathValues&) { return answer(request, *content); }});
  }
  return routes;
}

}  // namespace sks::issuer
