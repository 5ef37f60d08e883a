#pragma once

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/cli/commands.h"
#include "key-user-api/cli/proxy.h"
#include "key-user-api/cli/settings_text.h"

/// Makes applications of this user find the PKCS#11 module, and takes that back. An integration is a row of a table
/// that says which settings files it has something in.
namespace sks::cli {

/// Where the user's folders and the module are.
struct Surroundings {
  std::string home;
  std::string config;  ///< $XDG_CONFIG_HOME
  std::string data;    ///< $XDG_DATA_HOME
  std::string gnupg;   ///< $GNUPGHOME, else .gnupg in the home folder
  std::string module;  ///< absolute name of libsks-pkcs11.so, which need not exist
};
/// `module`: what the user says, or empty for the one that was installed with this program. Fails with not_available
/// (a variable) or option (a module whose name some settings file could not hold).
Result<Surroundings> find_surroundings(const std::string& module, const Environment& environment);

/// Something in a settings file.
struct Setting {
  std::string path;
  const SettingsForm* form;
  std::string content;
  /// First words of lines that the user may have, and that would contradict ours.
  std::vector<std::string_view> contradictions = {};
};

struct Integration {
  const char* name;
  const char* description;
  /// Fails with not_available when the application is not there.
  Result<std::vector<Setting>> (*settings)(const Surroundings& where);
  /// Makes or checks what has to be there before anything is added; null: nothing.
  Result<void> (*prepare)(const Surroundings& where);
  /// What the user has to do, or to know, after it was added.
  std::string (*advice)(const Surroundings& where);
};
std::span<const Integration> all_integrations();

/// Done again it changes nothing. Fails with not_available, option (a file that cannot be parsed, or lines of the user
/// that contradict) or storage; before anything is written as far as that can be told before.
Result<void> add_integration(const Integration& integration, const Surroundings& where, Format format,
                             std::ostream& out);
/// Takes out what was added, and nothing else.
Result<void> remove_integration(const Integration& integration, const Surroundings& where, Format format,
                                std::ostream& out);

enum class IntegrationState : std::uint8_t {
  in_place,
  missing,
  outdated,     ///< there, but not what would be added now
  broken,       ///< there, and names a module that is not, or the file cannot be parsed
  unavailable,  ///< the application is not there
};

struct CheckedSetting {
  std::string path;
  IntegrationState state;
  std::string detail;  ///< empty: nothing to add
};
struct CheckedIntegration {
  std::string name;
  IntegrationState state;  ///< the worst of its settings
  std::string detail;
  std::vector<CheckedSetting> settings;
};
CheckedIntegration check_integration(const Integration& integration, const Surroundings& where);

struct IntegrateOptions {
  std::string name;    ///< of the integration; empty: all, to check
  std::string module;  ///< empty: the one that was installed with this program
  bool remove = false;
  bool check = false;
};
/// With `check`: fails with not_available after it has told when the integration is not in place; of all: when one is
/// outdated or broken, or none is in place.
Result<void> run_integrate(const IntegrateOptions& options, Format format, std::ostream& out);

}  // namespace sks::cli
