#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace sks {

/// The line, counted from 1, of the first character beyond ASCII that stands neither in a comment nor in a text of one
/// line; none when there is no such character.
///
/// For those who give TOML to toml++: its tables of white space end in undefined behaviour for some characters where
/// TOML has no place for them, and in texts of several lines. What toml++ would look up in them is always reported; in
/// broken TOML also characters that it would never get to.
std::optional<std::size_t> misplaced_character_line(std::string_view toml);

inline constexpr std::string_view kMisplacedCharacter =
    "a character beyond ASCII may only stand in a comment or in a text of one line; \\uXXXX stands for it elsewhere";

}  // namespace sks
