#include "key-user-api/dialog/pinentry.h"

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/question_text.h"
#include "key-user-api/dialog/secret_entry.h"

namespace sks::dialog {
namespace {

/// A window's text has room for the numbering of the windows that follow it.
constexpr std::size_t kMaxDescription = assuan::kMaxLine - 40;

/// `introduction`, then the points, in as few texts as hold them.
std::vector<std::string> into_pages(const std::string& introduction, const std::vector<std::string>& points) {
  std::vector<std::string> pages{introduction};
  for (const std::string& point : points) {
    const std::string line = "\n- " + point;
    if (assuan::escape(pages.back() + line).size() > kMaxDescription) pages.emplace_back("(continued)");
    pages.back() += line;
  }
  for (std::size_t i = 0; pages.size() > 1 && i < pages.size(); ++i)
    pages[i] += "\n(" + std::to_string(i + 1) + " of " + std::to_string(pages.size()) + ")";
  return pages;
}

Result<bool> confirm_page(const PinentrySettings& settings, const std::string& page, bool is_last) {
  SKS_LET(PinentryProgram program, PinentryProgram::start(settings));
  SKS_TRY(program.offer("SETTITLE", kWindowTitle));
  SKS_TRY(program.set("SETDESC", page));
  SKS_TRY(program.offer("SETOK", is_last ? "Agree" : "Go on"));
  SKS_TRY(program.offer("SETCANCEL", "Cancel"));
  SKS_LET(const assuan::Answer answer, program.ask("CONFIRM"));
  return answer.error == 0;
}

Result<void> show_message(const PinentrySettings& settings, const std::string& text) {
  SKS_LET(PinentryProgram program, PinentryProgram::start(settings));
  SKS_TRY(program.offer("SETTITLE", kWindowTitle));
  SKS_TRY(program.set("SETDESC", text));
  SKS_LET(const assuan::Answer answer, program.ask("MESSAGE"));
  static_cast<void>(answer);  // whatever button was pressed
  return {};
}

}  // namespace

Result<bool> PinentryDialog::confirm(const std::string& introduction, const std::vector<std::string>& points) {
  const std::vector<std::string> pages = into_pages(introduction, points);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    SKS_LET(const bool agreed, confirm_page(settings_, pages[i], i + 1 == pages.size()));
    if (!agreed) return false;
  }
  return true;
}

bool PinentryDialog::answer(const Result<bool>& result) {
  failure_ = result ? "" : result.error().detail;
  return result && *result;
}

bool PinentryDialog::consent(const keygen2::ConsentRequest& request) {
  std::vector<std::string> points;
  for (const std::string& consequence : request.consequences)
    points.push_back(for_window(describe_consequence(consequence)));
  return answer(confirm(for_window(describe_consent(request)), points));
}

bool PinentryDialog::accept_many_keys(std::size_t count) { return answer(confirm(describe_many_keys(count), {})); }

bool PinentryDialog::disclose(const std::vector<std::string>& attributes) {
  std::vector<std::string> points;
  for (const std::string& attribute : attributes) points.push_back(for_window(describe_attribute(attribute)));
  return answer(confirm("The issuer wants to learn this about the device:", points));
}

void PinentryDialog::alert(const std::string& sentence) {
  const auto shown = show_message(settings_, for_window(printable(sentence)));
  failure_ = shown ? "" : shown.error().detail;
}

Result<std::optional<SecureBytes>> PinentryDialog::enter_new_pin(const keygen2::PinRequest& request,
                                                                 std::string complaint) {
  // What the issuer has a say in comes last: the window may cut it.
  const std::string description = "Choose the " + request.label + ": " + describe_policy(request) +
                                  ".\nIt is for: " + for_window(describe_keys(request));
  while (true) {
    const std::string shown = complaint.empty() ? "" : "Not accepted: " + for_window(complaint) + ".";
    SKS_LET(const std::optional<SecureBytes> typed,
            enter_secret_twice(settings_, {description, "New " + request.label + ":", shown, true}));
    if (!typed) return std::optional<SecureBytes>();
    auto pin = new_pin_from_text(typed->view(), request.format);
    if (pin) return std::optional(std::move(*pin));
    complaint = pin.error().detail;
  }
}

std::optional<SecureBytes> PinentryDialog::choose_pin(const keygen2::PinRequest& request, const std::string& problem) {
  auto chosen = enter_new_pin(request, problem);
  failure_ = chosen ? "" : chosen.error().detail;
  if (!chosen) return std::nullopt;
  return std::move(*chosen);
}

}  // namespace sks::dialog
