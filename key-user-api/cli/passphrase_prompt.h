#pragma once

#include <cstdint>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::cli {

enum class PromptFor : std::uint8_t {
  passphrase,      ///< asked for once
  new_passphrase,  ///< asked for until it was typed twice
};

/// Asks the person at the terminal. `owner`: whose passphrase it is, "the key store in ...". Fails with user_abort when
/// nothing was entered, with not_available and the sentence `no_terminal` when nobody can be asked.
Result<SecureBytes> prompt_passphrase(PromptFor prompt, const std::string& owner, const std::string& no_terminal);

}  // namespace sks::cli
