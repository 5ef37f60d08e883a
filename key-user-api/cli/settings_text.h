#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sks-core/base/result.h"

/// What 'sks integrate' does to the text of settings files: adds something of its own, and takes out exactly that.
namespace sks::cli {

/// How a text was found.
enum class Presence : std::uint8_t {
  absent,  ///< nothing of ours
  other,   ///< ours, but not what would be added now
  same,
};

/// One way to have something in a file. All take texts as they are and lose no byte of what is not ours.
struct SettingsForm {
  /// The text with `content` in it. `text` none: there is no such file. Fails with option, with a sentence that does
  /// not name the file, when the text is none that this form can be part of.
  Result<std::string> (*add)(const std::optional<std::string>& text, std::string_view content);
  /// The text without what was added; none when there was no file before. Fails as `add`.
  Result<std::optional<std::string>> (*remove)(const std::string& text);
  Result<Presence> (*find)(const std::string& text, std::string_view content);
};

/// Lines between two comments at the beginning of the file: there they are part of no section, and what follows is as
/// it was. `content`: whole lines.
const SettingsForm& block_form();

/// A file of our own, which begins with a comment that says so. `content`: whole lines.
const SettingsForm& whole_file_form();

/// A module in the pkcs11.txt of an NSS database. `content`: the absolute name of the module.
const SettingsForm& nss_form();

/// The lines that are not ours and begin with one of `words`, in either case, of a file of the block form. Comments are
/// none.
std::vector<std::string> own_lines_with(const std::string& text, const std::vector<std::string_view>& words);

/// The name of the file of the module, by which it is known again.
inline constexpr std::string_view kModuleFile = "libsks-pkcs11.so";
/// The name of the module in NSS databases.
inline constexpr std::string_view kNssName = "OpenSKS";

}  // namespace sks::cli
