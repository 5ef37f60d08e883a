#pragma once

#include <optional>
#include <string>

namespace sks::dialog {

/// Whether we may run what is there: a folder is none, whoever may enter it.
bool is_program(const std::string& path);

/// Where along $PATH a program is; nothing when it is not there. Folders that are not absolute are passed over.
std::optional<std::string> find_in_path(const std::string& name);

}  // namespace sks::dialog
