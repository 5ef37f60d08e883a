#pragma once

#include <string>
#include <string_view>

namespace sks::cli {

/// What a page from an untrusted server says, as text that a terminal may show: of `body` in HTML or plain text, by its
/// media type; nothing of any other kind. Markup, scripts and styles are left out, white space is folded, control and
/// direction characters never come through, and what is longer than a screen or two is cut.
///
/// `content_type` is the value of the header, with or without parameters. The text is taken for UTF-8; a byte that is
/// none becomes '?'. Takes time in proportion to `body`. Spec: keygen2.md 2.4, 9.6.
std::string page_text(std::string_view content_type, std::string_view body);

}  // namespace sks::cli
