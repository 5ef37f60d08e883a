#pragma once

#include <string>

#include "provisioning-server/http_message.h"
#include "provisioning-server/landing/html.h"
#include "provisioning-server/landing/landing_config.h"
#include "provisioning-server/landing/locale.h"
#include "provisioning-server/url.h"

/// What all pages for end users have in common.
namespace sks::issuer {

inline constexpr const char* kStylePath = "/landing/style.css";

/// How a page looks at its upper edge.
enum class Mood : std::uint8_t { plain, good, bad };

/// Who speaks to the user.
struct Speaker {
  const MainUrl& url;
  const LandingConfig& config;
  const std::string& name() const { return config.issuer_name.empty() ? url.host() : config.issuer_name; }
};

struct PageContent {
  unsigned status = 200;
  Mood mood = Mood::plain;
  std::string title;
  Markup body;  ///< behind the title
};

/// A whole page as a response. It may load the style sheet of this issuer and nothing else, and its address goes to
/// nobody.
Response page_response(const Speaker& speaker, const Locale& locale, const PageContent& content);

Response style_response();

}  // namespace sks::issuer
