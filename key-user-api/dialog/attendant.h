#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "key-user-api/dialog/pinentry.h"
#include "key-user-api/dialog/terminal.h"

namespace sks::dialog {

enum class DialogKind : std::uint8_t {
  automatic,  ///< the terminal, if there is one; else pinentry, if there is a desktop; else none
  terminal,
  pinentry,
};

/// The dialog with the person in front of the program.
class Attendant {
 public:
  /// Fails with not_available when there is no dialog of the kind that was asked for.
  static Result<Attendant> find(DialogKind kind, StopRequested stop_requested);
  /// Nobody is to be asked.
  static Attendant none() { return {}; }

  /// Null: nobody is there to ask.
  AttendedDialog* dialog() const { return dialog_.get(); }

 private:
  Attendant() = default;
  explicit Attendant(Terminal terminal);
  explicit Attendant(PinentrySettings settings);

  std::unique_ptr<Terminal> terminal_;  // stays where dialog_ finds it
  std::unique_ptr<AttendedDialog> dialog_;
};

}  // namespace sks::dialog
