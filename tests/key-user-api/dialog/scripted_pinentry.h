#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "key-user-api/dialog/pinentry.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

// What pinentry programs answer when it was not OK.
inline const std::string kCanceled = "ERR 83886179 Operation cancelled <Pinentry>";
inline const std::string kNotConfirmed = "ERR 83886194 Not confirmed <Pinentry>";
inline const std::string kTimeout = "ERR 83886142 Timeout <Pinentry>";
inline const std::string kUnknownCommand = "ERR 536871187 Unknown IPC command <User defined source 1>";

/// What a process answers to commands, where it is not "OK": scripted_pinentry.py.
using Process = std::map<std::string, std::string>;
/// For one process after the other, the last one also for all further ones.
using Script = std::vector<Process>;
inline const Script kAgreeing(1);

/// A pinentry program that does as its script says, and a dialog that asks through it.
class ScriptedPinentry {
 public:
  /// `limit`: for everything that the program may take its time for.
  explicit ScriptedPinentry(const Script& script, std::chrono::milliseconds limit = std::chrono::minutes(1));

  dialog::PinentryDialog& dialog() { return *dialog_; }
  const dialog::PinentrySettings& settings() const { return settings_; }
  void use(const dialog::PinentrySettings& settings) { dialog_.emplace(settings); }

  /// The lines that the programs have got, each behind the number of its process.
  std::vector<std::string> log() const;
  /// What stands behind `start` in the only line that starts with it.
  std::string logged(const std::string& start) const;
  bool has_logged(const std::string& start) const;

  /// What the dialog says about the program, without its name.
  std::string complaint() const;

 private:
  TempDir dir_;
  dialog::PinentrySettings settings_;
  std::optional<dialog::PinentryDialog> dialog_;
};

}  // namespace sks::test
