#pragma once

#include <ostream>
#include <vector>

#include "keygen2/user_dialog.h"

namespace sks::dialog {

/// Answers from the command line: consent by --yes, one PIN per request in order.
///
/// A PIN that the policy refuses is not tried again: the session is cancelled, and failure() says why.
class ScriptDialog final : public keygen2::UserDialog {
 public:
  enum class Consent : std::uint8_t { given, ask };

  /// `attended` answers what the script leaves open: consent without --yes, and PINs when there is none at all. Null:
  /// nobody is there to ask.
  ScriptDialog(Consent consent, std::vector<SecureBytes> pins, keygen2::UserDialog* attended, std::ostream& progress);

  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;

  /// Why the script cancelled the session; empty when it did not.
  const std::string& failure() const { return failure_; }

  std::size_t unused_pins() const { return pins_.size() - next_pin_; }

 private:
  std::nullopt_t cancel(std::string why);

  Consent consent_;
  std::vector<SecureBytes> pins_;
  std::size_t next_pin_ = 0;
  keygen2::UserDialog* attended_;
  std::ostream& progress_;
  std::string failure_;
};

}  // namespace sks::dialog
