#include "key-user-api/cli/browser.h"

#include "key-user-api/cli/child_process.h"
#include "key-user-api/cli/url.h"
#include "key-user-api/dialog/program_path.h"

namespace sks::cli {
namespace {

/// xdg-open ends at once when it hands the page to a running browser, and goes on when it has to be that itself.
constexpr auto kPatience = std::chrono::seconds(3);

}  // namespace

Result<void> DesktopBrowser::open(const std::string& uri) {
  if (!is_web_uri(uri)) return Error{Status::option, "it is no web page"};
  const auto program = dialog::find_in_path("xdg-open");
  if (!program) return Error{Status::not_available, "there is no xdg-open"};
  SKS_LET(const std::optional<int> exit_code, run_quietly(*program, {uri}, kPatience));
  if (exit_code.value_or(0) == 0) return {};
  return Error{Status::not_available, "xdg-open ended with exit code " + std::to_string(*exit_code)};
}

void show_termination(const Termination& termination, std::string_view about, Browser* browser, std::ostream& out) {
  if (!termination.location.empty()) {
    const Result<void> opened = browser == nullptr ? Result<void>() : browser->open(termination.location);
    out << (browser != nullptr && opened ? "Opened the" : "The") << " issuer's page " << about << ": "
        << termination.location;
    if (!opened) out << " (cannot be opened: " << opened.error().detail << ")";
    out << "\n";
  }
  if (!termination.page.empty()) out << "The issuer's page " << about << ":\n\n" << termination.page << "\n\n";
}

}  // namespace sks::cli
