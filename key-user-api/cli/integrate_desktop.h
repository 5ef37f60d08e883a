#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "key-user-api/cli/proxy.h"
#include "sks-core/base/result.h"

namespace sks::cli {

/// The folders of freedesktop.org's base directory specification that a user's own desktop settings are in.
struct DesktopFolders {
  std::string data;    ///< $XDG_DATA_HOME, else .local/share in $HOME
  std::string config;  ///< $XDG_CONFIG_HOME, else .config in $HOME
};
/// Fails with not_available when none of the variables says where, or one of them holds no absolute path.
Result<DesktopFolders> find_desktop_folders(const Environment& environment);

/// How a desktop is to start the program.
struct DesktopStart {
  std::vector<std::string> command;  ///< program and arguments; the URL comes behind them
  bool in_terminal = true;           ///< whether it needs one opened for it
};

/// The desktop entry that makes it the handler of keygen2:// URLs. Fails with option when a desktop entry cannot hold
/// the command: a control character in it, or '=' in the path of the program.
Result<std::string> desktop_entry(const DesktopStart& start);

/// Makes `start` the handler of keygen2:// URLs in this user's desktop, and says what it did. Done again it changes
/// nothing. Tools of the desktop that are not there are gone without. Fails with option or storage.
Result<void> add_url_handler(const DesktopStart& start, const DesktopFolders& folders, std::ostream& out);

/// Takes back what add_url_handler did. Fails with storage.
Result<void> remove_url_handler(const DesktopFolders& folders, std::ostream& out);

}  // namespace sks::cli
