#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "key-user-api/cli/arguments.h"

/// What options of several commands have in common. For the files of options.h.
namespace sks::cli {

/// For options whose empty value would otherwise stand for their default.
std::string check_not_empty(const std::string& value);

CLI::Option* add_value(CLI::App& command, const char* name, const char* type, std::string& value,
                       const char* description);
CLI::Option* add_file(CLI::App& command, const char* name, std::string& value, const char* description);

/// What stands behind the command without a name.
void add_operand(CLI::App& command, const char* name, std::string& value, const char* description);
/// The operand KEY.
void add_key(CLI::App& command, std::string& value);

CLI::Option* add_secret(CLI::App& command, const char* name, const char* type, Arguments& arguments,
                        const char* description);

/// --pin and --pin-file; the first is given back.
CLI::Option* add_pins(CLI::App& command, Arguments& arguments);

}  // namespace sks::cli
