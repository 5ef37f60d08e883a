#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "key-user-api/cli/url.h"

namespace sks::cli {

/// What starts a session: the items of keygen2.md 2.1.
struct Invocation {
  Url init;                ///< GET of it returns the first message
  Url main;                ///< all POSTs go here
  std::string issuer_uri;  ///< the main URL, verbatim
  std::string cookie;      ///< sent unchanged with every request, or empty
  std::string cancel_url;  ///< where a user goes who cancels, or empty
};

/// Reads "keygen2://?init=...&url=...[&cookie=...][&cncl=...][&ver=...]" with any scheme in front, or a plain https URL
/// U: then init is U, and the main URL is U without its query. Spec: keygen2.md 2.1, 9.1 and Appendix E.1.
///
/// `ver` speaks of the versions of another client: its form is checked, and that is all.
/// Fails with option: malformed, an item missing, unknown or given twice, not https, or two different origins.
Result<Invocation> parse_invocation(std::string_view text);

}  // namespace sks::cli
