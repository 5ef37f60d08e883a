#pragma once

#include <string>
#include <string_view>

#include "keygen2/failure.h"

namespace sks::keygen2 {

inline constexpr std::size_t kMaxRegularExpression = 1000;  ///< characters

/// Translates a regular expression of Java, written in the portable subset, into one of PCRE2 with the same meaning.
/// Spec: keygen2.md 6.3, Appendix B.
///
/// The result is written anew from what was understood: no text of the issuer gets into it but letters, digits and
/// escaped characters, so nothing that only PCRE2 knows (verbs, callouts, recursion, options) can be in it. Of escapes,
/// \D \W \S are understood besides \d \w \s, and a backslash before anything that is no ASCII letter or digit. A
/// quantifier behind ^ or $, and a class that is the end of a range, are refused.
///
/// Fails with value when `pattern` is not UTF-8, with policy above kMaxRegularExpression, with value on everything
/// outside the subset.
Outcome<std::string> translate_java_pattern(std::string_view pattern);

}  // namespace sks::keygen2
