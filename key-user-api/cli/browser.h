#pragma once

#include <ostream>
#include <string>

#include "sks-core/base/result.h"

namespace sks::cli {

/// Shows web pages to the user.
class Browser {
 public:
  virtual ~Browser() = default;
  /// Fails with option on anything but an http or https URI, and with not_available.
  virtual Result<void> open(const std::string& uri) = 0;
};

/// The user's own browser, through the xdg-open of freedesktop.org. Spec: keygen2.md 9.6.
class DesktopBrowser final : public Browser {
 public:
  Result<void> open(const std::string& uri) override;
};

/// What the issuer ends a session with. Spec: keygen2.md 2.4.
struct Termination {
  std::string location;  ///< http(s) URI, or empty
  std::string page;      ///< text of the page that it sent instead, ready for a terminal, or empty
};

/// Takes the user where `termination` leads: opens the location in `browser`, or says where it is when that is null or
/// fails; shows the text of a page. `about` ends the words "The issuer's page ".
void show_termination(const Termination& termination, std::string_view about, Browser* browser, std::ostream& out);

}  // namespace sks::cli
