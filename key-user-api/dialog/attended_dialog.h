#pragma once

#include <string>

#include "keygen2/user_dialog.h"

namespace sks::dialog {

/// A dialog with a person.
class AttendedDialog : public keygen2::UserDialog {
 public:
  /// Why the last question got no answer from the person, in one sentence; empty when it got one, be it a refusal.
  virtual std::string failure() const { return {}; }
};

}  // namespace sks::dialog
