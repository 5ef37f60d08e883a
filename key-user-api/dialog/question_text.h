#pragma once

#include <string>
#include <vector>

#include "keygen2/user_dialog.h"

/// The questions of the dialogs with a person, in words. What an issuer has a say in is made printable and bounded.
namespace sks::dialog {

/// Who wants what: host, action, and whether the device is identified.
std::string describe_consent(const keygen2::ConsentRequest& request);

/// One of ConsentRequest::consequences, as long as one sentence may be.
std::string describe_consequence(const std::string& consequence);

/// What an attribute of keygen2.md 4.2 tells: "the IMEI number" or its URI.
std::string describe_attribute(const std::string& uri);

std::string describe_many_keys(std::size_t count);

/// "Creating key 2 of 3: My key (rsa2048)".
std::string describe_progress(const keygen2::KeyCreationProgress& progress);

/// Text for a window whose program may take '<' for the start of markup.
std::string for_window(const std::string& text);

}  // namespace sks::dialog
