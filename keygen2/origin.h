#pragma once

#include <string_view>

namespace sks::keygen2 {

/// Whether two http or https URLs have the same scheme, host and port. Letter case of scheme and host does not matter,
/// and no port is the scheme's own. Any other URI, or one with a user name, has no origin, and equals none. Spec:
/// keygen2.md 8.8.
bool is_same_origin(std::string_view a, std::string_view b);

}  // namespace sks::keygen2
