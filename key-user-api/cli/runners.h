#pragma once

#include <optional>
#include <vector>

#include "key-user-api/cli/command.h"
#include "key-user-api/cli/opened_store.h"
#include "key-user-api/dialog/terminal.h"

/// What runs commands: it opens the key store and finds those who can be asked. For the rows of the table and the
/// files that they are in.
namespace sks::cli {

Refusal refused(const Error& error);
Refusal wrong_usage(const Error& error);
Outcome to_outcome(const Result<void>& result);

Format format_of(const Arguments& arguments);

/// The key store that was chosen. Fails with not_available (with the command that makes one), or as OpenedStore::open.
Result<OpenedStore> open_store(const Arguments& arguments);

/// Makes the name that a user gave a key its handle; none stays none. Fails as resolve_key().
Result<void> resolve(std::string& key, OpenedStore& store);

/// Who gets what is written to `out`.
Reader reader_of(const std::ostream& out);

/// Fails with option when one of them is empty, as an unset variable of a script: not worth one of the tries.
Result<void> refuse_empty(const std::vector<SecureBytes>& secrets, std::string_view option);

/// The PINs of the command line or of the file, whichever is given.
Result<std::vector<SecureBytes>> take_pins(Arguments& arguments);

/// The terminal of this process, if it has one.
std::optional<dialog::Terminal> find_terminal();
dialog::Terminal* pointer_to(std::optional<dialog::Terminal>& terminal);

// Rows of the table that are in files of their own.
Outcome sign(Arguments& arguments, std::ostream& out);
Outcome verify(Arguments& arguments, std::ostream& out);
Outcome encrypt(Arguments& arguments, std::ostream& out);
Outcome decrypt(Arguments& arguments, std::ostream& out);
Outcome change_pin(Arguments& arguments, std::ostream& out);
Outcome unblock_pin(Arguments& arguments, std::ostream& out);
Outcome suspend(Arguments& arguments, std::ostream& out);
Outcome resume_key(Arguments& arguments, std::ostream& out);
Outcome export_key(Arguments& arguments, std::ostream& out);
Outcome complete_bash(Arguments& arguments, std::ostream& out);

}  // namespace sks::cli
