#pragma once

#include <ostream>
#include <vector>

#include "key-user-api/dialog/attended_dialog.h"

namespace sks::dialog {

/// Answers from the command line: consent by --yes, one PIN per request in order.
///
/// A PIN that the policy refuses is not tried again: the session is cancelled, and failure() says why.
class ScriptDialog final : public keygen2::UserDialog {
 public:
  enum class Consent : std::uint8_t { given, ask };
  /// What was said beforehand about attributes of the device.
  enum class Disclosure : std::uint8_t { agreed, open };

  /// `attended` answers what the script leaves open: consent and many keys without --yes, attributes without --yes or
  /// --disclose, and PINs when there is none at all. Null: nobody is there to ask.
  ScriptDialog(Consent consent, std::vector<SecureBytes> pins, AttendedDialog* attended, std::ostream& progress,
               Disclosure disclosure = Disclosure::open);

  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;
  bool disclose(const std::vector<std::string>& attributes) override;
  void alert(const std::string& sentence) override;
  void creating_key(const keygen2::KeyCreationProgress& progress) override;

  /// Why the script cancelled the session, or the person could not be asked; empty otherwise.
  const std::string& failure() const { return failure_; }

  std::size_t unused_pins() const { return pins_.size() - next_pin_; }

 private:
  std::nullopt_t cancel(std::string why);
  /// What the attended dialog answers; remembers why it could not ask.
  bool ask_attended(bool agreed, const char* refusal);

  Consent consent_;
  std::vector<SecureBytes> pins_;
  std::size_t next_pin_ = 0;
  AttendedDialog* attended_;
  std::ostream& progress_;
  Disclosure disclosure_;
  std::string failure_;
};

}  // namespace sks::dialog
