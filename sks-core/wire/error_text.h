#pragma once

#include <string>
#include <string_view>

namespace sks::wire {

inline constexpr std::size_t kMaxErrorText = 2000;  ///< bytes

/// `text` as an error text may be: well-formed UTF-8 of at most kMaxErrorText bytes, cut between code points, with a
/// question mark for each control character and each byte that is no UTF-8. Texts quote what a peer has sent, and end
/// up in logs and on terminals.
std::string error_text(std::string_view text);

}  // namespace sks::wire
