#pragma once

#include "key-user-api/dialog/attended_dialog.h"
#include "key-user-api/dialog/pinentry_program.h"

namespace sks::dialog {

/// Asks through one of GnuPG's pinentry programs, a new process for each question.
///
/// What does not fit into one window of the program is asked about in several, so that nothing of it goes unseen.
/// A program that fails cancels the session, and failure() says why.
class PinentryDialog final : public AttendedDialog {
 public:
  explicit PinentryDialog(PinentrySettings settings) : settings_(std::move(settings)) {}

  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;
  bool disclose(const std::vector<std::string>& attributes) override;
  void alert(const std::string& sentence) override;

  std::string failure() const override { return failure_; }

 private:
  Result<bool> confirm(const std::string& introduction, const std::vector<std::string>& points);
  Result<std::optional<SecureBytes>> enter_new_pin(const keygen2::PinRequest& request, std::string complaint);
  bool answer(const Result<bool>& result);

  PinentrySettings settings_;
  std::string failure_;
};

}  // namespace sks::dialog
