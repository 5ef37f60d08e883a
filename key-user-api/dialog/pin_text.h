#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "key-user-api/dialog/pin_encoding.h"
#include "keygen2/user_dialog.h"
#include "sks-core/base/result.h"

namespace sks::dialog {

/// What a user must know before choosing a PIN, in one sentence without its full stop: "6 to 8 digits, no digit
/// sequence ...".
std::string describe_policy(const keygen2::PinRequest& request);

/// "key A, key B": the keys that a PIN will protect.
std::string describe_keys(const keygen2::PinRequest& request);

/// A file with one PIN per line. Fails with option when it cannot be read, is empty, too large, or has an empty line.
Result<std::vector<SecureBytes>> read_pin_file(const std::string& path);

/// Text from outside as a person may be shown it: control characters, those that change the order in which others are
/// shown, and bytes that are not UTF-8 become '?'.
std::string printable(std::string_view text);

/// At most `limit` bytes, which are 3 at least: a longer text loses its end for "...".
std::string shorten(const std::string& text, std::size_t limit);

}  // namespace sks::dialog
