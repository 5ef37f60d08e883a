#pragma once

#include <optional>
#include <string>

#include "sks-core/base/result.h"

/// The settings files of other programs in a user's folders.
namespace sks::cli {

/// The content of a file; nothing when there is none, or it cannot be read.
std::optional<std::string> read_text(const std::string& path);

/// Puts a file in its place as a whole, also over one that is there, whose mode it keeps; one that is a symbolic link
/// stays it, and the file behind it is replaced. A new file has mode 0600. Fails with storage.
Result<void> write_text(const std::string& path, const std::string& content);

/// Makes a folder and those above it, as far as they are missing, with mode 0700. Fails with storage.
Result<void> make_folder(const std::string& folder);

/// Fails with storage. There being no such file is no failure.
Result<void> remove_file(const std::string& path);

}  // namespace sks::cli
