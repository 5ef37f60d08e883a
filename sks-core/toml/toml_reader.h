#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sks-core/base/result.h"

// The one place that includes toml++, for everybody with the same settings.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
// Some of its assertions do not hold for broken TOML, "[[[" for one, which its next lines report as they should. They
// would end a running program, or be a promise to the optimizer.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

namespace sks {

/// Why a text is not TOML, or not TOML that we take.
struct TomlFailure {
  std::size_t line;  ///< counted from 1
  std::string sentence;
};

/// Reads a TOML document from outside. Fails at the first character beyond ASCII that stands neither in a comment nor
/// in a text of one line, otherwise where the text is malformed; a text of any kind does no more than that.
Result<toml::table, TomlFailure> read_toml(std::string_view text);

}  // namespace sks
